//! Room for activations, which passes take and give back: a pass allocates none that an earlier one had.
//!
//! One arena serves all threads, so what an encoder gave back is what the backbone takes next.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that the arena keeps while nobody uses them; more than a prompt's chunk or an image takes.
const KEPT: usize = 32 << 20;

/// Buffers that nobody uses.
static IDLE: Mutex<Idle> = Mutex::new(Idle { buffers: Vec::new(), bytes: 0 });

struct Idle {
    buffers: Vec<Vec<f32>>,
    bytes: usize,
}

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    /// The smallest buffer of at least `len` values; else the largest there is, which is too short.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let lengths = || self.buffers.iter().map(Vec::len).enumerate();
        let fitting = lengths().filter(|(_, have)| *have >= len).min_by_key(|(_, have)| *have);
        let (at, have) = fitting.or_else(|| lengths().max_by_key(|(_, have)| *have))?;
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
        Self { buffer: found.unwrap_or_else(|| vec![0.0; len]), len }
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
    fn the_closest_fit_is_taken_and_the_largest_makes_way() {
        let mut idle = of(&[100, 10, 50]);
        assert_eq!(idle.take(20).map(|buffer| buffer.len()), Some(50));
        assert_eq!(idle.take(20).map(|buffer| buffer.len()), Some(100));
        assert_eq!(idle.take(20).map(|buffer| buffer.len()), Some(10), "too short, so it is freed for a longer one");
        assert!(idle.take(20).is_none() && idle.bytes == 0);
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
