//! What apps may ask for and hold, by the names that they are known by.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use loam::engine::{App, Quotas};

use super::Server;
use crate::call::{Control, Reply};
use crate::error::Result;

/// What was said of apps.
#[derive(Debug, Default)]
pub(super) struct KnownQuotas {
    /// By [`super::Identity::known`].
    named: BTreeMap<String, Quotas>,
    /// Of apps of which nothing is said.
    others: Quotas,
}

impl KnownQuotas {
    fn of(&self, known: &str) -> Quotas {
        self.named.get(known).copied().unwrap_or(self.others)
    }
}

impl Server {
    fn known_quotas(&self) -> MutexGuard<'_, KnownQuotas> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bounds from now on what the app `name` may ask for and hold, of any user; of apps that the host tells apart, the app that
    /// it calls so. It need not be attached yet. Apps of which nothing is said have those
    /// of [`Server::set_default_quotas`].
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a name that no app can have.
    pub fn set_quotas(&self, name: &str, quotas: Quotas) -> Result<()> {
        App::check_id(name)?;
        // Held to the end, so that an app that is being attached meanwhile has the newer ones of two.
        let mut known = self.known_quotas();
        known.named.insert(name.to_owned(), quotas);
        let apps = self.apps();
        for id in apps.iter().filter(|(_, slot)| slot.known == name).map(|(id, _)| id) {
            self.engine().set_quotas(id, quotas);
        }
        Ok(())
    }

    /// Bounds from now on what each app may ask for and hold of which nothing is said; [`Quotas::default`] until then.
    pub fn set_default_quotas(&self, quotas: Quotas) {
        let mut known = self.known_quotas();
        known.others = quotas;
        let apps = self.apps();
        for id in apps.iter().filter(|(_, slot)| !known.named.contains_key(&slot.known)).map(|(id, _)| id) {
            self.engine().set_quotas(id, quotas);
        }
    }

    /// What the app `name` may ask for and hold; as [`Server::set_quotas`].
    ///
    /// # Errors
    /// As [`Server::set_quotas`].
    pub fn quotas(&self, name: &str) -> Result<Quotas> {
        App::check_id(name)?;
        Ok(self.known_quotas().of(name))
    }

    /// Gives the app `id`, which is known as `known`, its quotas.
    pub(super) fn bound(&self, id: &str, known: &str) {
        let all = self.known_quotas();
        self.engine().set_quotas(id, all.of(known));
    }

    /// What whoever runs the service asks of it.
    ///
    /// # Errors
    /// As [`Server::set_quotas`].
    pub(super) fn control(&self, control: Control) -> Result<Reply> {
        match control {
            Control::Quotas { app } => Ok(Reply::Quotas(self.quotas(&app)?)),
            Control::SetQuotas { app, quotas } => {
                self.set_quotas(&app, quotas)?;
                Ok(Reply::Done)
            }
            other => other.perform(self.engine()),
        }
    }
}
