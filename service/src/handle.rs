//! A stream that runs on a worker thread, and how it is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::workers::Ticket;

type Hook = Box<dyn FnOnce() + Send>;

/// Says once that something is to end.
#[derive(Default)]
pub(crate) struct StopSignal {
    stopped: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl std::fmt::Debug for StopSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StopSignal({})", self.is_stopped())
    }
}

impl StopSignal {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.run_hook();
    }

    /// Calls `hook` when it is stopped; at once where it is already.
    pub(crate) fn on_stop(&self, hook: Hook) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
        if self.is_stopped() {
            self.run_hook();
        }
    }

    fn run_hook(&self) {
        // Taken first: the hook may take its time, and must not run twice.
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

/// A running stream. Dropping the handle does not stop it: call [`TaskHandle::stop`].
#[derive(Debug, Default)]
pub struct TaskHandle {
    signal: Arc<StopSignal>,
    /// Where it waits or runs.
    ticket: OnceLock<Ticket>,
    outcome: Mutex<Option<Result<()>>>,
    ended: Condvar,
}

impl TaskHandle {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn signal(&self) -> &Arc<StopSignal> {
        &self.signal
    }

    pub(crate) fn waits_at(&self, ticket: Ticket) {
        let first = self.ticket.set(ticket).is_ok();
        debug_assert!(first, "a handle is of one stream");
    }

    pub(crate) fn end(&self, outcome: Result<()>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.ended.notify_all();
    }

    /// Stops it before its next token, also while it waits for other streams; what was generated until then stays. The sink
    /// still gets the event that ends the stream. May be called any number of times, from any thread and from the sink.
    pub fn stop(&self) {
        self.signal.stop();
        if let Some(ticket) = self.ticket.get() {
            ticket.expedite();
        }
    }

    /// Whether nothing of it runs any more; its last event was delivered then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Blocks until it has ended. Never call it from the sink.
    ///
    /// # Errors
    /// What it failed with: [`Error::Callback`] where the sink failed.
    pub fn wait(&self) -> Result<(), Error> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*outcome {
                Some(ended) => return ended.clone(),
                None => outcome = self.ended.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
