//! A small index over embeddings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{LoamError, Result};
use crate::input::floats;

/// One result of a search.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Match {
    /// The entry's key.
    pub key: String,
    /// Cosine similarity, -1 to 1.
    pub similarity: f32,
}

/// Embeddings of one space by key. Search is exact.
#[derive(Debug, Default, uniffi::Object)]
pub struct Index {
    inner: Mutex<loam::task::Index>,
}

impl Index {
    fn inner(&self) -> MutexGuard<'_, loam::task::Index> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl Index {
    /// An empty index.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds an entry, or replaces the one of the same key. `vector` is f32, as [`crate::Embedding`] holds it.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a vector of another length than those before, or one that is not finite.
    pub fn insert(&self, key: String, vector: &[u8]) -> std::result::Result<(), LoamError> {
        Ok(self.inner().insert(key, floats("vector", vector)?)?)
    }

    /// Removes an entry; whether there was one.
    pub fn remove(&self, key: String) -> bool {
        self.inner().remove(&key)
    }

    /// Entries.
    pub fn count(&self) -> u32 {
        u32::try_from(self.inner().len()).expect("invariant: an index holds at most 2^20 entries")
    }

    /// The `count` entries most similar to `query`, best first.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a query of another length.
    pub fn search(&self, query: &[u8], count: u32) -> Result<Vec<Match>> {
        let found = self.inner().search(&floats("query", query)?, count as usize)?;
        Ok(found.into_iter().map(|one| Match { key: one.key, similarity: one.similarity }).collect())
    }
}
