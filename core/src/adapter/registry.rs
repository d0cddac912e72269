//! Installed adapters by alias. An alias points at an immutable generation.
//!
//! Whoever looks an alias up holds that generation until it drops it, so a replacement or removal never changes a
//! running request. Limits are checked before anything is stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::bind::BoundAdapter;
use super::head::AdapterHead;
use super::package::AdapterPackage;
use crate::error::{Error, Result};

/// Number of an installation; grows over the life of a registry and is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
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

/// One installed generation of an adapter.
#[derive(Debug)]
pub struct Adapter {
    /// The name it is called by.
    pub alias: String,
    /// Its number.
    pub generation: Generation,
    /// Its file, configuration and task.
    pub package: AdapterPackage,
    /// Its matrices, bound to the component.
    pub bound: BoundAdapter,
}

impl Adapter {
    /// Bytes of its matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bound.deltas.bytes() + self.bound.head.as_ref().map_or(0, AdapterHead::bytes)
    }
}

#[derive(Debug, Default)]
struct State {
    by_alias: BTreeMap<String, Arc<Adapter>>,
    last: u64,
}

/// Adapters by alias.
#[derive(Debug, Default)]
pub struct AdapterRegistry {
    limits: AdapterLimits,
    state: Mutex<State>,
}

impl AdapterRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new(limits: AdapterLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is consistent between statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a bound adapter under `alias`.
    ///
    /// # Errors
    /// [`Error::Adapter`] when the policy or a limit forbids it; the registry is unchanged then.
    pub fn install(
        &self,
        alias: &str,
        package: AdapterPackage,
        bound: BoundAdapter,
        policy: InstallPolicy,
    ) -> Result<Arc<Adapter>> {
        check_alias(alias)?;
        let mut state = self.state();
        let current = state.by_alias.get(alias);
        match (policy, current.map(|adapter| adapter.generation)) {
            (InstallPolicy::Create, Some(generation)) => {
                return Err(Error::adapter(alias, format!("is installed already, as generation {}", generation.0)));
            }
            (InstallPolicy::CompareAndSwap(expected), found) if found != Some(expected) => {
                let found = found.map_or("nothing".into(), |g| format!("generation {}", g.0));
                return Err(Error::adapter(alias, format!("expected generation {}, found {found}", expected.0)));
            }
            _ => {}
        }
        let adapter = Adapter { alias: alias.into(), generation: Generation(state.last + 1), package, bound };
        let others = state.by_alias.values().filter(|other| other.alias != alias);
        let (count, bytes) = others.fold((1, adapter.bytes()), |(n, b), other| (n + 1, b + other.bytes()));
        for (what, found, limit) in [
            ("rank", adapter.bound.rank, self.limits.rank),
            ("bytes of all adapters", bytes, self.limits.bytes),
            ("installed adapters", count, self.limits.count),
        ] {
            if found > limit {
                return Err(Error::adapter(alias, format!("{what} would be {found}, the limit is {limit}")));
            }
        }
        state.last += 1;
        let adapter = Arc::new(adapter);
        state.by_alias.insert(alias.into(), Arc::clone(&adapter));
        Ok(adapter)
    }

    /// The current generation of `alias`; it stays usable for as long as the result is held.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`]; never a fallback to the bare base.
    pub fn get(&self, alias: &str) -> Result<Arc<Adapter>> {
        self.state().by_alias.get(alias).cloned().ok_or_else(|| Error::UnknownAdapter(alias.into()))
    }

    /// Removes `alias`; requests that hold the generation finish with it.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`].
    pub fn remove(&self, alias: &str) -> Result<Arc<Adapter>> {
        self.state().by_alias.remove(alias).ok_or_else(|| Error::UnknownAdapter(alias.into()))
    }

    /// All installed adapters, by alias.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Adapter>> {
        self.state().by_alias.values().cloned().collect()
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
