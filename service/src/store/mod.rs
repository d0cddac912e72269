//! The adapters of one app, in memory alone or kept in a folder as well.

mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use loam::adapter::{self, Adapter, Generation, check_alias};
use loam::engine::App;

use self::folder::Folder;
pub(crate) use self::folder::{MAX_FILE, Source, stored_bytes, sweep};
use crate::call::{AdapterInfo, AdapterKey, Opened};
use crate::error::{Error, Result};
use crate::options::InstallPolicy;

/// Bytes of all generations of an app that somebody still holds: twice what may be installed at a time.
const MAX_LIVE: u64 = 1 << 30;

/// A generation, and its number in the app's life.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) generation: u64,
}

impl Held {
    pub(crate) fn info(&self) -> AdapterInfo {
        let task = self.adapter.package.task();
        AdapterInfo {
            alias: self.adapter.alias.clone(),
            generation: self.generation,
            description: task.description.clone(),
            task: task.task.clone(),
            component: task.component.clone(),
            instructions: task.instructions.clone(),
            labels: task.labels.clone(),
            bytes: self.adapter.bytes() as u64,
            signer: self.adapter.package.signer().map(|signer| signer.key().id().to_string()),
            hold: Opened(self.generation),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Numbers by the registry's own, which begin anew with each process.
    numbers: BTreeMap<Generation, u64>,
    last: u64,
    live: Vec<Weak<Adapter>>,
}

impl State {
    fn live(&self) -> impl Iterator<Item = Arc<Adapter>> + '_ {
        self.live.iter().filter_map(Weak::upgrade)
    }
}

/// An app's adapters.
#[derive(Debug)]
pub(crate) struct AdapterStore {
    app: Arc<App>,
    folder: Option<Folder>,
    state: Mutex<State>,
    /// Held while something is installed or removed.
    change: Mutex<()>,
}

impl AdapterStore {
    /// In memory.
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app, folder: None, state: Mutex::default(), change: Mutex::default() }
    }

    /// Kept in the folder `root`: installs what lies there. An adapter that does not load is left alone and said in the log,
    /// for it may load again with another foundation.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be read.
    pub(crate) fn open(app: Arc<App>, root: PathBuf) -> Result<Self> {
        let folder = Folder::open(root)?;
        let (last, entries) = (folder.last()?, folder.entries()?);
        let store = Self { app, folder: Some(folder), state: Mutex::default(), change: Mutex::default() };
        store.state().last = last;
        let mut loaded = BTreeSet::new();
        for entry in entries {
            if loaded.contains(&entry.alias) {
                // A newer one took its place just before the end of the last process.
                store.discard(&entry.alias, entry.generation);
                continue;
            }
            match store.app.install(&entry.alias, &entry.path, adapter::InstallPolicy::Upsert) {
                Ok(adapter) => {
                    store.number(&adapter, entry.generation);
                    loaded.insert(entry.alias);
                }
                Err(error) => log::warn!("{}: not loaded: {error}", entry.path.display()),
            }
        }
        Ok(store)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The app in the engine.
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    fn number(&self, adapter: &Arc<Adapter>, generation: u64) {
        let mut state = self.state();
        state.live.retain(|other| other.strong_count() > 0);
        let mut known: Vec<Generation> = state.live().map(|other| other.generation).collect();
        // Those that are asleep, too.
        known.extend(self.app.adapters().list().into_iter().map(|installed| installed.generation));
        state.numbers.retain(|number, _| known.contains(number));
        state.numbers.insert(adapter.generation, generation);
        state.live.push(Arc::downgrade(adapter));
        state.last = state.last.max(generation);
    }

    fn held(&self, adapter: Arc<Adapter>) -> Held {
        let generation = self.numbered(adapter.generation).unwrap_or(adapter.generation.0);
        let mut state = self.state();
        // One that slept is another object since it is awake.
        let same = |live: &Weak<Adapter>| std::ptr::eq(live.as_ptr(), Arc::as_ptr(&adapter));
        if !state.live.iter().any(same) {
            state.live.push(Arc::downgrade(&adapter));
        }
        drop(state);
        Held { adapter, generation }
    }

    /// The app's number of a generation of the registry.
    pub(crate) fn numbered(&self, core: Generation) -> Option<u64> {
        self.state().numbers.get(&core).copied()
    }

    /// Installs from a path, which stays where it is.
    ///
    /// # Errors
    /// As [`App::install`].
    pub(crate) fn install_path(&self, alias: &str, path: &Path, policy: InstallPolicy) -> Result<Held> {
        let policy = match policy {
            InstallPolicy::Create => adapter::InstallPolicy::Create,
            InstallPolicy::Upsert => adapter::InstallPolicy::Upsert,
            InstallPolicy::CompareAndSwap(generation) => adapter::InstallPolicy::CompareAndSwap(Generation(generation)),
        };
        let adapter = self.app.install(alias, path, policy)?;
        self.number(&adapter, adapter.generation.0);
        Ok(self.held(adapter))
    }

    /// Copies files into the folder and installs them from there. It stays installed after any crash once this has returned.
    ///
    /// # Errors
    /// [`Error::Io`], also for a full disk; as [`App::install`] otherwise. The app's adapters are as before then.
    pub(crate) fn install_files(&self, alias: &str, sources: Vec<Source>, policy: InstallPolicy) -> Result<Held> {
        check_alias(alias)?;
        let folder = self.folder.as_ref().ok_or_else(|| Error::protocol("adapters of this app come by path"))?;
        self.admit(alias, policy)?;
        let staged = folder.stage(alias, sources)?;
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        // Another one may have come while this one was copied.
        let before = self.admit(alias, policy)?;
        let generation = self.state().last + 1;
        let entry = folder.commit(staged, alias, generation)?;
        self.state().last = generation;
        match self.app.install(alias, &entry.path, adapter::InstallPolicy::Upsert) {
            Ok(adapter) => {
                self.number(&adapter, generation);
                before.iter().for_each(|before| self.discard(alias, *before));
                Ok(self.held(adapter))
            }
            Err(error) => {
                self.discard(alias, generation);
                Err(error.into())
            }
        }
    }

    /// What the policy finds in place.
    fn admit(&self, alias: &str, policy: InstallPolicy) -> Result<Option<u64>> {
        let refuse = |reason: String| {
            let reason = format!("adapter '{alias}': {reason}");
            Err(Error::Adapter { adapter: alias.to_owned(), reason })
        };
        let held: u64 = self.state().live().map(|live| live.bytes() as u64).sum();
        if held > MAX_LIVE {
            return refuse(format!("{held} bytes of older generations are still held, the limit is {MAX_LIVE}"));
        }
        let installed = self.app.adapters().list();
        let found = installed.iter().find(|installed| installed.alias == alias);
        let generation = found.map(|found| self.numbered(found.generation).unwrap_or(found.generation.0));
        match policy {
            InstallPolicy::Create if generation.is_some() => {
                refuse(format!("is installed already, as generation {}", generation.unwrap_or_default()))
            }
            InstallPolicy::CompareAndSwap(expected) if generation != Some(expected) => {
                let found = generation.map_or("nothing".to_owned(), |generation| format!("generation {generation}"));
                refuse(format!("expected generation {expected}, found {found}"))
            }
            _ => Ok(generation),
        }
    }

    /// What stays behind is removed at the next start, for a newer one has its alias, or is refused again.
    fn discard(&self, alias: &str, generation: u64) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = folder.discard(alias, generation) {
            log::warn!("'{alias}', generation {generation}: {error}");
        }
    }

    /// The current generation of `alias`.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`].
    pub(crate) fn get(&self, alias: &str) -> Result<Held> {
        Ok(self.held(self.app.adapter(alias)?))
    }

    /// The generation that a key names, if it is the current one.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`].
    pub(crate) fn current(&self, key: &AdapterKey) -> Result<Held> {
        let AdapterKey { alias, generation } = key;
        self.get(alias).ok().filter(|held| held.generation == *generation).ok_or_else(|| {
            let reason = format!("generation {generation} of adapter '{alias}' is no longer there");
            Error::UnknownAdapter { alias: alias.clone(), reason }
        })
    }

    /// All of them, by alias. One whose file is gone is left out.
    pub(crate) fn list(&self) -> Vec<Held> {
        let awake = |alias: &str| match self.get(alias) {
            Ok(held) => Some(held),
            Err(error) => {
                log::warn!("'{alias}' is installed, and cannot be used: {error}");
                None
            }
        };
        self.app.adapters().list().iter().filter_map(|installed| awake(&installed.alias)).collect()
    }

    /// Removes `alias`, also from disk; what runs with it goes on.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`], or [`Error::Io`], after which it is still there.
    pub(crate) fn remove(&self, alias: &str) -> Result<()> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &self.folder {
            // Also those that did not load.
            for entry in folder.entries()?.iter().filter(|entry| entry.alias == alias) {
                folder.discard(alias, entry.generation)?;
            }
        }
        self.app.adapters().remove(alias)?;
        Ok(())
    }
}
