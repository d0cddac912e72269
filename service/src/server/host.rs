//! A service within a process that accepts clients in its own way.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Server;
use super::guests::Guests;
use super::identity::Identity;
use crate::error::Result;

/// Serves clients whose streams a process hands it, such as an Android service that gives out one end of a socket pair.
/// Dropping it disconnects them; what they have installed stays.
#[derive(Debug)]
pub struct Host {
    server: Arc<Server>,
    guests: Arc<Guests>,
}

impl Host {
    /// A host of `server`, without clients.
    #[must_use]
    pub fn new(server: Arc<Server>) -> Self {
        Self { server, guests: Arc::default() }
    }

    /// Its service.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Serves the client at the other end of `stream` on a thread of its own, as whom `identity` says, until it goes.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] beyond a limit and after the end; [`crate::Error::Io`] where there is no thread for it.
    pub fn serve(&self, stream: UnixStream, identity: Identity) -> Result<()> {
        self.guests.serve(&self.server, stream, identity)
    }

    /// Disconnects all clients, and lets nobody in any more; then another service may use the state folder. Waits for what they
    /// have under way, for five seconds at most. May be called more than once.
    pub fn end(&self) {
        if self.guests.end(&self.server) {
            self.server.give_up_state();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}
