//! The threads that share the work of one network pass.
//!
//! A pass consists of hundreds of jobs of a few microseconds, so the helpers wait for the next one spinning, for a bounded
//! time, and then sleep. Shares are claimed one at a time: a slow core takes fewer. When a helper lost its core to another
//! process in the middle of a share, the caller sleeps until the share is done, which frees its own core for the helper,
//! and does without helpers for a while. Waiting for threads that do not run is what makes other engines fall to a third
//! of their speed on a busy phone.
//!
//! Nothing depends on who computes what: results are equal for every number of threads.

mod claim;
mod cores;
mod helper;
mod patience;
mod shared;

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::Lazy;

use helper::{Helpers, lock};
use patience::Patience;
pub(crate) use shared::Parts;

/// The most threads that work together.
pub const MAX_THREADS: usize = 64;

struct Pool {
    helpers: Helpers,
    /// Held by the thread whose pass has the helpers.
    turn: Mutex<()>,
    patience: Mutex<Patience>,
    /// Threads that may work, the caller included.
    threads: AtomicUsize,
}

static POOL: Lazy<Pool> = Lazy::new(|| Pool {
    helpers: Helpers::default(),
    turn: Mutex::new(()),
    patience: Mutex::new(Patience::default()),
    threads: AtomicUsize::new(cores::threads()),
});

/// What the current thread does for the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Stranger,
    /// It runs a pass and has the helpers.
    Owner,
    /// It runs a pass or a share of a job without help.
    Alone,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::Stranger) };
}

/// Sets the current thread's role until it is dropped.
struct Acting(Role);

impl Acting {
    fn new(role: Role) -> Self {
        Self(ROLE.replace(role))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        ROLE.set(self.0);
    }
}

/// Threads that work on a pass, the caller included: the number of fast cores, or what `LOAM_THREADS` or
/// [`set_threads`] says.
#[must_use]
pub fn threads() -> usize {
    POOL.threads.load(Ordering::Relaxed)
}

/// Sets how many threads work on a pass from now on, the caller included; at least one, at most [`MAX_THREADS`].
pub fn set_threads(count: usize) {
    POOL.threads.store(count.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

/// Runs `pass` with the helpers at hand, unless another thread has them or they were found without a core lately: then the
/// calling thread does all work itself.
pub(crate) fn pass<R>(pass: impl FnOnce() -> R) -> R {
    if ROLE.get() != Role::Stranger {
        return pass();
    }
    let turn = if threads() > 1 { POOL.turn.try_lock().ok() } else { None };
    let helped = turn.is_some() && lock(&POOL.patience).is_open();
    let _role = Acting::new(if helped { Role::Owner } else { Role::Alone });
    pass()
}

/// Calls `work` once for each of `0..shares`, on all threads of the pass; returns when all calls have returned. A share
/// should last at least a few microseconds.
///
/// # Panics
/// When a call of `work` does.
pub(crate) fn run(shares: usize, work: impl Fn(usize) + Sync) {
    if shares <= 1 || ROLE.get() == Role::Alone || threads() == 1 {
        (0..shares).for_each(work);
        return;
    }
    if ROLE.get() == Role::Stranger {
        return pass(|| run(shares, work));
    }
    let mut patience = lock(&POOL.patience);
    let outcome = {
        let _role = Acting::new(Role::Alone);
        POOL.helpers.run(threads() - 1, shares, &work, &mut patience)
    };
    if patience.is_closed() {
        ROLE.set(Role::Alone);
    }
    drop(patience);
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Cuts `items` into chunks of `length`, the last one shorter, and calls `work` with each one's number.
///
/// # Panics
/// When `length` is zero, or a call of `work` panics.
pub(crate) fn chunks<T: Send>(items: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let parts = Parts::new(items, length);
    // SAFETY: `run` calls with each number once.
    run(parts.len(), |index| work(index, unsafe { parts.take(index) }));
}

/// Values per share of [`rows`].
const ROWS_SHARE: usize = 1 << 13;

/// Calls `work` with the number of each row of `width` items and the row; short rows share a hand-over.
///
/// # Panics
/// When `width` is zero, or a call of `work` panics.
pub(crate) fn rows<T: Send>(items: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let per_share = ROWS_SHARE.div_ceil(width);
    chunks(items, per_share * width, |share, items| {
        items.chunks_mut(width).enumerate().for_each(|(row, items)| work(share * per_share + row, items));
    });
}

/// `make(i)` for each of `0..count`, in order.
pub(crate) fn map<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut slots: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    chunks(&mut slots, 1, |index, slot| slot[0] = Some(make(index)));
    slots.into_iter().map(|slot| slot.expect("invariant: every share has run")).collect()
}

#[cfg(test)]
mod tests;
