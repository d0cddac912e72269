//! A service within the app's own process.

use std::sync::Arc;

use crate::conditions::Conditions;
use crate::delegates::PlaceStatus;
use crate::engine::{EngineOptions, FoundationInfo};
use crate::error::{LoamError, Result};
use crate::service;
use crate::status::{EngineStatus, Quotas};
use crate::trim::{TrimLevel, Trimmed};

/// A service in this process: one foundation for apps in others, as `loamd` is, whose clients the process accepts in its own
/// way. Linux and Android.
///
/// Dropping it disconnects all clients; what they have installed stays in its state folder.
#[derive(Debug, uniffi::Object)]
pub struct Host {
    inner: service::Host,
}

#[uniffi::export]
impl Host {
    /// Opens a foundation, and the folder `state` for the adapters of all apps, which is made where it is not there.
    ///
    /// # Errors
    /// As [`crate::Engine::open`]; [`LoamError::Io`] where another service uses the folder; [`LoamError::Unsupported`] on
    /// other systems.
    #[uniffi::constructor]
    pub fn open(foundation: String, state: String, options: EngineOptions) -> Result<Arc<Self>> {
        let options = options.core(&foundation)?;
        Ok(Arc::new(Self { inner: service::Host::open(&foundation, &state, options)? }))
    }

    /// Serves the client at the other end of a connected Unix socket, on a thread of its own, until it goes. The number
    /// `fd` is the host's from now on, also when this fails. The client is the app `app`, whatever it says itself:
    /// its adapters, and its share of every limit, are those of that name.
    ///
    /// # Errors
    /// [`LoamError::Refused`] beyond a limit and after the end; [`LoamError::Argument`] for what is no connected Unix socket.
    pub fn serve_fd(&self, fd: i32, app: String) -> std::result::Result<(), LoamError> {
        self.inner.serve(fd, &app)
    }

    /// Accepts clients of this user at a Unix socket that is made at `path`, on a thread of its own, until the end. They are
    /// who they say they are, below the user that the system says.
    ///
    /// # Errors
    /// [`LoamError::Io`] where something answers at `path` or something else lies there.
    pub fn listen(&self, path: String) -> std::result::Result<(), LoamError> {
        self.inner.listen(&path)
    }

    /// What is open, and which parts of it are loaded.
    ///
    /// # Errors
    /// None at the moment.
    pub fn foundation(&self) -> Result<FoundationInfo> {
        Ok(self.inner.foundation()?.into())
    }

    /// Clients that are connected.
    pub fn connections(&self) -> u64 {
        self.inner.connections()
    }

    /// Calls under way, of all clients.
    pub fn active_calls(&self) -> u64 {
        self.inner.active_calls()
    }

    /// Gives memory back, as Android asks apps to. What runs keeps what it has, and whatever is needed later comes back by
    /// itself.
    pub fn trim(&self, level: TrimLevel) -> Trimmed {
        self.inner.trim(level.core()).into()
    }

    /// What the engine is doing, for all apps.
    pub fn status(&self) -> EngineStatus {
        self.inner.status().into()
    }

    /// Where components run that are loaded and that delegates were asked for.
    pub fn places(&self) -> Vec<PlaceStatus> {
        self.inner.places().into_iter().map(Into::into).collect()
    }

    /// Says how hot the device is and how it is powered, for all apps; as [`crate::Engine::set_conditions`].
    pub fn set_conditions(&self, conditions: Conditions) {
        self.inner.set_conditions(conditions.core());
    }

    /// What the app `app` may ask for and hold.
    ///
    /// # Errors
    /// As [`Host::set_quotas`].
    pub fn quotas(&self, app: String) -> Result<Quotas> {
        Ok(self.inner.quotas(&app)?.into())
    }

    /// Bounds what the app `app` may ask for and hold from now on, whether it is connected yet or not: the name that
    /// [`Host::serve_fd`] is given, or that clients of [`Host::listen`] give themselves.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a name that no app can have.
    pub fn set_quotas(&self, app: String, quotas: Quotas) -> std::result::Result<(), LoamError> {
        self.inner.set_quotas(&app, quotas.core())
    }

    /// Disconnects all clients, removes the sockets, and lets nobody in any more. May be called more than once.
    pub fn end(&self) {
        self.inner.end();
    }
}
