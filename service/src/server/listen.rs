//! A socket that clients connect to.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::Server;
use super::guests::Guests;
use super::identity::Identity;
use crate::error::{Error, Result};

/// After a failed accept, such as one for want of descriptors: what is there to accept stays.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket in the file system, and the users that may use it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Locked beside the socket, so that of two services that start at a time one finds the other.
    _lock: File,
    /// `None` for everybody who can open the socket.
    users: Option<Vec<u32>>,
    /// What ends it: the reader is woken when the writer goes.
    wake: (OwnedFd, Mutex<Option<OwnedFd>>),
    guests: Arc<Guests>,
    ended: AtomicBool,
}

impl Listener {
    /// Listens at `path`, with `mode` as its permissions. What a service left there that is gone is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] where something answers at `path` or something else lies there.
    pub fn bind(path: impl AsRef<Path>, mode: u32, users: Option<Vec<u32>>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let failed = |error: std::io::Error| Error::io(&path, error);
        let refuse = |reason: &str| Error::Io {
            path: path.display().to_string(),
            reason: format!("{}: {reason}", path.display()),
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| refuse("another service answers there, or is about to"))?;
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => return Err(refuse("something else lies there")),
            Ok(_) => match UnixStream::connect(&path) {
                Ok(_) => return Err(refuse("another service answers there")),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(&path).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            },
        }
        let socket = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        // Two may want to accept the same one.
        socket.set_nonblocking(true).map_err(failed)?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        Ok(Self {
            socket,
            path,
            _lock: lock,
            users,
            wake: (reader, Mutex::new(Some(writer))),
            guests: Arc::default(),
            ended: AtomicBool::new(false),
        })
    }

    /// Accepts clients, each of which is served on a thread of its own, until [`Listener::end`]. Then all are disconnected,
    /// and the socket's file is removed.
    ///
    /// # Errors
    /// [`Error::Io`] where the system cannot wait for clients.
    pub fn serve(&self, server: &Arc<Server>) -> Result<()> {
        let outcome = self.accept_all(server);
        self.close();
        outcome
    }

    fn accept_all(&self, server: &Arc<Server>) -> Result<()> {
        while !self.ended.load(Ordering::Acquire) {
            let mut waits = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.wake.0, PollFlags::IN)];
            match poll(&mut waits, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::io(&self.path, error)),
            }
            match self.socket.accept() {
                Ok((stream, _)) => self.accept(server, stream),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::warn!("{}: a client was not accepted: {error}", self.path.display());
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(())
    }

    fn accept(&self, server: &Arc<Server>, stream: UnixStream) {
        let identity = match Identity::of_peer(&stream) {
            Ok(identity) => identity,
            Err(error) => return log::warn!("{}: {error}", self.path.display()),
        };
        if let (Some(users), Identity::User(uid)) = (&self.users, &identity)
            && !users.contains(uid)
        {
            return log::info!("{}: user {uid} is not one of those who may connect", self.path.display());
        }
        if let Err(error) = self.guests.serve(server, stream, identity) {
            log::debug!("a client was not let in: {error}");
        }
    }

    /// Lets [`Listener::serve`] end. May be called from any thread, and more than once.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        drop(self.wake.1.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn close(&self) {
        self.guests.disconnect();
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}
