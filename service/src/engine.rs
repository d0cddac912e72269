//! The engine, as apps open it or connect to it.

use std::path::Path;
use std::sync::Arc;

use loam::engine::{EngineOptions, ProcessMemory};

use crate::app::App;
use crate::call::FoundationInfo;
use crate::error::Result;
use crate::source::{InProcess, Source};
use crate::workers::Workers;

/// One foundation and the apps that use it, in this process or in a service. All calls are safe from any thread.
#[derive(Debug)]
pub struct Engine {
    source: Box<dyn Source>,
    workers: Arc<Workers>,
}

impl Engine {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory in this process. Loads no component yet.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Malformed`], [`crate::Error::Unsupported`] or [`crate::Error::Digest`].
    pub fn open(path: impl AsRef<Path>, options: EngineOptions) -> Result<Self> {
        Ok(Self::new(loam::Engine::open_with(path, options)?.into()))
    }

    /// An engine of this process that is open already.
    #[must_use]
    pub fn new(engine: Arc<loam::Engine>) -> Self {
        Self::of(Box::new(InProcess(engine)))
    }

    pub(crate) fn of(source: Box<dyn Source>) -> Self {
        Self { source, workers: Arc::default() }
    }

    /// Attaches the app `id`, such as `com.example.mail`. Its adapters are its own; in a service they are those of the app
    /// of this name and this user.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a name with other characters than letters, digits, `.`, `-` and `_`; those of the
    /// connection.
    pub fn attach(&self, id: &str) -> Result<App> {
        Ok(App::new(id, self.source.attach(id)?, Arc::clone(&self.workers)))
    }

    /// What is open, and which parts of it are loaded.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn foundation(&self) -> Result<FoundationInfo> {
        self.source.foundation()
    }

    /// The engine of this process; `None` where it is in a service.
    #[must_use]
    pub fn local(&self) -> Option<&Arc<loam::Engine>> {
        self.source.local()
    }

    /// Streams of this object that wait or run.
    #[must_use]
    pub fn active_streams(&self) -> u32 {
        self.workers.active()
    }

    /// Memory of this process, where the system tells.
    #[must_use]
    pub fn memory(&self) -> Option<ProcessMemory> {
        ProcessMemory::now()
    }
}

impl From<loam::Engine> for Engine {
    fn from(engine: loam::Engine) -> Self {
        Self::new(Arc::new(engine))
    }
}
