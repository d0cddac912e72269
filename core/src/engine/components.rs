//! Loaded components: each on first use, the least recently used ones dropped when a budget is full.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::holdings::{Holdings, insist};
use super::memory::give_back;
use super::trace::{Loading, Part};
use crate::budget::Held;
use crate::error::{Error, Result};
use crate::foundation::{Component, Verify};
use crate::quant::{Check, Packed, StorePlace, open_packed};

/// Where the packed form of weights is kept, which is as large as they are. It is made when a component is first loaded on a
/// device, and mapped from then on by every process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// Beside a foundation, in the folder of its name with `.packed` behind it. Of a bare model, in memory.
    #[default]
    Beside,
    /// In a folder of the app's, such as its cache.
    In(PathBuf),
    /// In the memory of each process.
    Memory,
}

impl Packing {
    fn place(&self, component: &Component, check: Check) -> Result<Option<StorePlace>> {
        let dir = match self {
            Self::Beside => match component.foundation_dir() {
                Some(root) => {
                    let root = canonical(root)?;
                    let mut name = root.file_name().unwrap_or_default().to_os_string();
                    name.push(".packed");
                    root.with_file_name(name)
                }
                None => return Ok(None),
            },
            Self::In(dir) => dir.clone(),
            Self::Memory => return Ok(None),
        };
        let origin = canonical(component.entry())?;
        // Components of different models may have one name and share a folder; copies of one model share the store.
        let digest = component.record().map(|_| component.fingerprint().map(str::to_owned)).transpose()?;
        let by_path = || format!("{:x}", Sha256::digest(origin.as_os_str().as_encoded_bytes()));
        let digits = digest.clone().unwrap_or_else(by_path);
        Ok(Some(StorePlace {
            dir,
            component: component.name().to_owned(),
            name: format!("{}-{digits:.16}", component.name()),
            origin: origin.to_string_lossy().into_owned(),
            sources: component.weight_files()?,
            digest,
            check,
        }))
    }
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| Error::io(path, e))
}

/// A component that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedComponent {
    /// Its name in the foundation.
    pub name: String,
    /// Bytes of its weight files.
    pub bytes: u64,
    /// Where its packed weights are.
    pub packed: Packed,
}

#[derive(Debug)]
struct Slot {
    /// The component as different models, such as an encoder and the recogniser around it; they map the same bytes.
    models: Vec<Arc<dyn Any + Send + Sync>>,
    bytes: u64,
    packed: Packed,
    used: u64,
    /// Counts what is packed in memory.
    held: Vec<Held>,
}

/// The loaded components of an engine.
#[derive(Debug)]
pub(super) struct Components {
    /// Bytes of weight files that may be mapped at a time.
    budget: Option<u64>,
    packing: Packing,
    /// How closely packed weights are looked at.
    check: Check,
    /// Makes room for weights that are packed in memory.
    holdings: Arc<Holdings>,
    state: Mutex<State>,
    /// Held while one is loaded, so that others stay usable meanwhile.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<String, Slot>,
    /// Those that were loaded once, and are not any more.
    dropped: BTreeSet<String>,
    /// Counts uses: a clock for "least recently".
    uses: u64,
}

impl Components {
    pub(super) fn new(budget: Option<u64>, packing: Packing, verify: Verify, holdings: Arc<Holdings>) -> Self {
        let check = match verify {
            Verify::Sizes => Check::Header,
            Verify::Digests => Check::Content,
        };
        Self { budget, packing, check, holdings, state: Mutex::default(), loading: Mutex::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model of `component`, made by `open` when it is not loaded. Whoever holds it keeps it alive, also after it was
    /// dropped from here.
    ///
    /// # Errors
    /// [`Error::Memory`] when the component alone exceeds the budget; as `open` otherwise. A failed load is tried again
    /// by the next caller.
    pub(super) fn get<T: Any + Send + Sync>(
        &self,
        component: &Component,
        open: impl Fn(Part, &Path) -> Result<T>,
    ) -> Result<Arc<T>> {
        if let Some(model) = self.state().touch(component.name()) {
            return Ok(model);
        }
        let guard = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = self.state().touch(component.name()) {
            return Ok(model);
        }
        let bytes = component.weight_bytes()?;
        let mut dropped = Vec::new();
        if let Some(budget) = self.budget {
            if bytes > budget {
                return Err(Error::Memory { what: component.name().to_owned(), needed: bytes, limit: budget });
            }
            dropped = self.state().make_room(budget - bytes, component.name());
        }
        let came_back = match self.state().dropped.contains(component.name()) {
            true => Loading::Again,
            false => Loading::First,
        };
        let place = self.packing.place(component, self.check)?;
        // Packed in memory they are as large as their files; elsewhere they are mapped.
        let in_memory = if place.is_none() { bytes } else { 0 };
        let budget = self.holdings.budget(&None);
        let held = insist(&self.holdings, &None, || budget.take(in_memory));
        let held = held.map_err(|shortage| shortage.error(component.name()))?;
        let (model, packed) = open_packed(
            place.as_ref(),
            || component.fingerprint().map(str::to_owned),
            || open(Part::new(component.name(), bytes, came_back), component.entry()),
        )?;
        let model = Arc::new(model);
        self.state().insert(component.name(), model.clone(), bytes, packed, held);
        drop(guard);
        give_back();
        // Only now: who receives records may call the engine.
        for name in dropped {
            log::info!("component '{name}' was dropped to make room");
        }
        log::info!("component '{}' is loaded: {bytes} bytes of weights", component.name());
        Ok(model)
    }

    pub(super) fn unload(&self, name: &str) -> bool {
        let found = self.state().slots.remove(name);
        let unloaded = found.is_some();
        if unloaded {
            self.state().dropped.insert(name.to_owned());
        }
        drop(found);
        give_back();
        unloaded
    }

    /// Drops all components that nobody else holds; their names.
    pub(super) fn unload_idle(&self) -> Vec<String> {
        let mut state = self.state();
        let is_idle = |slot: &Slot| slot.models.iter().all(|model| Arc::strong_count(model) == 1);
        let idle = state.slots.iter().filter(|(_, slot)| is_idle(slot));
        let names: Vec<String> = idle.map(|(name, _)| name.clone()).collect();
        let dropped: Vec<Slot> = names.iter().filter_map(|name| state.slots.remove(name)).collect();
        state.dropped.extend(names.iter().cloned());
        drop(state);
        drop(dropped);
        names
    }

    pub(super) fn loaded(&self) -> Vec<LoadedComponent> {
        let state = self.state();
        state
            .slots
            .iter()
            .map(|(name, slot)| LoadedComponent { name: name.clone(), bytes: slot.bytes, packed: slot.packed })
            .collect()
    }
}

impl State {
    fn touch<T: Any + Send + Sync>(&mut self, name: &str) -> Option<Arc<T>> {
        self.uses += 1;
        let slot = self.slots.get_mut(name)?;
        slot.used = self.uses;
        slot.models.iter().find_map(|model| Arc::clone(model).downcast().ok())
    }

    fn insert(&mut self, name: &str, model: Arc<dyn Any + Send + Sync>, bytes: u64, packed: Packed, held: Held) {
        self.uses += 1;
        self.dropped.remove(name);
        let empty = || Slot { models: Vec::new(), bytes, packed, used: 0, held: Vec::new() };
        let slot = self.slots.entry(name.to_owned()).or_insert_with(empty);
        slot.models.push(model);
        slot.held.push(held);
        slot.used = self.uses;
    }

    /// Drops least recently used components until `room` bytes hold the rest, not counting `kept`; their names.
    fn make_room(&mut self, room: u64, kept: &str) -> Vec<String> {
        let mut dropped = Vec::new();
        let others = |(name, _): &(&String, &Slot)| *name != kept;
        while self.slots.iter().filter(others).map(|(_, slot)| slot.bytes).sum::<u64>() > room {
            let oldest = self.slots.iter().filter(others).min_by_key(|(_, slot)| slot.used);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.slots.remove(&oldest);
            self.dropped.insert(oldest.clone());
            dropped.push(oldest);
        }
        dropped
    }
}
