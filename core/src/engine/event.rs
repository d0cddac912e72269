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
    /// From the start of the request to the first token, in ms.
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
