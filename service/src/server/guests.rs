//! Clients that are served on threads of their own, and their end.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Server;
use super::identity::Identity;
use crate::error::{Error, Result};

/// How long an end waits for what clients have under way.
const FAREWELL: Duration = Duration::from_secs(5);
/// Between two looks whether it is over.
const LOOK: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Present {
    last: u64,
    streams: BTreeMap<u64, UnixStream>,
    ended: bool,
}

/// The clients that came in one way, such as through one socket.
#[derive(Debug, Default)]
pub(super) struct Guests {
    present: Mutex<Present>,
    left: Condvar,
}

impl Guests {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a client on a thread of its own until it goes, or until [`Guests::end`].
    ///
    /// # Errors
    /// [`Error::Refused`] beyond a limit and after the end; [`Error::Io`] where there is no thread for it.
    pub(super) fn serve(self: &Arc<Self>, server: &Arc<Server>, stream: UnixStream, identity: Identity) -> Result<()> {
        let copy = stream.try_clone().map_err(|error| Error::io("a client's stream", error))?;
        // Before there is a thread: a flood of connections must not become one of threads.
        let guest = server.admit(stream, identity)?;
        let number = {
            let mut present = self.present();
            if present.ended {
                return Err(Error::refused("the service has ended"));
            }
            present.last += 1;
            let number = present.last;
            present.streams.insert(number, copy);
            number
        };
        let (guests, serving) = (Arc::clone(self), Arc::clone(server));
        let thread = std::thread::Builder::new().name("loam-client".to_owned()).spawn(move || {
            if let Err(error) = guest.serve(&serving) {
                log::info!("a client was refused: {error}");
            }
            guests.forget(number);
        });
        if let Err(error) = thread {
            self.forget(number);
            return Err(Error::io("a thread for a client", error));
        }
        Ok(())
    }

    fn forget(&self, number: u64) {
        self.present().streams.remove(&number);
        self.left.notify_all();
    }

    /// Disconnects all, and lets nobody in any more. Waits until they have gone and `server` has nothing of theirs under way, for
    /// five seconds at most: false then.
    pub(super) fn end(&self, server: &Server) -> bool {
        let until = Instant::now() + FAREWELL;
        self.disconnect();
        let present = self.present();
        let gone = self.left.wait_timeout_while(present, FAREWELL, |present| !present.streams.is_empty());
        let (present, _) = gone.unwrap_or_else(PoisonError::into_inner);
        let is_empty = present.streams.is_empty();
        drop(present);
        while is_empty && server.active_calls() > 0 && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        is_empty && server.active_calls() == 0
    }

    /// Disconnects all, and lets nobody in any more.
    pub(super) fn disconnect(&self) {
        let mut present = self.present();
        present.ended = true;
        for stream in present.streams.values() {
            // An error says that it has ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
