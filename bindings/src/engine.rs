//! The engine, as apps open it.

use std::sync::Arc;

use loam::engine::EngineOptions as CoreOptions;
use loam::foundation;

use crate::app::App;
use crate::error::{LoamError, Result};
use crate::workers::Workers;

/// How closely the files of a foundation are looked at before anything is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Verify {
    /// All files are there and have their sizes: microseconds.
    Sizes,
    /// Every byte is hashed as well: about a second per GB.
    Digests,
}

/// How an engine is opened.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct EngineOptions {
    /// Bytes of weight files that loaded components may map at a time; absent for all.
    #[uniffi(default = None)]
    pub component_budget: Option<u64>,
    /// How closely files are looked at; sizes when absent.
    #[uniffi(default = None)]
    pub verify: Option<Verify>,
}

/// A part of a foundation.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ComponentInfo {
    /// Its name.
    pub name: String,
    /// What it does, such as `text-encoder`.
    pub kind: String,
    /// Whether it is loaded.
    pub loaded: bool,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct FoundationInfo {
    /// Its name.
    pub id: String,
    /// Its version; absent for a bare model.
    pub version: Option<String>,
    /// Its parts.
    pub components: Vec<ComponentInfo>,
}

/// Memory of this process.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ProcessMemory {
    /// Bytes that only this process holds.
    pub anonymous: u64,
    /// Bytes of mapped files in memory; the system may drop them at any time.
    pub file: u64,
}

/// One foundation and the apps that use it. All calls are safe from any thread.
#[derive(Debug, uniffi::Object)]
pub struct Engine {
    inner: Arc<loam::Engine>,
    workers: Arc<Workers>,
}

#[uniffi::export]
impl Engine {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Loads no component yet.
    ///
    /// # Errors
    /// [`LoamError::Io`], [`LoamError::Malformed`], [`LoamError::Unsupported`] or [`LoamError::Digest`].
    #[uniffi::constructor]
    pub fn open(path: String, options: EngineOptions) -> Result<Arc<Self>> {
        let verify = match options.verify {
            None | Some(Verify::Sizes) => foundation::Verify::Sizes,
            Some(Verify::Digests) => foundation::Verify::Digests,
        };
        let options = CoreOptions { component_budget: options.component_budget, verify, ..CoreOptions::default() };
        let inner = Arc::new(loam::Engine::open_with(path, options)?);
        Ok(Arc::new(Self { inner, workers: Arc::default() }))
    }

    /// Attaches the app `id`, such as `com.example.mail`. Its adapters are its own.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a name with other characters than letters, digits, `.`, `-` and `_`.
    pub fn attach(&self, id: String) -> std::result::Result<Arc<App>, LoamError> {
        Ok(Arc::new(App::new(self.inner.attach(&id)?, Arc::clone(&self.workers))))
    }

    /// What is open, and which parts of it are loaded.
    pub fn foundation(&self) -> FoundationInfo {
        let loaded = self.inner.loaded();
        let opened = self.inner.foundation();
        let components = opened.components().iter().map(|component| ComponentInfo {
            name: component.name().to_owned(),
            kind: component.kind().to_string(),
            loaded: loaded.iter().any(|one| one.name == component.name()),
        });
        FoundationInfo {
            id: opened.id().to_owned(),
            version: opened.version().map(str::to_owned),
            components: components.collect(),
        }
    }

    /// Drops a component, which comes back when it is needed; whether it was loaded.
    pub fn unload(&self, component: String) -> bool {
        self.inner.unload(&component)
    }

    /// Streams that wait or run.
    pub fn active_streams(&self) -> u32 {
        self.workers.active()
    }

    /// Memory of this process, where the system tells.
    pub fn memory(&self) -> Option<ProcessMemory> {
        let now = loam::engine::ProcessMemory::now()?;
        Some(ProcessMemory { anonymous: now.anonymous, file: now.file })
    }
}

/// Version of the library.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
