//! A request that was taken, until it is over.

use std::sync::Arc;

use super::Shared;
use super::admission::Pass;

/// What an app is charged for a request; given back when this is dropped, also by a thread that panics.
#[derive(Debug)]
pub(super) struct Admitted {
    shared: Arc<Shared>,
    pass: Pass,
    /// Positions that were computed for it.
    pub(super) used: u64,
}

impl Admitted {
    pub(super) fn new(shared: &Arc<Shared>, pass: Pass) -> Self {
        Self { shared: Arc::clone(shared), pass, used: 0 }
    }

    /// It runs from now on.
    pub(super) fn start(&mut self) {
        self.shared.admission().start(&mut self.pass);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.admission().end(&self.pass, self.used);
    }
}
