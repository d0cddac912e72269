//! The service: an engine, its apps, and the clients that are connected.

mod connection;
mod guests;
mod host;
mod identity;
mod limits;
mod listen;
mod quotas;
mod saving;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loam::adapter::SignaturePolicy;
use rustix::fs::{FlockOperation, flock};

use self::connection::Connection;
pub use self::host::Host;
pub use self::identity::Identity;
pub use self::limits::Limits;
use self::limits::{Permit, Resource, Tally};
pub use self::listen::Listener;
use self::quotas::KnownQuotas;
use crate::error::{Error, Result};
use crate::store::{AdapterStore, MAX_FILE, Source, stored_bytes, sweep};
use crate::wire::{Channel, ServerMessage};

/// Keeps two services out of one state folder.
const LOCK: &str = ".lock";
/// Below an app's folder.
const ADAPTERS: &str = "adapters";

/// An app's place.
#[derive(Debug)]
struct Slot {
    /// [`Identity::known`].
    known: String,
    /// Empty until its adapters are loaded.
    store: Mutex<Option<Arc<AdapterStore>>>,
}

/// An engine for clients in other processes, and the adapters that they have installed.
#[derive(Debug)]
pub struct Server {
    engine: Arc<loam::Engine>,
    state: PathBuf,
    limits: Limits,
    tally: Arc<Tally>,
    apps: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// By [`Identity::known`].
    signatures: Mutex<BTreeMap<String, SignaturePolicy>>,
    quotas: Mutex<KnownQuotas>,
    /// Locked for as long as it is open.
    lock: File,
}

impl Server {
    /// A service of `engine` with its adapters in the folder `state`, which is made where it is not there, for its user
    /// alone.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be used, or that another service uses.
    pub fn open(engine: Arc<loam::Engine>, state: impl AsRef<Path>, limits: Limits) -> Result<Arc<Self>> {
        let state = state.as_ref().to_path_buf();
        let failed = |error| Error::io(&state, error);
        DirBuilder::new().recursive(true).mode(0o700).create(&state).map_err(failed)?;
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let path = state.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(|error| Error::io(&path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Io {
            path: path.display().to_string(),
            reason: format!("{}: another service uses this state folder", state.display()),
        })?;
        saving::sweep(&state);
        for app in std::fs::read_dir(&state).map_err(failed)?.flatten().filter(|entry| entry.path().is_dir()) {
            sweep(&app.path().join(ADAPTERS))?;
        }
        let (tally, apps) = (Arc::default(), Mutex::default());
        let (signatures, quotas) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { engine, state, limits, tally, apps, signatures, quotas, lock }))
    }

    /// Says whose adapters the app `name` may use, of any user; of apps that the host tells apart, the app that it calls so. It
    /// counts from when a client of the app connects the next time, also for adapters that it has installed before. Apps of which nothing is said may use what the engine's options allow.
    pub fn set_signatures(&self, name: &str, policy: SignaturePolicy) {
        self.signatures.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), policy);
    }

    /// Lets another service use the state folder, once this one has nothing under way.
    fn give_up_state(&self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            log::warn!("{}: {error}", self.state.display());
        }
    }

    /// Its engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<loam::Engine> {
        &self.engine
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Calls under way, of all clients.
    #[must_use]
    pub fn active_calls(&self) -> u64 {
        self.tally.total(Resource::Calls)
    }

    /// Clients that are connected.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.tally.total(Resource::Connections)
    }

    fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    fn apps(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one client until it goes, on this thread. It is refused beyond a limit.
    ///
    /// # Errors
    /// What the client was refused with; nothing after it was welcome.
    pub fn serve_stream(self: &Arc<Self>, stream: UnixStream, identity: Identity) -> Result<()> {
        self.admit(stream, identity)?.serve(self)
    }

    /// Lets a client in, or tells it that there is no room. Waits for nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond a limit.
    fn admit(&self, stream: UnixStream, identity: Identity) -> Result<Guest> {
        let channel = Channel::new(stream, self.limits.frame)?;
        match self.tally.take(&identity.owner(), Resource::Connections, 1, &self.limits) {
            Ok(permit) => Ok(Guest { channel, identity, permit }),
            Err(error) => {
                // It fits into the empty buffer of a new socket.
                let _ = channel.send(&ServerMessage::Refused(error.clone()), &[]);
                Err(error)
            }
        }
    }

    fn folder(&self, app: &str) -> PathBuf {
        self.state.join(app).join(ADAPTERS)
    }

    /// The app that a client is, with the adapters that it has installed earlier.
    ///
    /// # Errors
    /// [`Error::Argument`] for its name, [`Error::Refused`] for too many of one owner.
    fn attach(&self, identity: &Identity, name: &str) -> Result<Arc<AdapterStore>> {
        let id = identity.app(name)?;
        let known = identity.known(name);
        let slot = self.slot(identity, &id, known)?;
        // Connections of one app wait for what the first one loads; those of others do not.
        let mut loaded = slot.store.lock().unwrap_or_else(PoisonError::into_inner);
        let signatures = self.signatures.lock().unwrap_or_else(PoisonError::into_inner).get(known).cloned();
        if let Some(policy) = signatures {
            self.engine.set_signatures(&id, policy);
        }
        if let Some(store) = &*loaded {
            return Ok(Arc::clone(store));
        }
        self.bound(&id, known);
        let store = Arc::new(AdapterStore::open(self.engine.attach(&id)?, self.folder(&id))?);
        *loaded = Some(Arc::clone(&store));
        Ok(store)
    }

    /// The place of the app `id`, which is known as `known`.
    ///
    /// # Errors
    /// [`Error::Refused`] for too many of one owner.
    fn slot(&self, identity: &Identity, id: &str, known: &str) -> Result<Arc<Slot>> {
        let mut apps = self.apps();
        if let Some(slot) = apps.get(id) {
            return Ok(Arc::clone(slot));
        }
        let most = self.limits.apps_per_owner;
        let count =
            |apps: &BTreeMap<String, Arc<Slot>>| apps.keys().filter(|other| identity.owns(other)).count() as u64;
        if count(&apps) >= most {
            // Adapters of those that nobody uses are on disk.
            apps.retain(|other, slot| !identity.owns(other) || is_used(slot));
        }
        if count(&apps) >= most {
            let owner = identity.owner();
            return Err(Error::refused(format!("'{owner}' has {most} apps attached, which is its limit")));
        }
        let slot = Arc::new(Slot { known: known.to_owned(), store: Mutex::default() });
        apps.insert(id.to_owned(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Room on disk for these files of an app, which others do not take while the permit is held.
    ///
    /// # Errors
    /// [`Error::Adapter`] for one that is too large, [`Error::Refused`] for too many of one owner, [`Error::Io`].
    fn admit_files(&self, identity: &Identity, app: &str, sources: &[Source]) -> Result<Permit> {
        let mut bytes = 0;
        for source in sources {
            let size = source.file.metadata().map_err(|error| Error::io("an attached file", error))?.len();
            if size > MAX_FILE {
                let reason = format!("an attached file of {size} bytes, the limit is {MAX_FILE}");
                return Err(Error::Adapter { adapter: app.to_owned(), reason });
            }
            bytes += size;
        }
        let folders: Vec<PathBuf> = std::fs::read_dir(&self.state)
            .map_err(|error| Error::io(&self.state, error))?
            .flatten()
            .filter(|entry| identity.owns(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        let owner = identity.owner();
        let is_new = !folders.iter().any(|folder| folder.ends_with(app));
        if is_new && folders.len() as u64 >= self.limits.apps_per_owner {
            return Err(Error::refused(format!(
                "'{owner}' has adapters in {} apps, which is its limit",
                folders.len()
            )));
        }
        let permit = self.tally.take(&owner, Resource::Files, bytes, &self.limits)?;
        // What is being copied may count twice, and too little is left rather than too much taken.
        let stored: u64 = folders.iter().map(|folder| stored_bytes(folder)).sum();
        let limit = self.limits.stored_per_owner;
        if stored.saturating_add(self.tally.of(&owner, Resource::Files)) > limit {
            let reason = format!("'{owner}' has {stored} bytes of adapters, {bytes} more would be above {limit}");
            return Err(Error::refused(reason));
        }
        Ok(permit)
    }
}

/// A client that was let in.
struct Guest {
    channel: Channel,
    identity: Identity,
    permit: Permit,
}

impl Guest {
    /// # Errors
    /// What the client was refused with.
    fn serve(self, server: &Arc<Server>) -> Result<()> {
        Connection::greet(Arc::clone(server), self.identity, self.channel, self.permit)?.serve();
        Ok(())
    }
}

/// Whether a client is in this place, or on its way there.
fn is_used(slot: &Arc<Slot>) -> bool {
    let in_use = |store: &Option<Arc<AdapterStore>>| store.as_ref().is_some_and(|store| Arc::strong_count(store) > 1);
    Arc::strong_count(slot) > 1 || slot.store.try_lock().map_or(true, |store| in_use(&store))
}
