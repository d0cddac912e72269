//! Loaded components: each on first use, the least recently used ones dropped when a budget is full.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::memory::give_back;
use super::trace::Part;
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
}

/// The loaded components of an engine.
#[derive(Debug)]
pub(super) struct Components {
    /// Bytes of weight files that may be mapped at a time.
    budget: Option<u64>,
    packing: Packing,
    /// How closely packed weights are looked at.
    check: Check,
    state: Mutex<State>,
    /// Held while one is loaded, so that others stay usable meanwhile.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<String, Slot>,
    /// Counts uses: a clock for "least recently".
    uses: u64,
}

impl Components {
    pub(super) fn new(budget: Option<u64>, packing: Packing, verify: Verify) -> Self {
        let check = match verify {
            Verify::Sizes => Check::Header,
            Verify::Digests => Check::Content,
        };
        Self { budget, packing, check, state: Mutex::default(), loading: Mutex::new(()) }
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
        let place = self.packing.place(component, self.check)?;
        let (model, packed) = open_packed(
            place.as_ref(),
            || component.fingerprint().map(str::to_owned),
            || open(Part { name: component.name().to_owned(), bytes }, component.entry()),
        )?;
        let model = Arc::new(model);
        self.state().insert(component.name(), model.clone(), bytes, packed);
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
        drop(found);
        give_back();
        unloaded
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

    fn insert(&mut self, name: &str, model: Arc<dyn Any + Send + Sync>, bytes: u64, packed: Packed) {
        self.uses += 1;
        let slot = self.slots.entry(name.to_owned()).or_insert(Slot { models: Vec::new(), bytes, packed, used: 0 });
        slot.models.push(model);
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
            dropped.push(oldest);
        }
        dropped
    }
}
