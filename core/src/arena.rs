//! Room for activations, which passes take and give back: a pass allocates none that an earlier one had.
//!
//! One arena serves all threads, so what an encoder gave back is what the backbone takes next.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that the arena keeps while nobody uses them; more than a prompt's chunk or an image takes.
const KEPT: usize = 32 << 20;

/// A buffer may be so many times as long as what is asked for: a long one that holds little is missed elsewhere.
const WASTE: usize = 4;
/// Values of a buffer that is short enough for anything.
const SMALL: usize = 1 << 12;

/// Buffers that nobody uses.
static IDLE: Mutex<Idle> = Mutex::new(Idle { buffers: Vec::new(), bytes: 0 });
/// Bytes of all buffers that are in use.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Idle {
    buffers: Vec<Vec<f32>>,
    bytes: usize,
}

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    /// The smallest buffer of at least `len` values that is not far longer; else the longest of those that are shorter, which
    /// makes way for a new one.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let lengths = || self.buffers.iter().map(Vec::len).enumerate();
        let most = len.saturating_mul(WASTE).max(SMALL);
        let fitting = lengths().filter(|(_, have)| (len..=most).contains(have)).min_by_key(|(_, have)| *have);
        let shorter = || lengths().filter(|(_, have)| *have < len).max_by_key(|(_, have)| *have);
        let (at, have) = fitting.or_else(shorter)?;
        self.bytes -= have * size_of::<f32>();
        Some(self.buffers.swap_remove(at))
    }

    /// Keeps a buffer, unless there are enough.
    fn put(&mut self, buffer: Vec<f32>) {
        let bytes = buffer.len() * size_of::<f32>();
        if bytes > 0 && self.bytes + bytes <= KEPT {
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

/// Bytes that the arena holds, of buffers in use and of those that it keeps.
pub(crate) fn bytes() -> u64 {
    (IN_USE.load(Ordering::Relaxed) + idle().bytes) as u64
}

/// Frees what the arena keeps.
pub(crate) fn trim() {
    *idle() = Idle { buffers: Vec::new(), bytes: 0 };
}

/// Some values of the arena, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    buffer: Vec<f32>,
    len: usize,
}

impl Room {
    /// `len` values left over from before: for whoever writes each of them before it is read.
    pub(crate) fn new(len: usize) -> Self {
        let found = idle().take(len).filter(|buffer| buffer.len() >= len);
        let buffer = found.unwrap_or_else(|| vec![0.0; len]);
        IN_USE.fetch_add(size_of_val(&buffer[..]), Ordering::Relaxed);
        Self { buffer, len }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut room = Self::new(len);
        room.fill(0.0);
        room
    }

    /// A copy of `values`.
    pub(crate) fn copy(values: &[f32]) -> Self {
        let mut room = Self::new(values.len());
        room.copy_from_slice(values);
        room
    }
}

impl Deref for Room {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Clone for Room {
    fn clone(&self) -> Self {
        Self::copy(self)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        IN_USE.fetch_sub(size_of_val(&self.buffer[..]), Ordering::Relaxed);
        idle().put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[usize]) -> Idle {
        let mut idle = Idle { buffers: Vec::new(), bytes: 0 };
        lengths.iter().for_each(|&len| idle.put(vec![0.0; len]));
        idle
    }

    #[test]
    fn the_closest_fit_is_taken_or_the_longest_that_is_too_short_makes_way() {
        let mut idle = of(&[100, 10, 50, 100_000]);
        let mut taken = |len: usize| idle.take(len).map(|buffer| buffer.len());
        assert_eq!([taken(20), taken(20), taken(20)], [Some(50), Some(100), Some(10)]);
        assert_eq!(taken(20), None, "the long one is for others");
        assert_eq!(taken(50_000), Some(100_000));
        assert_eq!(idle.bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_a_pass_is_worth() {
        let mut idle = of(&[KEPT / 8, KEPT / 16, 0]);
        assert_eq!((idle.buffers.len(), idle.bytes), (2, KEPT / 4 * 3));
        idle.put(vec![0.0; KEPT / 8]);
        assert_eq!((idle.buffers.len(), idle.bytes), (2, KEPT / 4 * 3), "another would be too much");
    }

    #[test]
    fn zeros_are_zeros_whoever_had_the_room_before() {
        Room::new(1000).fill(1.0);
        assert!(Room::zeros(1000).iter().all(|value| *value == 0.0));
        let room = Room::copy(&[1.0, 2.0]);
        assert_eq!(room.clone()[..], [1.0, 2.0]);
    }
}
