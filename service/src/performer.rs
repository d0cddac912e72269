//! Who performs calls: the engine in this process, or a service.

use std::path::Path;

use loam::engine::Mismatch;

use crate::call::{AdapterInfo, AdapterKey, Call, Opened, Reply, Thing};
use crate::error::{Error, Result};
use crate::event::Relay;
use crate::options::InstallPolicy;

/// Performs the calls of one app. All of it blocks, and may be called from any thread.
pub(crate) trait Performer: std::fmt::Debug + Send + Sync {
    /// Performs one call, which reports to `relay` before it is over.
    ///
    /// # Errors
    /// The call's own.
    fn perform(&self, call: Call, relay: &mut dyn Relay) -> Result<Reply>;

    /// Installs an adapter from a package file or a PEFT directory.
    ///
    /// # Errors
    /// Those of reading, checking and keeping it.
    fn install(&self, alias: &str, path: &Path, policy: InstallPolicy) -> Result<AdapterInfo>;

    /// Saves a conversation to a file, in place of what is there.
    ///
    /// # Errors
    /// As [`loam::task::Chat::save`]; what was there stays then.
    fn save(&self, session: Opened, path: &Path) -> Result<()>;

    /// Goes on with a conversation that was saved.
    ///
    /// # Errors
    /// As [`loam::task::Chat::restore`].
    fn restore(&self, path: &Path, adapter: Option<&AdapterKey>, mismatch: Mismatch) -> Result<Opened>;

    /// Lets go of something. Never fails: what is not there is let go.
    fn release(&self, thing: Thing);
}

/// What an answer of another kind than the call's is: a service of another version, or a defect.
pub(crate) fn unexpected(call: &str, reply: &Reply) -> Error {
    let shown: String = format!("{reply:?}").chars().take(60).collect();
    Error::protocol(format!("'{call}' was answered with {shown}"))
}

/// Takes the one reply that a call has, out of all.
macro_rules! reply_of {
    ($performer:expr, $relay:expr, $call:expr, $pattern:pat => $value:expr) => {{
        let call = $call;
        let name = call.name();
        match $performer.perform(call, $relay)? {
            $pattern => $value,
            other => return Err(crate::performer::unexpected(name, &other)),
        }
    }};
}
pub(crate) use reply_of;
