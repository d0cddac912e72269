//! One app's share of an engine: its name and its adapters.

use std::path::Path;
use std::sync::Arc;

use super::{Caller, Engine, Priority, Quotas, Turn};
use crate::adapter::{Adapter, AdapterPackage, AdapterRegistry, InstallPolicy};
use crate::error::{Error, Result};

/// Longest name.
const MAX_ID: usize = 255;

/// An app that is attached to an engine. Its adapters are its own: another app neither sees nor replaces them, and may use
/// the same aliases. The base is shared.
#[derive(Debug)]
pub struct App {
    id: Arc<str>,
    engine: Arc<Engine>,
    adapters: Arc<AdapterRegistry>,
}

impl App {
    /// Whether an app may be called `id`, such as `com.example.mail`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is empty, longer than 255 bytes or holds other characters than letters, digits,
    /// `.`, `-` and `_`.
    pub fn check_id(id: &str) -> Result<()> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        if !id.is_empty() && id.len() <= MAX_ID && plain {
            return Ok(());
        }
        let shown: String = id.escape_debug().take(64).collect();
        let reason = format!("'{shown}': letters, digits, '.', '-' and '_', 1 to {MAX_ID} of them");
        Err(Error::argument("app", reason))
    }

    /// The app `id`, without adapters yet.
    ///
    /// # Errors
    /// As [`App::check_id`].
    pub(super) fn new(engine: Arc<Engine>, id: &str) -> Result<Self> {
        Self::check_id(id)?;
        let id: Arc<str> = Arc::from(id);
        let quotas = engine.scheduler.quotas(&id);
        let adapters = Arc::new(AdapterRegistry::new(quotas.adapter_limits()));
        engine.holdings.bound(&id, &quotas);
        engine.holdings.watch(Some(Arc::clone(&id)), &adapters);
        Ok(Self { id, engine, adapters })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The engine that it is attached to.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Waits for a turn to run an encoder; as [`Engine::turn`].
    ///
    /// # Errors
    /// As [`Engine::turn`].
    pub fn turn(&self, priority: Priority) -> Result<Turn<'_>> {
        self.engine.turn(&Caller { app: Some(Arc::clone(&self.id)), priority, ..Caller::default() })
    }

    /// What it may ask for and hold.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.engine.quotas(&self.id)
    }

    /// Its adapters.
    #[must_use]
    pub fn adapters(&self) -> &AdapterRegistry {
        &self.adapters
    }

    /// Installs an adapter for this app alone; as [`Engine::install`].
    ///
    /// # Errors
    /// As [`Engine::install`].
    pub fn install(&self, alias: &str, path: impl AsRef<Path>, policy: InstallPolicy) -> Result<Arc<Adapter>> {
        let app = Some(Arc::clone(&self.id));
        let package = AdapterPackage::open_as(path, &self.engine.signatures(&app))?;
        self.engine.install_in(&self.adapters, &app, alias, package, policy)
    }

    /// The current generation of one of its adapters; as [`Engine::adapter`].
    ///
    /// # Errors
    /// As [`Engine::adapter`].
    pub fn adapter(&self, alias: &str) -> Result<Arc<Adapter>> {
        self.engine.adapter_in(&self.adapters, &Some(Arc::clone(&self.id)), alias)
    }
}
