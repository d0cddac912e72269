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
    entries: Mutex<Entries<T>>,
}

#[derive(Debug)]
struct Entries<T> {
    last: u64,
    by_number: BTreeMap<u64, Arc<Mutex<T>>>,
}

impl<T> Table<T> {
    pub(super) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, entries: Mutex::new(Entries { last: 0, by_number: BTreeMap::new() }) }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond the limit.
    pub(super) fn open(&self, entry: T) -> Result<Opened> {
        let mut entries = self.entries();
        if entries.by_number.len() >= self.most {
            return Err(Error::refused(format!("a client may have {} of: {}", self.most, self.what)));
        }
        entries.last += 1;
        let id = entries.last;
        entries.by_number.insert(id, Arc::new(Mutex::new(entry)));
        Ok(Opened(id))
    }

    /// Uses one. It is never waited for: a conversation takes one turn at a time.
    ///
    /// # Errors
    /// [`Error::Lost`] for one that is not there; [`Error::Argument`] while another call uses it; as `act`.
    pub(super) fn with<R>(&self, opened: Opened, act: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let entry = self.entries().by_number.get(&opened.0).cloned();
        let entry = entry.ok_or_else(|| Error::Lost { what: self.what.to_owned() })?;
        let mut entry = match entry.try_lock() {
            Ok(entry) => entry,
            // After a panic a history may lack an answer, no more.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Error::busy(self.what)),
        };
        act(&mut entry)
    }

    /// As [`Table::with`], for what cannot fail.
    ///
    /// # Errors
    /// As [`Table::with`].
    pub(super) fn change(&self, opened: Opened, act: impl FnOnce(&mut T)) -> Result<()> {
        self.with(opened, |entry| {
            act(entry);
            Ok(())
        })
    }

    pub(super) fn close(&self, opened: Opened) {
        let closed = self.entries().by_number.remove(&opened.0);
        // Outside of the lock: its memory may be much.
        drop(closed);
    }
}
