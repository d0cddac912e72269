//! Installed adapters by alias. An alias points at an immutable generation.
//!
//! Whoever looks an alias up holds that generation until it drops it, so a replacement or removal never changes a
//! running request. Limits are checked before anything is stored. One that nobody holds may be put to sleep, which frees its
//! matrices; it is read again when it is asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::bind::BoundAdapter;
use super::package::AdapterPackage;
use super::signature::{KeyId, Signer};
use crate::budget::Held;
use crate::error::{Error, Result};

/// Number of an installation; grows over the life of a registry and is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Generation(pub u64);

/// What to do when the alias is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallPolicy {
    /// Refuse.
    Create,
    /// Replace whatever is there.
    Upsert,
    /// Replace only this generation.
    CompareAndSwap(Generation),
}

/// Bounds on what a registry holds.
#[derive(Clone, Copy, Debug)]
pub struct AdapterLimits {
    /// Aliases.
    pub count: usize,
    /// Rank of any low-rank delta.
    pub rank: usize,
    /// Bytes of all adapters together.
    pub bytes: usize,
}

impl Default for AdapterLimits {
    /// 64 adapters of rank up to 256, 512 MiB together.
    fn default() -> Self {
        Self { count: 64, rank: 256, bytes: 512 << 20 }
    }
}

/// Adapters of this process, of all registries.
static LAST: AtomicU64 = AtomicU64::new(0);
/// Uses of adapters, of all registries: a clock.
static USES: AtomicU64 = AtomicU64::new(0);

fn tick() -> u64 {
    USES.fetch_add(1, Ordering::Relaxed)
}

/// One installed generation of an adapter. Whoever holds it keeps it in memory.
#[derive(Debug)]
pub struct Adapter {
    /// Number that no other one of this process has, in any registry: what was computed with it is kept under this.
    pub id: u64,
    /// The name it is called by.
    pub alias: String,
    /// Its number.
    pub generation: Generation,
    /// Its file, configuration and task.
    pub package: AdapterPackage,
    /// Its matrices, bound to the component.
    pub bound: BoundAdapter,
    /// It was put to sleep and is back, and nobody was told yet.
    news: AtomicBool,
    /// Counts its bytes.
    _held: Held,
}

impl Adapter {
    /// Bytes of its matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bound.bytes()
    }

    /// Whether it was put to sleep and read again since this was asked last.
    pub(crate) fn is_back(&self) -> bool {
        self.news.swap(false, Ordering::Relaxed)
    }
}

/// What a registry knows of an alias.
#[derive(Debug)]
struct Entry {
    id: u64,
    generation: Generation,
    bytes: usize,
    path: PathBuf,
    digest: String,
    signer: Option<Signer>,
    used: u64,
    /// In memory, or asleep.
    adapter: Option<Arc<Adapter>>,
}

/// An adapter that is installed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InstalledAdapter {
    /// The name it is called by.
    pub alias: String,
    /// Its number.
    pub generation: Generation,
    /// Bytes that its matrices have in memory.
    pub bytes: usize,
    /// SHA-256 of its package ([`AdapterPackage::digest`]).
    pub digest: String,
    /// The key that signed it, as was verified; `None` where no signature was asked for.
    pub signer: Option<KeyId>,
    /// Whether it is in memory. One that is asleep is read when it is asked for.
    pub is_awake: bool,
}

/// Where an adapter is.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// In memory.
    Awake(Arc<Adapter>),
    /// In its file, which is to have this digest, and was signed so.
    Asleep { path: PathBuf, digest: String, signer: Option<Signer>, generation: Generation },
}

#[derive(Debug, Default)]
struct State {
    by_alias: BTreeMap<String, Entry>,
    last: u64,
}

/// Adapters by alias.
#[derive(Debug)]
pub struct AdapterRegistry {
    limits: Mutex<AdapterLimits>,
    state: Mutex<State>,
}

impl AdapterRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new(limits: AdapterLimits) -> Self {
        Self { limits: Mutex::new(limits), state: Mutex::default() }
    }

    /// Bounds what is installed from now on.
    pub(crate) fn set_limits(&self, limits: AdapterLimits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is consistent between statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a bound adapter under `alias`, whose bytes `held` counts.
    ///
    /// # Errors
    /// [`Error::Adapter`] when the policy or a limit forbids it; the registry is unchanged then.
    pub fn install(
        &self,
        alias: &str,
        package: AdapterPackage,
        bound: BoundAdapter,
        held: Held,
        policy: InstallPolicy,
    ) -> Result<Arc<Adapter>> {
        check_alias(alias)?;
        let mut state = self.state();
        let current = state.by_alias.get(alias);
        match (policy, current.map(|entry| entry.generation)) {
            (InstallPolicy::Create, Some(generation)) => {
                return Err(Error::adapter(alias, format!("is installed already, as generation {}", generation.0)));
            }
            (InstallPolicy::CompareAndSwap(expected), found) if found != Some(expected) => {
                let found = found.map_or("nothing".into(), |g| format!("generation {}", g.0));
                return Err(Error::adapter(alias, format!("expected generation {}, found {found}", expected.0)));
            }
            _ => {}
        }
        let others = state.by_alias.iter().filter(|(other, _)| *other != alias);
        let (count, bytes) = others.fold((1, bound.bytes()), |(n, b), (_, other)| (n + 1, b + other.bytes));
        let limits = *self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, found, limit) in [
            ("rank", bound.rank, limits.rank),
            ("bytes of all adapters", bytes, limits.bytes),
            ("installed adapters", count, limits.count),
        ] {
            if found > limit {
                return Err(Error::adapter(alias, format!("{what} would be {found}, the limit is {limit}")));
            }
        }
        state.last += 1;
        let entry = Entry {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            generation: Generation(state.last),
            bytes: bound.bytes(),
            path: package.path().to_path_buf(),
            digest: package.digest().to_owned(),
            signer: package.signer().cloned(),
            used: tick(),
            adapter: None,
        };
        let adapter = Arc::new(entry.adapter(alias, package, bound, held));
        state.by_alias.insert(alias.into(), Entry { adapter: Some(Arc::clone(&adapter)), ..entry });
        Ok(adapter)
    }

    /// Where the current generation of `alias` is.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`]; never a fallback to the bare base.
    pub(crate) fn find(&self, alias: &str) -> Result<Lookup> {
        let mut state = self.state();
        let entry = state.by_alias.get_mut(alias).ok_or_else(|| Error::UnknownAdapter(alias.into()))?;
        entry.used = tick();
        Ok(match &entry.adapter {
            Some(adapter) => Lookup::Awake(Arc::clone(adapter)),
            None => Lookup::Asleep {
                path: entry.path.clone(),
                digest: entry.digest.clone(),
                signer: entry.signer.clone(),
                generation: entry.generation,
            },
        })
    }

    /// Takes an adapter that was read once more, unless `alias` means another generation by now, or is awake already: then
    /// what there is counts.
    pub(crate) fn wake(
        &self,
        alias: &str,
        generation: Generation,
        package: AdapterPackage,
        bound: BoundAdapter,
        held: Held,
    ) {
        let mut state = self.state();
        let Some(entry) = state.by_alias.get_mut(alias) else { return };
        if entry.generation == generation && entry.adapter.is_none() {
            let adapter = Adapter { news: true.into(), ..entry.adapter(alias, package, bound, held) };
            entry.adapter = Some(Arc::new(adapter));
        }
    }

    /// When the adapter was asked for that nobody holds, the one that is idle longest; by the clock of all registries.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        self.state().by_alias.values().filter(|entry| entry.is_idle()).map(|entry| entry.used).min()
    }

    /// Frees the matrices of the adapter that is idle longest; bytes that they had, 0 where none is idle. Its alias and its
    /// generation stay.
    pub(crate) fn sleep_idlest(&self) -> u64 {
        let mut state = self.state();
        let idlest = state.by_alias.values_mut().filter(|entry| entry.is_idle()).min_by_key(|entry| entry.used);
        idlest.map_or(0, |entry| {
            entry.adapter = None;
            entry.bytes as u64
        })
    }

    /// Removes `alias`; requests that hold the generation finish with it.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`].
    pub fn remove(&self, alias: &str) -> Result<Generation> {
        let removed = self.state().by_alias.remove(alias);
        removed.map(|entry| entry.generation).ok_or_else(|| Error::UnknownAdapter(alias.into()))
    }

    /// All installed adapters, by alias.
    #[must_use]
    pub fn list(&self) -> Vec<InstalledAdapter> {
        let installed = |(alias, entry): (&String, &Entry)| InstalledAdapter {
            alias: alias.clone(),
            generation: entry.generation,
            bytes: entry.bytes,
            digest: entry.digest.clone(),
            signer: entry.signer.as_ref().map(|signer| signer.key().id()),
            is_awake: entry.adapter.is_some(),
        };
        self.state().by_alias.iter().map(installed).collect()
    }

    /// Bytes of those that are in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().by_alias.values().filter(|entry| entry.adapter.is_some()).map(|entry| entry.bytes as u64).sum()
    }
}

impl Entry {
    fn adapter(&self, alias: &str, package: AdapterPackage, bound: BoundAdapter, held: Held) -> Adapter {
        let (id, generation) = (self.id, self.generation);
        Adapter { id, alias: alias.into(), generation, package, bound, news: false.into(), _held: held }
    }

    /// Whether it is in memory for nobody.
    fn is_idle(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| Arc::strong_count(adapter) == 1)
    }
}

/// Aliases become file names and arguments: letters, digits, `_`, inner `-` and inner dots, at most 64 characters.
///
/// # Errors
/// [`Error::Argument`] naming the alias.
pub fn check_alias(alias: &str) -> Result<()> {
    let plain = alias.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !alias.is_empty() && alias.len() <= 64 && !alias.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Error::argument("alias", format!("'{alias}': letters, digits, '_', inner '-' and inner dots, 1 to 64 of them")))
}
