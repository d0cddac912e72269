//! Giving memory back on request.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::memory::give_back;

/// How much is given back; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrimLevel {
    /// Keys and values of prompts that may come again: the next one that does is computed again.
    Prefixes,
    /// Contexts at rest, and the matrices of adapters that nobody holds: they are read again, or computed again.
    Idle,
    /// Components that nothing runs on: they are loaded again.
    Components,
}

/// What was given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    /// Bytes of prefixes.
    pub prefixes: u64,
    /// Bytes of contexts at rest.
    pub contexts: u64,
    /// Bytes of adapters.
    pub adapters: u64,
    /// Names of components.
    pub components: Vec<String>,
}

impl Engine {
    /// Gives memory back, as Android and iOS ask apps to. Running requests keep what they have, and whatever is needed later
    /// comes back by itself: results say so ([`super::Step::reloaded`], [`super::AdapterUse::reloaded`],
    /// [`super::GenerateStats::context`]).
    pub fn trim(&self, level: TrimLevel) -> Trimmed {
        let mut trimmed = Trimmed { prefixes: self.holdings.forget_prefixes(), ..Trimmed::default() };
        if level >= TrimLevel::Idle {
            trimmed.contexts = self.holdings.swap_out();
            trimmed.adapters = self.holdings.sleep_adapters();
        }
        if level >= TrimLevel::Components {
            trimmed.components = self.components.unload_idle();
        }
        give_back();
        log::info!("trimmed: {trimmed:?}");
        trimmed
    }
}
