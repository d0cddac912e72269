//! The engine, as apps open it or connect to it.

use std::path::Path;
use std::sync::Arc;

use loam::dispatch::Conditions;
use loam::engine::{EngineOptions, EngineStatus, PlaceStatus, ProcessMemory, Quotas, TrimLevel, Trimmed};

use crate::app::App;
use crate::call::{Control, FoundationInfo, Reply};
use crate::error::{Error, Result};
use crate::performer::unexpected;
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

    /// What the engine is doing, for all apps. In a service for the user that runs it, and for root.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] for others; those of the connection.
    pub fn status(&self) -> Result<EngineStatus> {
        match self.source.control(Control::Status)? {
            Reply::Status(status) => Ok(*status),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Gives memory back; as [`loam::Engine::trim`].
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn trim(&self, level: TrimLevel) -> Result<Trimmed> {
        match self.source.control(Control::Trim(level))? {
            Reply::Trimmed(trimmed) => Ok(trimmed),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Says how hot the device is and how it is powered; as [`loam::Engine::set_conditions`]. [`EngineStatus::conditions`] is what
    /// was said last.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for an engine in a service: its own process watches the device for all apps, and none of
    /// them is to slow down, or heat up, the others.
    pub fn set_conditions(&self, conditions: Conditions) -> Result<()> {
        let engine = self.local().ok_or_else(|| Error::Unsupported {
            what: "conditions".to_owned(),
            reason: "conditions of the device are said where the engine is open, not by a client of a service"
                .to_owned(),
        })?;
        engine.set_conditions(conditions);
        Ok(())
    }

    /// What the app `id` may ask for and hold.
    ///
    /// # Errors
    /// As [`Engine::status`]; [`crate::Error::Argument`] for a name that no app can have.
    pub fn quotas(&self, id: &str) -> Result<Quotas> {
        match self.source.control(Control::Quotas { app: id.to_owned() })? {
            Reply::Quotas(quotas) => Ok(quotas),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Bounds what the app `id` may ask for and hold from now on, whether it is attached yet or not. In a service it is the
    /// app of this name of any user, and of apps that a host tells apart the one that it calls so.
    ///
    /// # Errors
    /// As [`Engine::quotas`].
    pub fn set_quotas(&self, id: &str, quotas: Quotas) -> Result<()> {
        match self.source.control(Control::SetQuotas { app: id.to_owned(), quotas })? {
            Reply::Done => Ok(()),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Keeps the latest `spans` passes, encoder runs and requests, 65,536 at most, for [`Engine::timeline`]; none, if that is 0.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn record(&self, spans: u32) -> Result<()> {
        match self.source.control(Control::Record(spans.into()))? {
            Reply::Done => Ok(()),
            other => Err(unexpected("control", &other)),
        }
    }

    /// What was recorded, as trace events that Perfetto and `chrome://tracing` show.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn timeline(&self) -> Result<String> {
        match self.source.control(Control::Timeline)? {
            Reply::Timeline(json) => Ok(json),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Where components run that are loaded and that delegates were asked for; none of an engine without delegates.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn places(&self) -> Result<Vec<PlaceStatus>> {
        match self.source.control(Control::Places)? {
            Reply::Places(places) => Ok(places),
            other => Err(unexpected("control", &other)),
        }
    }

    /// Loads `component`, and waits until its delegates are ready or were given up; [`Engine::places`] tells which. Without
    /// delegates it is loaded, and that is all.
    ///
    /// # Errors
    /// [`crate::Error::MissingComponent`] for a name that the foundation does not have; those of loading it;
    /// [`crate::Error::Unsupported`] for an engine in a service, which prepares components when apps first use them.
    pub fn wait_for_delegates(&self, component: &str) -> Result<()> {
        let engine = self.local().ok_or_else(|| Error::Unsupported {
            what: "delegates".to_owned(),
            reason: "delegates are waited for where the engine is open, not by a client of a service".to_owned(),
        })?;
        engine.load(engine.foundation().named(component)?)?;
        engine.wait_for_delegates(component);
        Ok(())
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
