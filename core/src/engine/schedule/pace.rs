//! What a pass costs by its rows, as measured: the number of rows that double it.

/// Rows that are told apart.
const MOST: usize = 17;
/// Rows beside one that waits, before anything was measured.
const USUAL: usize = 4;
/// Share of a new measurement in what is kept.
const NEW: f64 = 0.2;
/// What counts as double; times vary by some percent.
const DOUBLE: f64 = 2.1;

/// Times of passes by their rows, of late.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// In ms, of passes over 1, 2, and so on rows.
    ms: [Option<f64>; MOST],
}

impl Pace {
    /// A pass over `rows` rows took `ms`.
    pub(super) fn note(&mut self, rows: usize, ms: f64) {
        if let Some(kept) = rows.checked_sub(1).and_then(|at| self.ms.get_mut(at)).filter(|_| ms.is_finite()) {
            *kept = Some(kept.map_or(ms, |kept| kept + NEW * (ms - kept)));
        }
    }

    /// Rows that make a pass over one row take at most about twice as long: at least one, at most 16. Numbers that were not
    /// measured are tried, those next to the smallest one that is known to be too many first.
    pub(super) fn doubling(&self) -> usize {
        let Some(one) = self.ms[0] else { return USUAL };
        let is_too_many = |ms: &Option<f64>| ms.is_some_and(|ms| ms > DOUBLE * one);
        let most = self.ms.iter().position(is_too_many).unwrap_or(MOST);
        // The one row is among them.
        (most - 1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that double a pass that takes `fixed + each * rows`, where a step has as many as that allows.
    fn learned(fixed: f64, each: f64) -> usize {
        let mut pace = Pace::default();
        pace.note(1, fixed + each);
        for turn in 0..100_usize {
            let rows = 1 + pace.doubling().min(8);
            let noise = if turn % 2 == 0 { 1.02 } else { 0.98 };
            pace.note(rows, (fixed + each * rows as f64) * noise);
        }
        pace.doubling()
    }

    #[test]
    fn rows_that_double_a_pass_are_learned() {
        assert_eq!(Pace::default().doubling(), 4, "nothing is known");
        assert!((3..=5).contains(&learned(3.0, 1.0)), "{}", learned(3.0, 1.0));
        assert_eq!(learned(100.0, 1.0), 16, "bounded");
        assert_eq!(learned(0.1, 5.0), 1, "a row costs what a pass costs");
    }

    #[test]
    fn passes_that_tell_nothing_change_nothing() {
        let mut pace = Pace::default();
        pace.note(1, 4.0);
        [(0, 1.0), (128, 1.0), (2, f64::NAN)].iter().for_each(|&(rows, ms)| pace.note(rows, ms));
        assert_eq!(pace.doubling(), 16);
        pace.note(9, 20.0);
        assert_eq!(pace.doubling(), 7, "with the one, one less than was too many");
        // It was a slow moment.
        (0..20).for_each(|_| pace.note(9, 7.0));
        assert_eq!(pace.doubling(), 16);
    }
}
