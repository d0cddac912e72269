//! One job at a time, and who does which share of it.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a share calls.
type Work = *const (dyn Fn(usize) + Sync);

/// The current job. Its shares are claimed by compare-and-swap of one word that holds their number and the next one's
/// index, so a claim that succeeds is always one of the job that is published at that moment, and a job whose share is
/// claimed cannot end before [`Board::finish`] is called for it.
pub(super) struct Board {
    /// Number of shares (high half), next share (low half).
    claims: AtomicU64,
    /// Shares that have returned.
    done: AtomicUsize,
    work: UnsafeCell<Option<Work>>,
}

// SAFETY: `work` is written by the owner of the pool alone, while no share of the job before is claimed and none of the
// next one can be, and read only by threads that hold a claim; the word of claims orders both.
unsafe impl Sync for Board {}
// SAFETY: as above; the pointer is to a `Sync` closure that outlives its job.
unsafe impl Send for Board {}

impl Board {
    pub(super) const fn new() -> Self {
        Self { claims: AtomicU64::new(0), done: AtomicUsize::new(0), work: UnsafeCell::new(None) }
    }

    /// Publishes a job of `shares` shares.
    ///
    /// # Safety
    /// The caller owns the pool, the job before is complete, and `work` lives until this one is.
    pub(super) unsafe fn publish(&self, shares: u32, work: Work) {
        // SAFETY: all shares of the job before have returned and none can be claimed, so nobody reads the slot.
        unsafe { *self.work.get() = Some(work) }
        self.done.store(0, Ordering::Relaxed);
        self.claims.store(u64::from(shares) << 32, Ordering::SeqCst);
    }

    /// Whether a share is to be had.
    pub(super) fn is_open(&self) -> bool {
        let word = self.claims.load(Ordering::SeqCst);
        word & 0xffff_ffff < word >> 32
    }

    /// Takes a share, if one is left.
    pub(super) fn claim(&self) -> Option<usize> {
        let mut word = self.claims.load(Ordering::Acquire);
        loop {
            let next = word & 0xffff_ffff;
            if next >= word >> 32 {
                return None;
            }
            match self.claims.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next as usize),
                Err(now) => word = now,
            }
        }
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

    /// Shares of the current job.
    pub(super) fn shares(&self) -> usize {
        (self.claims.load(Ordering::Acquire) >> 32) as usize
    }

    /// Whether all shares of the current job have returned.
    pub(super) fn is_complete(&self, shares: usize) -> bool {
        self.done.load(Ordering::SeqCst) == shares
    }
}
