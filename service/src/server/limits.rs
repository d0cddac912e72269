//! What clients may take of a service, and what they have taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// Bounds of a service. An owner is a user of the system, or whatever name the host gave a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all owners.
    pub connections: u64,
    /// Connections of one owner.
    pub connections_per_owner: u64,
    /// Apps of one owner that are attached or have adapters.
    pub apps_per_owner: u64,
    /// Calls under way on one connection.
    pub calls_per_connection: u64,
    /// Calls under way of one owner.
    pub calls_per_owner: u64,
    /// Bytes of bodies in memory for one owner's calls.
    pub bytes_per_owner: u64,
    /// Conversations of one owner that are being saved or restored.
    pub copies_per_owner: u64,
    /// Bytes on disk of one owner's adapters.
    pub stored_per_owner: u64,
    /// Time for a client's first message.
    pub greeting: Duration,
    /// Time for a frame from its first byte to its last, in either direction.
    pub frame: Duration,
    /// Time for a client to take an event; its stream ends after that, for it holds a place in the batch.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_owner: 64,
            apps_per_owner: 64,
            calls_per_connection: 32,
            calls_per_owner: 128,
            bytes_per_owner: 512 << 20,
            copies_per_owner: 4,
            stored_per_owner: 2 << 30,
            greeting: Duration::from_secs(5),
            frame: Duration::from_secs(10),
            patience: Duration::from_secs(60),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Connections,
    Calls,
    Bytes,
    /// Conversations that are saved or restored.
    Copies,
    /// Bytes of files that are being copied.
    Files,
}

/// What is taken at the moment, by owner and resource.
#[derive(Debug, Default)]
pub(super) struct Tally {
    taken: Mutex<BTreeMap<(String, Resource), u64>>,
}

/// A part that was taken; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    tally: Arc<Tally>,
    key: (String, Resource),
    amount: u64,
}

impl Tally {
    fn taken(&self) -> MutexGuard<'_, BTreeMap<(String, Resource), u64>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `amount` for `owner`.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond the owner's limit, or that of all.
    pub(super) fn take(
        self: &Arc<Self>,
        owner: &str,
        resource: Resource,
        amount: u64,
        limits: &Limits,
    ) -> Result<Permit> {
        let (own, all, what) = match resource {
            Resource::Connections => (limits.connections_per_owner, limits.connections, "connections"),
            Resource::Calls => (limits.calls_per_owner, u64::MAX, "calls under way"),
            Resource::Bytes => (limits.bytes_per_owner, u64::MAX, "bytes of calls under way"),
            Resource::Copies => (limits.copies_per_owner, u64::MAX, "conversations that are saved or restored"),
            Resource::Files => (limits.stored_per_owner, u64::MAX, "bytes of adapters"),
        };
        let mut taken = self.taken();
        let total: u64 = taken.iter().filter(|((_, other), _)| *other == resource).map(|(_, amount)| amount).sum();
        let key = (owner.to_owned(), resource);
        let now = taken.get(&key).copied().unwrap_or(0);
        if now.saturating_add(amount) > own || total.saturating_add(amount) > all {
            return Err(Error::refused(format!("'{owner}' has reached its limit of {own} {what}, or all have {all}")));
        }
        taken.insert(key.clone(), now + amount);
        Ok(Permit { tally: Arc::clone(self), key, amount })
    }

    /// What one owner has taken.
    pub(super) fn of(&self, owner: &str, resource: Resource) -> u64 {
        self.taken().get(&(owner.to_owned(), resource)).copied().unwrap_or(0)
    }

    /// What all owners have taken.
    pub(super) fn total(&self, resource: Resource) -> u64 {
        self.taken().iter().filter(|((_, other), _)| *other == resource).map(|(_, amount)| amount).sum()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.tally.taken();
        let left = taken.get(&self.key).map_or(0, |now| now.saturating_sub(self.amount));
        if left == 0 {
            taken.remove(&self.key);
        } else {
            taken.insert(self.key.clone(), left);
        }
    }
}
