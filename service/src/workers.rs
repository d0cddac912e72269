//! Threads that calls run on.
//!
//! They stay for a while after their last job: a callback from a thread that the Java machine does not know attaches it,
//! which is dear, so few threads serve many streams.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Streams at a time; further ones wait in the order in which they came. Those that generate share one batch and hardly use
/// their threads.
const MAX_THREADS: usize = 32;

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(u64, Job)>,
    /// Number of the last job.
    last: u64,
    threads: usize,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    /// Jobs that wait or run.
    active: AtomicU32,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing of ours panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job that still waits out of its turn.
    fn take(&self, id: u64) -> Option<Job> {
        let mut queue = self.queue();
        let at = queue.jobs.iter().position(|(other, _)| *other == id)?;
        queue.jobs.remove(at).map(|(_, job)| job)
    }

    fn finish(&self, job: Job) {
        job();
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    fn run(&self) {
        let mut queue = self.queue();
        loop {
            if let Some((_, job)) = queue.jobs.pop_front() {
                drop(queue);
                self.finish(job);
                queue = self.queue();
            } else if queue.closed {
                return;
            } else {
                queue.idle += 1;
                let waited = self.work.wait_timeout(queue, LINGER).unwrap_or_else(PoisonError::into_inner);
                queue = waited.0;
                queue.idle -= 1;
                if waited.1.timed_out() && queue.jobs.is_empty() {
                    queue.threads -= 1;
                    return;
                }
            }
        }
    }
}

/// A job's place among the others.
#[derive(Default)]
pub(crate) struct Ticket {
    shared: Weak<Shared>,
    id: u64,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.id)
    }
}

impl Ticket {
    /// Runs the job now, on a thread of its own, when it still waits for one: it was stopped and has little left to do, which
    /// streams that run before it must not hold up.
    pub(crate) fn expedite(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let id = self.id;
        if !shared.queue().jobs.iter().any(|(other, _)| *other == id) {
            return;
        }
        // Without a thread it waits its turn after all.
        let _ = std::thread::Builder::new().name("loam-ending".to_owned()).spawn(move || {
            if let Some(job) = shared.take(id) {
                shared.finish(job);
            }
        });
    }
}

/// The threads of one engine, or of one connection. They end when it is dropped and their jobs are done.
#[derive(Default)]
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workers({} active)", self.active())
    }
}

impl Workers {
    /// Runs `job`, which must not panic, on one of the threads.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> Ticket {
        self.shared.active.fetch_add(1, Ordering::SeqCst);
        let mut queue = self.shared.queue();
        queue.last += 1;
        let id = queue.last;
        queue.jobs.push_back((id, Box::new(job)));
        if queue.idle < queue.jobs.len() && queue.threads < MAX_THREADS {
            queue.threads += 1;
            let shared = Arc::clone(&self.shared);
            let name = format!("loam-worker-{}", queue.threads);
            // Without a new thread the job waits for one of the others; without any, it runs here.
            if std::thread::Builder::new().name(name).spawn(move || shared.run()).is_err() {
                queue.threads -= 1;
                if queue.threads == 0 {
                    let (_, job) = queue.jobs.pop_back().expect("invariant: it was pushed under this lock");
                    drop(queue);
                    self.shared.finish(job);
                    return Ticket::default();
                }
            }
        }
        self.shared.work.notify_one();
        Ticket { shared: Arc::downgrade(&self.shared), id }
    }

    /// Jobs that wait or run.
    pub(crate) fn active(&self) -> u32 {
        self.shared.active.load(Ordering::SeqCst)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_beside_each_other_and_wait_beyond_the_limit() {
        let workers = Workers::default();
        let (begun, begins) = mpsc::channel();
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        for i in 0..2 * MAX_THREADS {
            let (begun, gate) = (begun.clone(), Arc::clone(&gate));
            let _ = workers.submit(move || {
                begun.send(i).expect("listened to");
                let mut open = gate.0.lock().expect("no panic");
                while !*open {
                    open = gate.1.wait(open).expect("no panic");
                }
            });
        }
        let mut first: Vec<usize> = (0..MAX_THREADS).map(|_| begins.recv().expect("begun")).collect();
        first.sort_unstable();
        assert_eq!(first, (0..MAX_THREADS).collect::<Vec<_>>());
        assert!(begins.try_recv().is_err(), "the others wait");
        assert_eq!(workers.active() as usize, 2 * MAX_THREADS);
        // One that is stopped while it waits does not wait for the others.
        let (ended, ends) = mpsc::channel();
        let ticket = workers.submit(move || ended.send(()).expect("listened to"));
        ticket.expedite();
        ends.recv().expect("ended");
        ticket.expedite();
        *gate.0.lock().expect("no panic") = true;
        gate.1.notify_all();
        for _ in 0..MAX_THREADS {
            begins.recv().expect("begun");
        }
        while workers.active() > 0 {
            std::thread::yield_now();
        }
    }
}
