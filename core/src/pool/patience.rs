//! When to do without helpers.

use std::time::{Duration, Instant};

/// A wait longer than this, and than the owner's own part several times over, is that for a thread without a core.
const STALL: Duration = Duration::from_micros(300);
/// The first and the longest time without helpers after a stall.
const PAUSE: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(256)];
/// How long helpers must keep up before an earlier stall is forgotten.
const TRUST: Duration = Duration::from_millis(500);

/// What the owner of the pool has seen of its helpers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Helpers are left alone until then.
    until: Option<Instant>,
    /// How long they are left alone after the next stall; zero before the first.
    pause: Duration,
    /// When helpers last stalled.
    stalled: Option<Instant>,
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

    /// The helpers were ready when the owner was.
    pub(super) fn kept(&mut self) {
        if self.stalled.is_some_and(|then| then.elapsed() > TRUST + self.pause) {
            *self = Self::default();
        }
    }

    /// The owner waited for `waited` after working for `own` itself.
    pub(super) fn waited(&mut self, waited: Duration, own: Duration) {
        if waited < STALL || waited < own * 2 {
            self.kept();
            return;
        }
        let now = Instant::now();
        self.pause = (self.pause * 2).clamp(PAUSE[0], PAUSE[1]);
        self.until = Some(now + self.pause);
        self.stalled = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_pause_for_longer_each_time_and_short_waits_do_not() {
        let mut patience = Patience::default();
        patience.waited(Duration::from_micros(100), Duration::ZERO);
        patience.waited(Duration::from_millis(9), Duration::from_millis(8));
        assert!(patience.is_open(), "a wait in proportion to the work is none");
        for expected in [4, 8, 16, 32, 64, 128, 256, 256] {
            patience.waited(Duration::from_millis(3), Duration::from_micros(20));
            assert!(!patience.is_open());
            assert_eq!(patience.pause, Duration::from_millis(expected));
        }
        patience.kept();
        assert!(!patience.is_open(), "one good job does not make up for a stall");
    }
}
