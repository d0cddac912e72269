//! What a running request reports, and who receives it.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::trace::Trace;
use crate::error::Result;

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string appeared.
    StopString,
    /// `max_tokens` were generated.
    MaxTokens,
    /// The context window is full.
    ContextFull,
    /// The receiver stopped it.
    Stopped,
    /// It ran into its [`Caller::deadline`](crate::engine::Caller::deadline).
    Deadline,
}

/// What a generation cost and what ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenerateStats {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, tokens whose keys and values were still in the cache.
    pub cached_tokens: usize,
    /// Tokens generated.
    pub generated_tokens: usize,
    /// From the arrival of the request to its start, in ms.
    pub queue_ms: f64,
    /// From the arrival of the request to the first token, in ms.
    pub time_to_first_token_ms: f64,
    /// Prompt tokens computed per second.
    pub prefill_tokens_per_second: f64,
    /// Tokens per second after the first one.
    pub decode_tokens_per_second: f64,
    /// What became of guesses, where the request speculates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafts: Option<Drafts>,
    /// Alias and generation of the adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterUse>,
    /// Components that ran, each with its backend, time and bytes.
    pub trace: Trace,
    /// Anonymous memory of the key-value cache, in bytes.
    pub cache_bytes: usize,
    /// Where keys and values came from that it began with.
    pub context: ContextSource,
    /// Whether it had what it asked for, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achieved: Option<Achieved>,
}

/// Where the keys and values of a conversation came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextSource {
    /// There were none, but for a prefix that was computed before.
    #[default]
    Fresh,
    /// They were in memory.
    Memory,
    /// They had gone to a file, and were read back.
    File,
    /// They had been dropped, or were of another adapter, and were computed again.
    Recomputed,
}

/// How fast a request is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// From its arrival to its first token, in ms. Of the requests of an app that are equally urgent, the one starts first that
    /// has the least of it left.
    pub time_to_first_token_ms: Option<f64>,
    /// Tokens per second after the first one.
    pub tokens_per_second: Option<f64>,
}

/// Whether a request was as fast as its [`Target`]; `None` for what it did not ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Achieved {
    /// Its first token came in time.
    pub time_to_first_token: Option<bool>,
    /// Its tokens came as fast as asked.
    pub tokens_per_second: Option<bool>,
}

/// Tokens that were computed ahead on a guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drafts {
    /// Tokens guessed.
    pub drafted: usize,
    /// Of these, tokens that were right.
    pub accepted: usize,
}

/// An adapter as a result names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterUse {
    /// Its alias.
    pub alias: String,
    /// Its generation.
    pub generation: u64,
    /// Whether it had been put to sleep, and was read again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reloaded: bool,
}

/// Progress of one request.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Text that is final: it never splits a character and holds no part of a stop string.
    Text(&'a str),
    /// The request is over; nothing follows.
    Done(&'a GenerateStats),
}

/// Receives the events of a request.
///
/// `Break` stops the request before its next token; an error stops it and is handed back to the caller.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// The receiver's own failure.
    fn event(&mut self, event: Event<'_>) -> Result<ControlFlow<()>>;

    /// Whether the request is to stop although no event has come yet, so that a long prompt can be given up in its middle. Asked
    /// before the request starts and every few ms; by a [`Batch`](crate::engine::Batch) before each chunk of a prompt and before
    /// each token.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl<F: FnMut(Event<'_>) -> Result<ControlFlow<()>>> Sink for F {
    fn event(&mut self, event: Event<'_>) -> Result<ControlFlow<()>> {
        self(event)
    }
}

/// A sink that keeps the text.
impl Sink for String {
    fn event(&mut self, event: Event<'_>) -> Result<ControlFlow<()>> {
        if let Event::Text(text) = event {
            self.push_str(text);
        }
        Ok(ControlFlow::Continue(()))
    }
}
