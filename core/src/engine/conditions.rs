//! What the engine was told of the device, and what it does about it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Engine;
use crate::dispatch::{Conditions, Policy};
use crate::pool::Ceiling;

/// The conditions in force.
#[derive(Debug, Default)]
pub(super) struct Told {
    now: Mutex<Conditions>,
    ceiling: Ceiling,
}

impl Told {
    fn now(&self) -> MutexGuard<'_, Conditions> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Says how hot the device is and how it is powered, which changes what [`Conditions::policy`] says: from the next product
    /// of matrices on how many threads work, also for requests that run; from the next request on whether it is taken.
    /// Background requests that were taken before go on. No result changes.
    ///
    /// The process has one set of cores: of several engines, the fewest threads hold for all, until the engine that was told so
    /// is told otherwise or is gone.
    pub fn set_conditions(&self, conditions: Conditions) {
        // Held to the end, so that threads and admission are of the same conditions whoever else says some.
        let mut now = self.told.now();
        let policy = conditions.policy();
        if policy != now.policy() {
            log::info!("{conditions:?}: {policy:?}");
        }
        self.told.ceiling.set(policy.threads);
        self.scheduler.set_background(policy.background);
        self.dispatcher.prefer(policy.delegates);
        *now = conditions;
    }

    /// What was said last; [`Conditions::default`] before.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        *self.told.now()
    }

    /// What these change, for whoever chooses where a request runs.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.conditions().policy()
    }
}
