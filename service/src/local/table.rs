//! What was begun and goes on: conversations, transcriptions, sensors, by number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::call::Opened;
use crate::error::{Error, Result};

/// Things of one kind. Each is used by one call at a time.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// What one is called, for messages.
    what: &'static str,
    most: usize,
    entries: Mutex<(u64, BTreeMap<u64, Arc<Mutex<T>>>)>,
}

impl<T> Table<T> {
    pub(super) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Mutex<T>>>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond the limit.
    pub(super) fn open(&self, entry: T) -> Result<Opened> {
        let mut entries = self.entries();
        if entries.1.len() >= self.most {
            return Err(Error::refused(format!("a client may have {} of: {}", self.most, self.what)));
        }
        entries.0 += 1;
        let id = entries.0;
        entries.1.insert(id, Arc::new(Mutex::new(entry)));
        Ok(Opened(id))
    }

    /// Uses one. It is never waited for: a conversation takes one turn at a time.
    ///
    /// # Errors
    /// [`Error::Lost`] for one that is not there; [`Error::Argument`] while another call uses it; as `act`.
    pub(super) fn with<R>(&self, opened: Opened, act: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let entry = self.entries().1.get(&opened.0).cloned();
        let entry = entry.ok_or_else(|| Error::Lost { what: self.what.to_owned() })?;
        let mut entry = match entry.try_lock() {
            Ok(entry) => entry,
            // After a panic a history may lack an answer, no more.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(busy(self.what)),
        };
        act(&mut entry)
    }

    pub(super) fn close(&self, opened: Opened) {
        let closed = self.entries().1.remove(&opened.0);
        // Outside of the lock: its memory may be much.
        drop(closed);
    }
}

/// What a call gets while another one uses the same thing.
pub(crate) fn busy(what: &str) -> Error {
    Error::argument(what, "a call of it is running, stop it or wait for it")
}
