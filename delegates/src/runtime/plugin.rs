//! Providers that come as libraries of their own.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use loam::dispatch::Reason;

use super::Runtime;

/// Those that are registered: a process has one runtime.
static REGISTERED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Runtime {
    /// Registers a provider's library, once.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] naming the file.
    pub(crate) fn register(&self, name: &str, library: &Path) -> Result<(), Reason> {
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        if registered.iter().any(|known| known == name) {
            return Ok(());
        }
        let missing = |reason: &dyn std::fmt::Display| Reason::Unavailable(format!("{}: {reason}", library.display()));
        if !library.is_file() {
            return Err(missing(&"there is no such file"));
        }
        self.environment().register_ep_library(name, library).map_err(|e| missing(&e))?;
        registered.push(name.to_owned());
        Ok(())
    }
}
