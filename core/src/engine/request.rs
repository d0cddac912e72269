//! What a caller asks of the backbone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapter::Adapter;
use crate::engine::event::ContextSource;
use crate::engine::holdings::Context;
use crate::engine::prompt::Prompt;
use crate::engine::sampler::Sampling;
use crate::engine::schedule::Caller;
use crate::engine::speculate::Speculation;
use crate::engine::trace::Step;
use crate::error::{Error, Result};
use crate::input::Position;
use crate::model::KvCache;

/// What happens where a sequence does not fit into the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// A prompt that is too long is an error, and a generation that fills the window ends.
    #[default]
    Fail,
    /// The first `keep` positions and the last ones stay, those between are forgotten, so that half of what is not kept is
    /// free; keys and values are computed again from where the gap is.
    Slide {
        /// Positions at the beginning that always stay, such as instructions.
        keep: usize,
    },
}

impl Overflow {
    /// How many of `len` positions are forgotten, from `keep` on, in a window of `limit`; `None` where all stay.
    pub(crate) fn gap(self, len: usize, limit: usize) -> Option<(usize, usize)> {
        let Self::Slide { keep } = self else { return None };
        (len >= limit).then(|| (keep, len - keep - (limit - keep) / 2))
    }
}

/// How a generation runs and ends.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Tokens to generate at most.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the generation; they are not part of the result.
    pub stop: Vec<String>,
    /// Whether tokens are computed ahead on a guess; the result is the same.
    pub speculation: Speculation,
    /// What happens where it does not fit into the window.
    pub overflow: Overflow,
    /// On whose behalf it runs, and how urgently.
    pub caller: Caller,
}

impl Default for GenerateOptions {
    /// Greedy, up to 256 tokens, one at a time.
    fn default() -> Self {
        Self {
            max_tokens: 256,
            sampling: Sampling::default(),
            stop: Vec::new(),
            speculation: Speculation::Off,
            overflow: Overflow::Fail,
            caller: Caller::default(),
        }
    }
}

/// One generation: a prompt, an adapter, options.
#[derive(Debug)]
pub struct Request {
    /// The whole prompt, at least one position.
    pub prompt: Prompt,
    /// The adapter's generation; held until the request is over.
    pub adapter: Option<Arc<Adapter>>,
    /// How it runs and ends.
    pub options: GenerateOptions,
    /// Keys and values of a prefix of the prompt, computed with the same adapter; `None` starts afresh.
    pub cache: Option<KvCache>,
    /// What an earlier request left behind, in place of `cache`: it is used as far as it goes.
    pub context: Option<Arc<Context>>,
    /// Where keys and values came from, as the result's stats say.
    pub(crate) source: ContextSource,
    /// Whether the generated text continues a text or begins one, as a chat answer does: some tokenizers put a space
    /// before the first word, which only belongs into the former.
    pub position: Position,
    /// What ran to make the prompt, such as an encoder; the result's trace begins with it.
    pub steps: Vec<Step>,
}

impl Request {
    /// A request that starts afresh.
    #[must_use]
    pub fn new(prompt: impl Into<Prompt>, adapter: Option<Arc<Adapter>>, options: GenerateOptions) -> Self {
        let position = Position::Inside;
        Self {
            prompt: prompt.into(),
            adapter,
            options,
            cache: None,
            context: None,
            source: ContextSource::Fresh,
            position,
            steps: Vec::new(),
        }
    }

    /// Shortens a prompt that is longer than a window of `limit` positions, where its options say so.
    ///
    /// # Errors
    /// [`Error::Argument`] where what is to be kept leaves no room.
    pub(crate) fn slide(&mut self, limit: usize) -> Result<()> {
        if let Overflow::Slide { keep } = self.options.overflow
            && keep > limit.saturating_sub(4)
        {
            return Err(Error::argument("overflow", format!("{keep} positions are to stay in a window of {limit}")));
        }
        if let Some((at, count)) = self.options.overflow.gap(self.prompt.len(), limit) {
            self.prompt.cut_out(at, count);
            if let Some(cache) = &mut self.cache {
                cache.truncate(at);
            }
        }
        Ok(())
    }

    /// Refuses what cannot run in a window of `limit` positions with embeddings of `width` values.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::ContextFull`].
    pub(crate) fn check(&self, limit: usize, width: usize) -> Result<()> {
        if self.prompt.is_empty() {
            return Err(Error::argument("prompt", "it has no token"));
        }
        if let Some(found) = self.prompt.soft_widths().find(|found| *found != width) {
            return Err(Error::argument("prompt", format!("soft tokens of {found} values, embeddings have {width}")));
        }
        if self.options.max_tokens == 0 {
            return Err(Error::argument("max_tokens", "0, expected at least 1"));
        }
        self.options.speculation.check()?;
        if self.prompt.len() >= limit {
            return Err(Error::ContextFull { tokens: self.prompt.len() + 1, limit });
        }
        Ok(())
    }
}
