//! A stream that runs on a worker thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use crate::error::{LoamError, Result};
use crate::workers::Ticket;

/// A running stream. Dropping the handle does not stop it: call [`TaskHandle::stop`].
#[derive(Debug, Default, uniffi::Object)]
pub struct TaskHandle {
    stopped: AtomicBool,
    /// Where it waits or runs.
    ticket: OnceLock<Ticket>,
    outcome: Mutex<Option<Result<()>>>,
    ended: Condvar,
}

impl TaskHandle {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waits_at(&self, ticket: Ticket) {
        let first = self.ticket.set(ticket).is_ok();
        debug_assert!(first, "a handle is of one stream");
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self, outcome: Result<()>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.ended.notify_all();
    }
}

#[uniffi::export]
impl TaskHandle {
    /// Stops it before its next token, also while it waits for other streams; what was generated until then stays. The sink
    /// still gets the event that ends the stream. Returns at once, and may be called any number of times, from any thread and from the sink.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(ticket) = self.ticket.get() {
            ticket.expedite();
        }
    }

    /// Whether nothing of it runs any more; its last event was delivered then.
    pub fn is_finished(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Blocks until it has ended. Never call it from the sink.
    ///
    /// # Errors
    /// What it failed with: [`LoamError::Callback`] where the sink threw.
    pub fn wait(&self) -> std::result::Result<(), LoamError> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*outcome {
                Some(ended) => return ended.clone(),
                None => outcome = self.ended.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
