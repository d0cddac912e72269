//! The threads that share the work of one network pass.
//!
//! A pass consists of hundreds of jobs of a few microseconds, so the helpers wait for the next one spinning, for a bounded
//! time, and then sleep. Shares are claimed one at a time: a slow core takes fewer. When a helper lost its core to another
//! process in the middle of a share, the caller sleeps until the share is done, which frees its own core for the helper,
//! and does without helpers for a while. Waiting for threads that do not run is what makes other engines fall to a third
//! of their speed on a busy phone.
//!
//! Nothing depends on who computes what: results are equal for every number of threads.

mod affinity;
mod ceiling;
mod claim;
mod cores;
mod helper;
mod patience;
mod shared;
mod trial;

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use once_cell::sync::Lazy;

pub use affinity::{Affinity, set_affinity};
pub use ceiling::Allowance;
pub(crate) use ceiling::Ceiling;
use ceiling::allowance;
use helper::{Helpers, lock};
use patience::Patience;
pub(crate) use shared::Parts;
use trial::Schedule;

/// The most threads that work together.
pub const MAX_THREADS: usize = 64;

struct Pool {
    helpers: Helpers,
    /// Held by the thread whose pass has the helpers.
    turn: Mutex<()>,
    patience: Mutex<Patience>,
    /// Threads that may work, the caller included.
    threads: AtomicUsize,
    /// Those that work on products of few rows; more than there are until it was measured.
    few: AtomicUsize,
    /// When that is measured next.
    schedule: Mutex<Schedule>,
}

static POOL: Lazy<Pool> = Lazy::new(|| {
    let wanted = cores::wanted();
    Pool {
        helpers: Helpers::default(),
        turn: Mutex::new(()),
        patience: Mutex::new(Patience::default()),
        threads: AtomicUsize::new(wanted.unwrap_or_else(cores::fast).min(MAX_THREADS)),
        few: AtomicUsize::new(MAX_THREADS),
        schedule: Mutex::new(if wanted.is_some() { Schedule::never() } else { Schedule::default() }),
    }
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
/// [`set_threads`] says; of these, what engines allow on a device that is hot or short of power
/// ([`crate::Engine::set_conditions`]).
#[must_use]
pub fn threads() -> usize {
    allowance().of(POOL.threads.load(Ordering::Relaxed))
}

/// Threads that share a product of few rows: those of [`threads`] that were measured to be worth while.
#[must_use]
pub fn threads_for_few_rows() -> usize {
    threads().min(POOL.few.load(Ordering::Relaxed))
}

/// Sets how many threads work on a pass from now on, the caller included; at least one, at most [`MAX_THREADS`].
pub fn set_threads(count: usize) {
    *lock(&POOL.schedule) = Schedule::never();
    POOL.few.store(MAX_THREADS, Ordering::Relaxed);
    POOL.threads.store(count.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

/// Measures, when it is due, how many threads products of few rows are worth; `work` is some of them, and is done a few times
/// per thread. Never due once somebody has said how many threads there are, or all of them were found to be worth it: fewer may
/// be an effect of what else the device did just then, so that is measured again later. Nothing happens while other threads
/// are at work, nor while not all threads may work: what is found then says nothing of the device at its best.
pub(crate) fn measure_few_rows(work: impl Fn()) {
    let is_whole = || allowance() == Allowance::All;
    if threads() == 1 || !is_whole() || !lock(&POOL.schedule).is_due() {
        return;
    }
    pass(|| {
        let undisturbed = || ROLE.get() == Role::Owner && is_whole();
        if !undisturbed() {
            return;
        }
        let (mut trial, all) = (Trial { few: POOL.few.load(Ordering::Relaxed) }, threads());
        let found = trial::fewest(all, |count| {
            POOL.few.store(count, Ordering::Relaxed);
            work();
            undisturbed()
        });
        trial.few = found.unwrap_or(trial.few);
        drop(trial);
        lock(&POOL.schedule).found(found == Some(all));
        match found {
            Some(count) => log::info!("a decode step is worth {count} of {all} threads"),
            None => log::info!("how many threads a decode step is worth could not be measured: a core was busy"),
        }
    });
}

/// Sets the number for few rows when it ends, also by a panic: what a trial found, or what was there before it.
struct Trial {
    few: usize,
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Held, so that who says a number meanwhile has the last word.
        let schedule = lock(&POOL.schedule);
        POOL.few.store(if schedule.is_settled() { MAX_THREADS } else { self.few }, Ordering::Relaxed);
    }
}

/// The turn, unless another thread has it. A pass that panicked leaves nothing half done.
fn try_turn() -> Option<MutexGuard<'static, ()>> {
    match POOL.turn.try_lock() {
        Ok(turn) => Some(turn),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Runs `pass` with the helpers at hand, unless another thread has them or they were found without a core lately: then the
/// calling thread does all work itself.
pub(crate) fn pass<R>(pass: impl FnOnce() -> R) -> R {
    if ROLE.get() != Role::Stranger {
        return pass();
    }
    let turn = if threads() > 1 { try_turn() } else { None };
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
    run_on(threads(), shares, work);
}

/// As [`run`], on `threads` threads of the pass, the caller included.
///
/// # Panics
/// When a call of `work` does.
pub(crate) fn run_on(threads: usize, shares: usize, work: impl Fn(usize) + Sync) {
    if shares <= 1 || ROLE.get() == Role::Alone || threads <= 1 {
        (0..shares).for_each(work);
        return;
    }
    if ROLE.get() == Role::Stranger {
        return pass(|| run_on(threads, shares, work));
    }
    let mut patience = lock(&POOL.patience);
    let outcome = {
        let _role = Acting::new(Role::Alone);
        POOL.helpers.run(threads - 1, shares, &work, &mut patience)
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
