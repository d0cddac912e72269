//! The engine, as apps open it.

use std::sync::Arc;

use loam::budget::MemoryLimits;
use loam::engine::EngineOptions as CoreOptions;
use loam::{foundation, model};

use crate::app::App;
use crate::backends;
use crate::conditions::Conditions;
use crate::delegates::{Delegates, PlaceStatus};
use crate::error::{LoamError, Result};
use crate::service;
use crate::status::{EngineStatus, Quotas};
use crate::trim::{TrimLevel, Trimmed};

/// How closely the files of a foundation are looked at before anything is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Verify {
    /// All files are there and have their sizes: microseconds.
    Sizes,
    /// Every byte is hashed as well: about a second per GB.
    Digests,
}

/// How keys and values of contexts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum CacheType {
    /// Halves: what quantized and half-precision models lose nothing by.
    F16,
    /// Singles.
    F32,
    /// Bytes with a scale for each token and head: a little more than half of what halves take.
    Q8,
}

impl CacheType {
    fn core(self) -> model::CacheType {
        match self {
            Self::F16 => model::CacheType::F16,
            Self::F32 => model::CacheType::F32,
            Self::Q8 => model::CacheType::Q8,
        }
    }
}

/// How an engine is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct EngineOptions {
    /// Bytes of weight files that loaded components may map at a time; absent for all.
    #[uniffi(default = None)]
    pub component_budget: Option<u64>,
    /// How closely files are looked at; sizes when absent.
    #[uniffi(default = None)]
    pub verify: Option<Verify>,
    /// Bytes of keys and values, adapters, activations and weights that are packed in memory; absent for as many as the device
    /// has. What does not fit fails with [`LoamError::Memory`].
    #[uniffi(default = None)]
    pub memory_budget: Option<u64>,
    /// A folder of the app's own that conversations at rest go to when memory is short; absent to compute them again.
    #[uniffi(default = None)]
    pub swap: Option<String>,
    /// How keys and values are kept; halves when absent, or singles where the weights are. Conversations that were saved with
    /// another type do not fit ([`LoamError::Context`]).
    #[uniffi(default = None)]
    pub cache_type: Option<CacheType>,
    /// Processors beside the one that everything runs on; absent for that one alone.
    #[uniffi(default = None)]
    pub delegates: Option<Delegates>,
}

impl EngineOptions {
    /// For an engine of `foundation`.
    ///
    /// # Errors
    /// [`LoamError::Unsupported`] for a delegate that this build or this system does not have, [`LoamError::Argument`] for one that
    /// is named twice.
    pub(crate) fn core(self, foundation: &str) -> Result<CoreOptions> {
        let verify = match self.verify {
            None | Some(Verify::Sizes) => foundation::Verify::Sizes,
            Some(Verify::Digests) => foundation::Verify::Digests,
        };
        let dispatch = self.delegates.map(|delegates| backends::dispatch(delegates, foundation)).transpose()?;
        Ok(CoreOptions {
            component_budget: self.component_budget,
            verify,
            memory: MemoryLimits { budget: self.memory_budget, ..MemoryLimits::default() },
            swap: self.swap.map(Into::into),
            cache: self.cache_type.map(CacheType::core),
            dispatch: dispatch.unwrap_or_default(),
            ..CoreOptions::default()
        })
    }
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

impl From<loam_service::FoundationInfo> for FoundationInfo {
    fn from(info: loam_service::FoundationInfo) -> Self {
        let part =
            |part: loam_service::ComponentInfo| ComponentInfo { name: part.name, kind: part.kind, loaded: part.loaded };
        Self { id: info.id, version: info.version, components: info.components.into_iter().map(part).collect() }
    }
}

/// Memory of this process.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ProcessMemory {
    /// Bytes that only this process holds.
    pub anonymous: u64,
    /// Bytes of mapped files in memory; the system may drop them at any time.
    pub file: u64,
}

impl From<loam::engine::ProcessMemory> for ProcessMemory {
    fn from(memory: loam::engine::ProcessMemory) -> Self {
        Self { anonymous: memory.anonymous, file: memory.file }
    }
}

/// One foundation and the apps that use it, in this process or in a service. All calls are safe from any thread.
#[derive(Debug, uniffi::Object)]
pub struct Engine {
    inner: loam_service::Engine,
}

#[uniffi::export]
impl Engine {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory in this process. Loads no component yet.
    ///
    /// # Errors
    /// [`LoamError::Io`], [`LoamError::Malformed`], [`LoamError::Unsupported`] or [`LoamError::Digest`] for its files;
    /// [`LoamError::Unsupported`] naming a delegate that this build or this system does not have.
    #[uniffi::constructor]
    pub fn open(path: String, options: EngineOptions) -> Result<Arc<Self>> {
        let options = options.core(&path)?;
        Ok(Arc::new(Self { inner: loam_service::Engine::open(path, options)? }))
    }

    /// Connects to the service (`loamd`) that listens on the Unix socket at `path`. When it ends, calls under way fail with
    /// [`LoamError::Disconnected`], and the next ones connect again, for up to two seconds; conversations, transcriptions
    /// and sensors are lost then ([`LoamError::Lost`]), adapters are there. Linux and Android.
    ///
    /// # Errors
    /// [`LoamError::Disconnected`] where nobody answers, [`LoamError::Version`] for a service of another protocol,
    /// [`LoamError::Refused`] by its limits, [`LoamError::Unsupported`] on other systems.
    #[uniffi::constructor]
    pub fn connect(path: String) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { inner: service::connect(&path)? }))
    }

    /// Uses the service at the other end of a connected Unix socket, such as one end of a socket pair that came through
    /// Binder. The number `fd` is the engine's from now on, also when this fails: the caller neither uses nor closes
    /// it.
    ///
    /// One socket is one app: `app` is the only name that can be attached. The engine cannot connect again: when the
    /// connection has ended, every call fails with [`LoamError::Disconnected`]. Linux and Android.
    ///
    /// # Errors
    /// As [`Engine::connect`]; [`LoamError::Argument`] for what is no connected Unix socket, and for the name.
    #[uniffi::constructor]
    pub fn connect_fd(fd: i32, app: String) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { inner: service::connect_fd(fd, &app)? }))
    }

    /// Attaches the app `id`, such as `com.example.mail`. Its adapters are its own; in a service they are those of the app of
    /// this name and this user.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a name with other characters than letters, digits, `.`, `-` and `_`; those of the
    /// connection to a service.
    pub fn attach(&self, id: String) -> std::result::Result<Arc<App>, LoamError> {
        Ok(App::new(self.inner.attach(&id)?))
    }

    /// What is open, and which parts of it are loaded.
    ///
    /// # Errors
    /// Those of the connection to a service.
    pub fn foundation(&self) -> Result<FoundationInfo> {
        Ok(self.inner.foundation()?.into())
    }

    /// Drops a component, which comes back when it is needed; whether it was loaded. What a service has loaded is shared by
    /// all of its apps and is the service's to drop: then nothing is done, and the result is false.
    pub fn unload(&self, component: String) -> bool {
        self.inner.local().is_some_and(|engine| engine.unload(&component))
    }

    /// Streams that wait or run. Those that others have begun in a service are not among them.
    pub fn active_streams(&self) -> u32 {
        self.inner.active_streams()
    }

    /// Memory of this process, where the system tells. A foundation in a service is in that process, and not counted here.
    pub fn memory(&self) -> Option<ProcessMemory> {
        self.inner.memory().map(Into::into)
    }

    /// What the engine is doing, for all apps. In a service for the user that runs it, and for root.
    ///
    /// # Errors
    /// [`LoamError::Refused`] for others; those of the connection to a service.
    pub fn status(&self) -> Result<EngineStatus> {
        Ok(self.inner.status()?.into())
    }

    /// Gives memory back, as iOS and Android ask apps to. What runs keeps what it has, and whatever is needed later comes back
    /// by itself.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn trim(&self, level: TrimLevel) -> Result<Trimmed> {
        Ok(self.inner.trim(level.core())?.into())
    }

    /// Says how hot the device is and how it is powered, which changes how many threads work and whether background requests are
    /// taken; those that were taken before go on, and no result changes. `EngineStatus::conditions` is what was said last. The
    /// packages say so by themselves on Android and on Apple's systems.
    ///
    /// # Errors
    /// [`LoamError::Unsupported`] for an engine in a service: its own process says it.
    pub fn set_conditions(&self, conditions: Conditions) -> std::result::Result<(), LoamError> {
        Ok(self.inner.set_conditions(conditions.core())?)
    }

    /// Where components run that are loaded and that delegates were asked for; none of an engine without delegates.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub fn places(&self) -> Result<Vec<PlaceStatus>> {
        Ok(self.inner.places()?.into_iter().map(Into::into).collect())
    }

    /// Loads `component`, and waits until its delegates are ready or were given up; [`Engine::places`] tells which. The processor
    /// serves until then, so that nobody has to wait. Blocks for as long as opening and timing the delegate takes.
    ///
    /// # Errors
    /// [`LoamError::MissingComponent`] for a name that the foundation does not have; those of loading it;
    /// [`LoamError::Unsupported`] for an engine in a service, which prepares components when apps first use them.
    pub fn wait_for_delegates(&self, component: String) -> std::result::Result<(), LoamError> {
        Ok(self.inner.wait_for_delegates(&component)?)
    }

    /// What the app `id` may ask for and hold.
    ///
    /// # Errors
    /// As [`Engine::set_quotas`].
    pub fn quotas(&self, id: String) -> Result<Quotas> {
        Ok(self.inner.quotas(&id)?.into())
    }

    /// Bounds what the app `id` may ask for and hold from now on, whether it is attached yet or not; in a service the app of
    /// this name of any user.
    ///
    /// # Errors
    /// As [`Engine::status`]; [`LoamError::Argument`] for a name that no app can have.
    pub fn set_quotas(&self, id: String, quotas: Quotas) -> std::result::Result<(), LoamError> {
        Ok(self.inner.set_quotas(&id, quotas.core())?)
    }
}

/// Version of the library.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
