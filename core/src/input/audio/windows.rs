//! A recording of any length, a window at a time.

use super::pcm::check;
use crate::error::{Error, Result};

/// Longest window: ten minutes at 192 kHz.
const MAX_WINDOW: usize = 600 * 192_000;

/// Cuts a stream of mono samples into windows of one length that begin every `hop` samples.
///
/// Holds one window and what was pushed since, so that a recording of hours takes the memory of one window when the
/// windows are taken after each push.
#[derive(Clone, Debug)]
pub struct AudioWindows {
    length: usize,
    hop: usize,
    held: Vec<f32>,
    /// Samples of `held` that lie before the next window.
    passed: usize,
    received: usize,
    taken: usize,
}

impl AudioWindows {
    /// Windows of `length` samples, one every `hop` samples; a hop of `length` makes them adjoin.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `1 <= hop <= length <= 115200000`.
    pub fn new(length: usize, hop: usize) -> Result<Self> {
        if !(1..=MAX_WINDOW).contains(&length) || !(1..=length).contains(&hop) {
            let reason = format!("{length} samples every {hop}, accepted are 1 <= hop <= length <= {MAX_WINDOW}");
            return Err(Error::argument("window", reason));
        }
        Ok(Self { length, hop, held: Vec::new(), passed: 0, received: 0, taken: 0 })
    }

    /// Adds samples.
    ///
    /// # Errors
    /// [`Error::Argument`] for a sample that is not finite or beyond 8, naming its index in the stream, and when more than
    /// two windows' worth of the longest window wait to be taken; nothing was added then.
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        check(samples, self.received)?;
        // Only here, so that taking a window with a small hop does not move the rest each time.
        self.held.drain(..self.passed);
        self.passed = 0;
        if self.held.len().saturating_add(samples.len()) > 2 * MAX_WINDOW {
            return Err(Error::argument("audio", "too many samples wait; take the windows after each push"));
        }
        self.held.extend_from_slice(samples);
        self.received = self.received.saturating_add(samples.len());
        Ok(())
    }

    /// The next whole window, if its last sample has arrived.
    pub fn take(&mut self) -> Option<&[f32]> {
        let start = self.passed;
        if self.held.len() - start < self.length {
            return None;
        }
        self.passed += self.hop;
        self.taken += 1;
        Some(&self.held[start..start + self.length])
    }

    /// The samples that no window has shown yet, with the begin that they share with the last one: shorter than a window,
    /// `None` when nothing is left. Call it when [`AudioWindows::take`] has returned `None` for the last time; a new stream
    /// begins.
    pub fn finish(&mut self) -> Option<Vec<f32>> {
        let overlap = if self.taken == 0 { 0 } else { self.length - self.hop };
        let rest = self.held.split_off(self.passed.min(self.held.len()));
        *self = Self { held: Vec::new(), passed: 0, received: 0, taken: 0, ..*self };
        (rest.len() > overlap).then_some(rest)
    }

    /// Samples in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }
}
