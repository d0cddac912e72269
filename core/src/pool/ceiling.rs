//! How many of the pool's threads may work: what those ask for who know the device to be hot, or short of power.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use super::helper::lock;

/// A part of the threads that the device is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowance {
    /// All of them.
    #[default]
    All,
    /// Half of them, rounded down, and one at least.
    Half,
    /// The calling thread alone.
    One,
}

impl Allowance {
    /// How many these are of `threads` threads.
    #[must_use]
    pub fn of(self, threads: usize) -> usize {
        match self {
            Self::All => threads,
            Self::Half => (threads / 2).max(1),
            Self::One => 1,
        }
    }
}

/// What was asked for and is in force, without those who ask for nothing.
static HELD: Mutex<Vec<Allowance>> = Mutex::new(Vec::new());
/// The strictest of [`HELD`], as its number: read in every product.
static STRICTEST: AtomicU8 = AtomicU8::new(Allowance::All as u8);

/// What is in force. The process has one set of cores, so that the strictest holds for all of its engines.
pub(super) fn allowance() -> Allowance {
    match STRICTEST.load(Ordering::Relaxed) {
        0 => Allowance::All,
        1 => Allowance::Half,
        _ => Allowance::One,
    }
}

/// What one holder asks for, until it is dropped; everything at first. A change counts from the next product on, also within
/// a pass.
#[derive(Debug, Default)]
pub(crate) struct Ceiling(Mutex<Allowance>);

impl Ceiling {
    /// Asks for `allowance` from now on.
    pub(crate) fn set(&self, allowance: Allowance) {
        let mut own = lock(&self.0);
        replace(*own, allowance);
        *own = allowance;
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        self.set(Allowance::All);
    }
}

fn replace(old: Allowance, new: Allowance) {
    let mut held = lock(&HELD);
    if let Some(at) = held.iter().position(|one| *one == old) {
        held.swap_remove(at);
    }
    if new != Allowance::All {
        held.push(new);
    }
    let strictest = held.iter().copied().max().unwrap_or_default();
    STRICTEST.store(strictest as u8, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_a_part_and_never_none() {
        assert_eq!([1, 2, 3, 8].map(|threads| Allowance::All.of(threads)), [1, 2, 3, 8]);
        assert_eq!([1, 2, 3, 8].map(|threads| Allowance::Half.of(threads)), [1, 1, 1, 4]);
        assert_eq!([1, 2, 3, 8].map(|threads| Allowance::One.of(threads)), [1, 1, 1, 1]);
    }

    // The only one of the crate's own tests that sets ceilings: they are the process's.
    #[test]
    fn the_strictest_ceiling_holds_for_as_long_as_someone_asks_for_it() {
        let (first, second) = (Ceiling::default(), Ceiling::default());
        assert_eq!(allowance(), Allowance::All);
        first.set(Allowance::Half);
        second.set(Allowance::One);
        assert_eq!((allowance(), super::super::threads()), (Allowance::One, 1));
        second.set(Allowance::Half);
        assert_eq!(allowance(), Allowance::Half);
        drop(first);
        assert_eq!(allowance(), Allowance::Half, "the other one asks for it, too");
        drop(second);
        assert_eq!(allowance(), Allowance::All);
    }
}
