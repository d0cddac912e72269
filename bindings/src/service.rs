//! Services, on systems that have them.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use loam::dispatch::Conditions;
use loam::engine::{EngineOptions, EngineStatus, PlaceStatus, Quotas, TrimLevel, Trimmed};
use loam_service::{Engine, FoundationInfo, Identity, Limits, Listener, Server};

use crate::error::{LoamError, Result};

/// Permissions of a socket: this user's alone.
const MODE: u32 = 0o600;

pub(crate) fn connect(path: &str) -> Result<Engine> {
    Ok(Engine::connect(path)?)
}

pub(crate) fn connect_fd(fd: i32, app: &str) -> Result<Engine> {
    Ok(Engine::connect_stream(stream(fd)?, app)?)
}

/// Takes a descriptor that the caller gives away.
fn stream(fd: i32) -> Result<UnixStream> {
    let refused =
        |reason: String| LoamError::Argument { name: "fd".to_owned(), reason: format!("invalid fd: {fd}, {reason}") };
    if fd < 0 {
        return Err(refused("which is none".to_owned()));
    }
    // SAFETY: whoever calls an exported function with a descriptor gives it away, as its documentation says, so that nobody
    // else closes this number; it is not -1.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    let stream = UnixStream::from(owned);
    match stream.peer_addr() {
        Ok(_) => Ok(stream),
        Err(error) => Err(refused(format!("which is no connected Unix socket: {error}"))),
    }
}

/// A listener, and the thread that it accepts clients on.
#[derive(Debug)]
struct Listening {
    listener: Arc<Listener>,
    thread: JoinHandle<()>,
}

/// A service in this process.
#[derive(Debug)]
pub(crate) struct Host {
    inner: loam_service::Host,
    listening: Mutex<Vec<Listening>>,
}

impl Host {
    pub(crate) fn open(foundation: &str, state: &str, options: EngineOptions) -> Result<Self> {
        let engine = loam::Engine::open_with(foundation, options)?;
        let server = Server::open(Arc::new(engine), state, Limits::default())?;
        Ok(Self { inner: loam_service::Host::new(server), listening: Mutex::default() })
    }

    pub(crate) fn serve(&self, fd: i32, app: &str) -> Result<()> {
        Ok(self.inner.serve(stream(fd)?, Identity::App(app.to_owned()))?)
    }

    fn listening(&self) -> MutexGuard<'_, Vec<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn listen(&self, path: &str) -> Result<()> {
        let listener = Arc::new(Listener::bind(Path::new(path), MODE, None)?);
        let (accepting, server) = (Arc::clone(&listener), Arc::clone(self.inner.server()));
        let serve = move || {
            if let Err(error) = accepting.serve(&server) {
                log::error!("{error}");
            }
        };
        let thread = std::thread::Builder::new().name("loam-listener".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| LoamError::Io { path: path.to_owned(), reason: error.to_string() })?;
        self.listening().push(Listening { listener, thread });
        Ok(())
    }

    pub(crate) fn foundation(&self) -> Result<FoundationInfo> {
        Ok(Engine::new(Arc::clone(self.inner.server().engine())).foundation()?)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.inner.server().connections()
    }

    pub(crate) fn active_calls(&self) -> u64 {
        self.inner.server().active_calls()
    }

    pub(crate) fn trim(&self, level: TrimLevel) -> Trimmed {
        self.inner.server().engine().trim(level)
    }

    pub(crate) fn status(&self) -> EngineStatus {
        self.inner.server().engine().status()
    }

    pub(crate) fn places(&self) -> Vec<PlaceStatus> {
        self.inner.server().engine().places()
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        self.inner.server().engine().set_conditions(conditions);
    }

    pub(crate) fn quotas(&self, app: &str) -> Result<Quotas> {
        Ok(self.inner.server().quotas(app)?)
    }

    pub(crate) fn set_quotas(&self, app: &str, quotas: Quotas) -> Result<()> {
        Ok(self.inner.server().set_quotas(app, quotas)?)
    }

    pub(crate) fn end(&self) {
        self.inner.end();
        let listening = std::mem::take(&mut *self.listening());
        for one in &listening {
            one.listener.end();
        }
        for one in listening {
            // A thread that panicked has ended, too.
            let _ = one.thread.join();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}
