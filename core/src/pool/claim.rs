//! One job at a time, and who does which share of it.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::MAX_THREADS;

/// What a share calls.
type Work = *const (dyn Fn(usize) + Sync);

/// The shares that one thread does before it helps others: those from `next` (low half) to `end` (high half). On a cache
/// line of its own.
#[repr(align(128))]
struct Lane(AtomicU64);

/// The current job. Each thread has a lane of neighbouring shares, so that it reads memory in order, and takes from other
/// lanes when its own is empty. A share is claimed by compare-and-swap of its lane's word, so a claim that succeeds is always
/// one of the job that is published at that moment, and a job whose share is claimed cannot end before [`Board::finish`] is
/// called for it.
pub(super) struct Board {
    lanes: [Lane; MAX_THREADS],
    /// Lanes in use.
    threads: AtomicUsize,
    /// Shares of the job.
    shares: AtomicUsize,
    /// Shares that have returned.
    done: AtomicUsize,
    work: UnsafeCell<Option<Work>>,
}

// SAFETY: `work` is written by the owner of the pool alone, while no share of the job before is claimed and none of the
// next one can be, and read only by threads that hold a claim; the words of the lanes order both.
unsafe impl Sync for Board {}
// SAFETY: as above; the pointer is to a `Sync` closure that outlives its job.
unsafe impl Send for Board {}

/// Next share and end of a lane.
fn halves(word: u64) -> (u64, u64) {
    (word & 0xffff_ffff, word >> 32)
}

impl Board {
    pub(super) const fn new() -> Self {
        Self {
            lanes: [const { Lane(AtomicU64::new(0)) }; MAX_THREADS],
            threads: AtomicUsize::new(1),
            shares: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            work: UnsafeCell::new(None),
        }
    }

    /// Publishes a job of `shares` shares for `threads` threads.
    ///
    /// # Safety
    /// The caller owns the pool, the job before is complete, and `work` lives until this one is.
    pub(super) unsafe fn publish(&self, threads: usize, shares: u32, work: Work) {
        // SAFETY: all shares of the job before have returned and none can be claimed, so nobody reads the slot.
        unsafe { *self.work.get() = Some(work) }
        self.done.store(0, Ordering::Relaxed);
        self.shares.store(shares as usize, Ordering::Relaxed);
        self.threads.store(threads, Ordering::Relaxed);
        let (count, shares) = (threads as u64, u64::from(shares));
        for (lane, number) in self.lanes[..threads].iter().zip(0..) {
            let (next, end) = (shares * number / count, shares * (number + 1) / count);
            lane.0.store(end << 32 | next, Ordering::SeqCst);
        }
    }

    fn in_use(&self) -> &[Lane] {
        &self.lanes[..self.threads.load(Ordering::Relaxed)]
    }

    /// Whether a share is to be had.
    pub(super) fn is_open(&self) -> bool {
        self.in_use().iter().any(|lane| {
            let (next, end) = halves(lane.0.load(Ordering::SeqCst));
            next < end
        })
    }

    /// Takes a share for thread `thread`, if one is left.
    pub(super) fn claim(&self, thread: usize) -> Option<usize> {
        let lanes = self.in_use();
        (0..lanes.len()).find_map(|i| lanes[(thread + i) % lanes.len()].claim())
    }

    /// Calls the work of a claimed share.
    ///
    /// # Safety
    /// The caller holds the claim and has not finished it.
    pub(super) unsafe fn call(&self, share: usize) {
        // SAFETY: the claim keeps the job alive, and its acquisition made the write of the slot visible.
        let work = unsafe { (*self.work.get()).expect("invariant: a claimed share belongs to a published job") };
        // SAFETY: the publisher keeps the closure alive until all shares are finished.
        unsafe { (*work)(share) }
    }

    /// Counts a claimed share as returned, and tells how many have. Sequentially consistent, as is [`Board::is_complete`]:
    /// the last to finish must see that the owner sleeps, or the owner that it has finished.
    pub(super) fn finish(&self) -> usize {
        self.done.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Shares of the current job, as one who holds a claim sees them.
    pub(super) fn shares(&self) -> usize {
        self.shares.load(Ordering::Relaxed)
    }

    /// Whether all shares of the current job have returned.
    pub(super) fn is_complete(&self, shares: usize) -> bool {
        self.done.load(Ordering::SeqCst) == shares
    }
}

impl Lane {
    fn claim(&self) -> Option<usize> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let (next, end) = halves(word);
            if next >= end {
                return None;
            }
            match self.0.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next as usize),
                Err(now) => word = now,
            }
        }
    }
}
