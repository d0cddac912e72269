//! What a generation cost, and what became of it.

use loam::engine;

use crate::results::Trace;

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string appeared.
    StopString,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The context window is full.
    ContextFull,
    /// The receiver stopped it.
    Stopped,
    /// Its time was over.
    Deadline,
}

/// An adapter as a result names it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AdapterUse {
    /// Its alias.
    pub alias: String,
    /// Its generation.
    pub generation: u64,
    /// Whether its matrices had been given back, and were read again.
    pub reloaded: bool,
}

/// Where the keys and values of a conversation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ContextSource {
    /// There were none, but for a prefix that was computed before.
    Fresh,
    /// They were in memory.
    Memory,
    /// They had gone to a file, and were read back.
    File,
    /// They had been dropped, or were of another adapter, and were computed again.
    Recomputed,
}

/// Whether a generation was as fast as its [`crate::Target`]; absent for what that did not ask.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Achieved {
    /// Its first token came in time.
    pub time_to_first_token: Option<bool>,
    /// Its tokens came as fast as asked.
    pub tokens_per_second: Option<bool>,
}

/// What a generation cost and what ran.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct GenerateStats {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Of these, tokens whose keys and values were still in the cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// From the arrival of the request to its start, in ms.
    pub queue_ms: f64,
    /// From the arrival of the request to the first token, in ms.
    pub time_to_first_token_ms: f64,
    /// Prompt tokens computed per second.
    pub prefill_tokens_per_second: f64,
    /// Tokens per second after the first one.
    pub decode_tokens_per_second: f64,
    /// The adapter that ran.
    pub adapter: Option<AdapterUse>,
    /// Bytes of the key-value cache.
    pub cache_bytes: u64,
    /// Where the keys and values came from that it began with.
    pub context: ContextSource,
    /// Whether it was as fast as its target; absent without one.
    pub achieved: Option<Achieved>,
    /// What ran.
    pub trace: Trace,
}

impl From<engine::FinishReason> for FinishReason {
    fn from(reason: engine::FinishReason) -> Self {
        match reason {
            engine::FinishReason::EndOfTurn => Self::EndOfTurn,
            engine::FinishReason::StopString => Self::StopString,
            engine::FinishReason::MaxTokens => Self::MaxTokens,
            engine::FinishReason::ContextFull => Self::ContextFull,
            engine::FinishReason::Stopped => Self::Stopped,
            engine::FinishReason::Deadline => Self::Deadline,
        }
    }
}

impl From<engine::ContextSource> for ContextSource {
    fn from(source: engine::ContextSource) -> Self {
        match source {
            engine::ContextSource::Fresh => Self::Fresh,
            engine::ContextSource::Memory => Self::Memory,
            engine::ContextSource::File => Self::File,
            engine::ContextSource::Recomputed => Self::Recomputed,
        }
    }
}

impl From<engine::GenerateStats> for GenerateStats {
    fn from(stats: engine::GenerateStats) -> Self {
        let adapter = |used: engine::AdapterUse| AdapterUse {
            alias: used.alias,
            generation: used.generation,
            reloaded: used.reloaded,
        };
        let achieved = |achieved: engine::Achieved| Achieved {
            time_to_first_token: achieved.time_to_first_token,
            tokens_per_second: achieved.tokens_per_second,
        };
        Self {
            finish_reason: stats.finish_reason.into(),
            prompt_tokens: stats.prompt_tokens as u64,
            cached_tokens: stats.cached_tokens as u64,
            generated_tokens: stats.generated_tokens as u64,
            queue_ms: stats.queue_ms,
            time_to_first_token_ms: stats.time_to_first_token_ms,
            prefill_tokens_per_second: stats.prefill_tokens_per_second,
            decode_tokens_per_second: stats.decode_tokens_per_second,
            adapter: stats.adapter.map(adapter),
            cache_bytes: stats.cache_bytes as u64,
            context: stats.context.into(),
            achieved: stats.achieved.map(achieved),
            trace: stats.trace.into(),
        }
    }
}
