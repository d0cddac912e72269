//! When to do without helpers.

use std::time::{Duration, Instant};

/// A wait longer than this, and than the owner's own part several times over, is that for a thread without a core.
const STALL: Duration = Duration::from_micros(300);
/// Time that may be lost to stalls at once. Every machine loses some now and then.
const CREDIT: Duration = Duration::from_millis(6);
/// Lost time is forgotten at this rate: one part in so many of the time that goes by.
const FORGIVENESS: u32 = 10;
/// The first and the longest time without helpers. Each try beside a busy core costs some milliseconds.
const PAUSE: [Duration; 2] = [Duration::from_millis(16), Duration::from_millis(1024)];
/// How much longer each pause is than the one before.
const GROWTH: u32 = 4;

/// What the owner of the pool has seen of its helpers.
#[derive(Debug)]
pub(super) struct Patience {
    /// Helpers are left alone until then.
    until: Option<Instant>,
    /// How long they are left alone next.
    pause: Duration,
    /// Time lost to stalls and not forgotten.
    lost: Duration,
    /// When the last stall ended.
    since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { until: None, pause: PAUSE[0], lost: Duration::ZERO, since: None }
    }
}

impl Patience {
    /// Whether to ask the helpers.
    pub(super) fn is_open(&mut self) -> bool {
        match self.until {
            Some(until) if Instant::now() < until => false,
            _ => {
                self.until = None;
                true
            }
        }
    }

    /// Whether a stall has just closed the door.
    pub(super) fn is_closed(&self) -> bool {
        self.until.is_some()
    }

    /// The owner waited for `waited` after working for `own` itself.
    pub(super) fn waited(&mut self, waited: Duration, own: Duration) {
        if waited >= STALL && waited >= own * 2 {
            self.stalled(waited, Instant::now());
        }
    }

    fn stalled(&mut self, waited: Duration, now: Instant) {
        let good = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since + waited));
        if good / FORGIVENESS > self.lost {
            (self.lost, self.pause) = (Duration::ZERO, PAUSE[0]);
        }
        self.lost = self.lost.saturating_sub(good / FORGIVENESS) + waited;
        self.since = Some(now);
        if self.lost > CREDIT {
            let until = now + self.pause;
            self.pause = (self.pause * GROWTH).min(PAUSE[1]);
            // The next try may not lose as much before it is given up.
            self.lost = CREDIT;
            (self.until, self.since) = (Some(until), Some(until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn short_and_proportionate_waits_are_none() {
        let mut patience = Patience::default();
        for _ in 0..1000 {
            patience.waited(Duration::from_micros(100), Duration::ZERO);
            patience.waited(9 * MILLISECOND, 8 * MILLISECOND);
        }
        assert!(patience.is_open());
    }

    #[test]
    fn rare_stalls_are_borne_and_frequent_ones_pause_for_longer_each_time() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        for _ in 0..100 {
            now += 103 * MILLISECOND;
            patience.stalled(3 * MILLISECOND, now);
            assert!(!patience.is_closed(), "three milliseconds in a hundred");
        }
        let mut pauses = Vec::new();
        for _ in 0..9 {
            now += 4 * MILLISECOND;
            patience.stalled(3 * MILLISECOND, now);
            if let Some(until) = patience.until.take() {
                pauses.push((until - now).as_millis());
                now = until;
            }
        }
        assert_eq!(pauses[..4], [16, 64, 256, 1024]);
        assert!(pauses.ends_with(&[1024, 1024]), "{pauses:?}");
        now += 10_000 * MILLISECOND;
        patience.stalled(3 * MILLISECOND, now);
        assert!(!patience.is_closed(), "long ago is forgotten");
    }
}
