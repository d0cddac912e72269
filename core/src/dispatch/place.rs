//! Where a component runs now: set by whoever prepares delegates, asked by whoever runs.

use std::mem::{Discriminant, discriminant};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};

use super::options::Preference;
use super::placement::Placement;
use super::reason::Reason;

/// Whether a delegate that cannot be used is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// The processor does it, and the trace says why.
    #[default]
    Fallback,
    /// The caller hears of it.
    Strict,
}

/// A component's place: the processor until something else is said.
#[derive(Debug, Default)]
pub struct Place {
    state: RwLock<State>,
    /// Set once, by whoever prepares delegates.
    strictness: OnceLock<Strictness>,
    /// Whether a delegate is taken also where the processor is faster.
    preferred: AtomicBool,
    /// The last reason for the processor that was logged.
    told: Mutex<Option<Discriminant<Reason>>>,
    /// Whether preparing has ended.
    ended: Mutex<bool>,
    end: Condvar,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Nothing but the processor was ever asked for.
    #[default]
    Alone,
    /// The processor, for a reason.
    Processor(Reason),
    Delegate(Arc<Placement>),
}

/// What made a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// The delegate; `None` for the processor.
    pub backend: Option<String>,
    /// Why some or all of it comes from the processor, where a delegate was to make it.
    pub reason: Option<Reason>,
}

impl Place {
    /// Whether the caller is the first one to prepare delegates, and has to do it.
    pub fn begin(&self, strictness: Strictness) -> bool {
        self.strictness.set(strictness).is_ok()
    }

    /// Preparing has ended, one way or the other.
    pub fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }

    /// Waits for that. Only for a place where it has begun.
    pub fn wait(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.end.wait_while(ended, |ended| !*ended));
    }

    /// The delegate to ask.
    ///
    /// # Errors
    /// The reason for the processor; `None` where there never was anything else.
    pub fn delegate(&self) -> Result<Arc<Placement>, Option<Reason>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Alone => Err(None),
            State::Processor(reason) => Err(Some(reason.clone())),
            State::Delegate(placement) => Ok(Arc::clone(placement)),
        }
    }

    /// From the next request on, the delegate is asked.
    pub fn move_to(&self, placement: Arc<Placement>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Delegate(placement);
    }

    /// From the next request on, the processor runs it.
    pub fn stay(&self, reason: Reason) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Processor(reason);
    }

    /// Whether a reason is of another kind than the last one, so that a log is worth it: requests come by the thousand.
    pub fn is_news(&self, reason: &Reason) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.replace(discriminant(reason)) != Some(discriminant(reason))
    }

    /// What decides from now on between a delegate that works and the processor.
    pub fn prefer(&self, preference: Preference) {
        self.preferred.store(preference == Preference::Delegate, Ordering::Relaxed);
    }

    /// What decides.
    #[must_use]
    pub fn preference(&self) -> Preference {
        if self.preferred.load(Ordering::Relaxed) { Preference::Delegate } else { Preference::Measured }
    }

    /// What happens to a reason.
    #[must_use]
    pub fn strictness(&self) -> Strictness {
        self.strictness.get().copied().unwrap_or_default()
    }
}

impl Ran {
    /// On the processor, for a reason where there is one.
    #[must_use]
    pub fn on_processor(reason: Option<Reason>) -> Self {
        Self { backend: None, reason }
    }

    /// Adds what made another part of the same result.
    pub fn with(&mut self, other: Self) {
        if self.backend.is_none() {
            self.backend = other.backend;
        }
        if self.reason.is_none() {
            self.reason = other.reason;
        }
    }
}
