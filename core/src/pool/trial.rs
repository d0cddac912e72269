//! How many threads a product of few rows is worth: it waits for memory, which some cores may exhaust together.

use std::time::{Duration, Instant};

/// Tries of each count, of which the fastest counts: other programs only make a try slower.
const ROUNDS: usize = 5;
/// Fewer threads are taken when all of them together would be this much faster at most.
const WORTH: f64 = 1.05;

/// Time until fewer threads are measured again: at first, and at most.
const AGAIN: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(3600)];

/// When to measure.
pub(super) struct Schedule {
    /// `None` for never.
    due: Option<Instant>,
    pause: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { due: Some(Instant::now()), pause: AGAIN[0] }
    }
}

impl Schedule {
    /// Nothing is to be measured.
    pub(super) fn never() -> Self {
        Self { due: None, ..Self::default() }
    }

    /// Whether to measure now.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| Instant::now() >= due)
    }

    /// Whether nothing is to be measured any more.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_none()
    }

    /// Takes note of a trial: whether all threads are worth it.
    pub(super) fn found(&mut self, all: bool) {
        if self.is_settled() {
            return;
        }
        self.due = if all { None } else { Some(Instant::now() + self.pause) };
        self.pause = (self.pause * 4).min(AGAIN[1]);
    }
}

/// The counts that are tried: each up to four, and even ones beyond.
fn counts(all: usize) -> impl Iterator<Item = usize> {
    (1..=all).filter(move |count| *count <= 4 || count.is_multiple_of(2) || *count == all)
}

/// The fewest threads up to `all` that are about as fast as any number. `work` does the same amount with the given number;
/// `None` when it says that something came between.
pub(super) fn fewest(all: usize, mut work: impl FnMut(usize) -> bool) -> Option<usize> {
    let mut best: Vec<(usize, Duration)> = counts(all).map(|count| (count, Duration::MAX)).collect();
    // The first try waits for pages of files.
    work(all);
    // In turn, so that a change of the machine's speed meets all counts.
    for _ in 0..ROUNDS {
        for (count, best) in &mut best {
            let start = Instant::now();
            if !work(*count) {
                return None;
            }
            *best = start.elapsed().min(*best);
        }
    }
    worth(&best)
}

fn worth(best: &[(usize, Duration)]) -> Option<usize> {
    let fastest = best.iter().map(|(_, time)| *time).min()?;
    best.iter().find(|(_, time)| time.as_secs_f64() <= fastest.as_secs_f64() * WORTH).map(|(count, _)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_are_taken_while_they_help() {
        let of = |times: &[(usize, u64)]| {
            worth(&times.iter().map(|&(count, micros)| (count, Duration::from_micros(micros))).collect::<Vec<_>>())
        };
        assert_eq!(of(&[(1, 1000), (2, 520), (3, 500), (4, 470)]), Some(4), "6 % are worth a thread");
        assert_eq!(of(&[(1, 1000), (2, 510), (3, 500), (4, 495)]), Some(2), "memory is exhausted");
        assert_eq!(of(&[(1, 500), (2, 700)]), Some(1), "a slow core holds the other up");
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn fewer_threads_are_measured_again() {
        let mut schedule = Schedule::default();
        assert!(schedule.is_due());
        for pause in [10, 40, 160, 640, 2560, 3600, 3600] {
            let before = Instant::now();
            schedule.found(false);
            assert!(!schedule.is_due());
            let due = schedule.due.expect("later");
            assert_eq!((due - before).as_secs(), pause);
        }
        schedule.found(true);
        assert!(schedule.due.is_none() && !Schedule::never().is_due());
    }

    #[test]
    fn all_counts_are_tried_in_turn_until_something_comes_between() {
        assert_eq!(counts(3).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(counts(9).collect::<Vec<_>>(), [1, 2, 3, 4, 6, 8, 9]);
        let mut tried = Vec::new();
        let found = fewest(2, |count| {
            tried.push(count);
            true
        });
        assert!(found.is_some());
        assert_eq!(tried, [2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
        assert_eq!(fewest(2, |count| count == 2), None);
    }
}
