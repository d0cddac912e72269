//! What the host says of single apps, and of all others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loam::adapter::SignaturePolicy;
use loam::engine::Quotas;

use super::identity::Identity;

/// What apps may do, by [`Identity::known`].
#[derive(Debug, Default)]
pub(super) struct Terms {
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    signatures: BTreeMap<String, SignaturePolicy>,
    quotas: BTreeMap<String, Quotas>,
    /// Of apps of which nothing is said.
    others: Option<Quotas>,
}

impl Terms {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_signatures(&self, name: &str, policy: SignaturePolicy) {
        self.said().signatures.insert(name.to_owned(), policy);
    }

    pub(super) fn set_quotas(&self, name: &str, quotas: Quotas) {
        self.said().quotas.insert(name.to_owned(), quotas);
    }

    pub(super) fn set_default_quotas(&self, quotas: Quotas) {
        self.said().others = Some(quotas);
    }

    /// Tells the engine what was said of a client that calls itself `name` and is the app `id`.
    pub(super) fn apply(&self, identity: &Identity, name: &str, engine: &loam::Engine, id: &str) {
        let known = identity.known(name);
        let said = self.said();
        if let Some(policy) = said.signatures.get(known) {
            engine.set_signatures(id, policy.clone());
        }
        if let Some(quotas) = said.quotas.get(known).or(said.others.as_ref()) {
            engine.set_quotas(id, *quotas);
        }
    }
}
