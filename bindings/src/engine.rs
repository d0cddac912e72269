//! The engine, as apps open it.

use std::sync::Arc;

use loam::engine::EngineOptions as CoreOptions;
use loam::foundation;

use crate::app::App;
use crate::error::{LoamError, Result};
use crate::service;

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

impl EngineOptions {
    pub(crate) fn core(self) -> CoreOptions {
        let verify = match self.verify {
            None | Some(Verify::Sizes) => foundation::Verify::Sizes,
            Some(Verify::Digests) => foundation::Verify::Digests,
        };
        CoreOptions { component_budget: self.component_budget, verify, ..CoreOptions::default() }
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
    /// [`LoamError::Io`], [`LoamError::Malformed`], [`LoamError::Unsupported`] or [`LoamError::Digest`].
    #[uniffi::constructor]
    pub fn open(path: String, options: EngineOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { inner: loam_service::Engine::open(path, options.core())? }))
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
        let now = self.inner.memory()?;
        Some(ProcessMemory { anonymous: now.anonymous, file: now.file })
    }
}

/// Version of the library.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
