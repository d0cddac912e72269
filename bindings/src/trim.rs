//! Giving memory back on request.

use loam::engine;

/// How much memory is given back; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TrimLevel {
    /// Keys and values of prompts that may come again: the next one that does is computed again.
    Prefixes,
    /// Conversations at rest, and the matrices of adapters that nobody uses: they are read again, or computed again.
    Idle,
    /// Components that nothing runs on: they are loaded again.
    Components,
}

impl TrimLevel {
    pub(crate) fn core(self) -> engine::TrimLevel {
        match self {
            Self::Prefixes => engine::TrimLevel::Prefixes,
            Self::Idle => engine::TrimLevel::Idle,
            Self::Components => engine::TrimLevel::Components,
        }
    }
}

/// What was given back.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Trimmed {
    /// Bytes of prefixes.
    pub prefixes: u64,
    /// Bytes of conversations at rest.
    pub contexts: u64,
    /// Bytes of adapters.
    pub adapters: u64,
    /// Names of components.
    pub components: Vec<String>,
}

impl From<engine::Trimmed> for Trimmed {
    fn from(trimmed: engine::Trimmed) -> Self {
        let engine::Trimmed { prefixes, contexts, adapters, components } = trimmed;
        Self { prefixes, contexts, adapters, components }
    }
}
