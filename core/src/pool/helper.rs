//! The threads that help, and how the owner of a job works with them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::claim::Board;
use super::patience::Patience;

/// How long a helper spins for the next job: longer than what lies between two passes of a generation (sampling, events).
const HELPER_SPIN: Duration = Duration::from_micros(150);
/// How long the owner of a job spins for the last shares before it sleeps.
const OWNER_SPIN: Duration = Duration::from_micros(40);
/// Looks at a word between two looks at the clock.
const LOOKS: u32 = 32;

type Panic = Box<dyn Any + Send>;

/// What the helpers and the owner share.
struct Shared {
    board: Board,
    /// Helpers that sleep or are about to.
    sleeping: AtomicUsize,
    /// How many helpers may work.
    wanted: AtomicUsize,
    /// The owner, while it sleeps until a job is complete.
    owner: Mutex<Option<Thread>>,
    owner_sleeps: AtomicBool,
    panic: Mutex<Option<Panic>>,
    panicked: AtomicBool,
}

/// The helpers, started as they are first needed.
pub(super) struct Helpers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
    /// Helpers that run, or that could not be started.
    started: AtomicUsize,
}

impl Default for Helpers {
    fn default() -> Self {
        let shared = Shared {
            board: Board::new(),
            sleeping: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            owner: Mutex::new(None),
            owner_sleeps: AtomicBool::new(false),
            panic: Mutex::new(None),
            panicked: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), threads: Mutex::new(Vec::new()), started: AtomicUsize::new(0) }
    }
}

/// A lock whose data is whole whoever panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spins until `ready`, at most for `limit`; whether it became ready.
fn spin(limit: Duration, ready: impl Fn() -> bool) -> bool {
    let mut start = None;
    loop {
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() > limit {
            return ready();
        }
    }
}

impl Helpers {
    /// Runs a job with up to `helpers` helpers; the caller owns the pool.
    pub(super) fn run(
        &self,
        helpers: usize,
        shares: usize,
        work: &(dyn Fn(usize) + Sync),
        patience: &mut Patience,
    ) -> Result<(), Panic> {
        let shares = u32::try_from(shares).expect("invariant: a job has fewer than 2^32 shares");
        self.start(helpers);
        let shared = &*self.shared;
        shared.wanted.store(helpers, Ordering::Relaxed);
        // SAFETY: only the owner of the pool is here, and it waits below until all shares of a job have returned; the
        // lifetime that is erased here ends after that.
        unsafe {
            let work = std::mem::transmute::<*const (dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync)>(work);
            shared.board.publish(helpers + 1, shares, work);
        }
        if shared.sleeping.load(Ordering::SeqCst) > 0 {
            lock(&self.threads).iter().take(helpers).for_each(Thread::unpark);
        }
        let own = Instant::now();
        while shared.share(0) {}
        let own = own.elapsed();
        self.wait(shares as usize, own, patience);
        if shared.panicked.swap(false, Ordering::Relaxed) {
            return lock(&shared.panic).take().map_or(Ok(()), Err);
        }
        Ok(())
    }

    fn start(&self, count: usize) {
        if self.started.load(Ordering::Relaxed) >= count {
            return;
        }
        self.started.store(count, Ordering::Relaxed);
        let mut threads = lock(&self.threads);
        while threads.len() < count {
            let (shared, index) = (Arc::clone(&self.shared), threads.len());
            let builder = std::thread::Builder::new().name(format!("loam-{index}"));
            match builder.spawn(move || shared.serve(index)) {
                Ok(handle) => threads.push(handle.thread().clone()),
                Err(error) => {
                    log::warn!("a helper thread could not be started, working with {index}: {error}");
                    return;
                }
            }
        }
    }

    /// Waits for the shares that helpers have; `own` is what the owner's took together.
    fn wait(&self, shares: usize, own: Duration, patience: &mut Patience) {
        let shared = &*self.shared;
        let complete = || shared.board.is_complete(shares);
        if complete() {
            return;
        }
        let start = Instant::now();
        if !spin(OWNER_SPIN, complete) {
            *lock(&shared.owner) = Some(std::thread::current());
            shared.owner_sleeps.store(true, Ordering::SeqCst);
            while !complete() {
                std::thread::park();
            }
            shared.owner_sleeps.store(false, Ordering::SeqCst);
            *lock(&shared.owner) = None;
        }
        patience.waited(start.elapsed(), own);
    }
}

impl Shared {
    /// Does one share as thread `thread`, if one is left.
    fn share(&self, thread: usize) -> bool {
        let Some(share) = self.board.claim(thread) else { return false };
        // SAFETY: the claim was just made and is finished below.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { self.board.call(share) }));
        if let Err(panic) = outcome {
            lock(&self.panic).get_or_insert(panic);
            self.panicked.store(true, Ordering::Relaxed);
        }
        let shares = self.board.shares();
        if self.board.finish() == shares
            && self.owner_sleeps.load(Ordering::SeqCst)
            && let Some(owner) = &*lock(&self.owner)
        {
            owner.unpark();
        }
        true
    }

    /// The life of a helper: it lasts as long as the process.
    fn serve(&self, index: usize) {
        super::ROLE.set(super::Role::Alone);
        super::affinity::bind();
        let open = || self.board.is_open() && index < self.wanted.load(Ordering::Relaxed);
        loop {
            if spin(HELPER_SPIN, open) {
                while self.share(index + 1) {}
                continue;
            }
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            // A job that was published before the count was seen wakes nobody, so it is looked for once more.
            if !open() {
                std::thread::park();
            }
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
