//! Teacher-forced logits and perplexity: how well a model predicts a given text.

use serde::Serialize;

use crate::adapter::Adapter;
use crate::engine::LanguageModel;
use crate::error::{Error, Result};
use crate::model::backbone::{Want, token_rows};
use crate::task::read::log_probability;

/// Tokens per forward pass; bounds the memory of logits to this many rows.
pub const SCORE_CHUNK: usize = 64;

/// The result of scoring a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Perplexity {
    /// `exp` of the mean negative log-likelihood of every token but the first.
    pub perplexity: f64,
    /// Tokens that were predicted.
    pub tokens: usize,
}

impl LanguageModel {
    /// Calls `visit(position, logits)` for every token of `tokens`, in order; `logits` predict the token after it.
    ///
    /// # Errors
    /// [`Error::ContextFull`] for texts longer than the window, [`Error::Argument`] for no or unknown ids,
    /// [`Error::Adapter`] for an adapter of another component, [`Error::Malformed`] for weights that make logits which are
    /// not finite, or `visit`'s own.
    pub fn score(
        &self,
        tokens: &[u32],
        adapter: Option<&Adapter>,
        mut visit: impl FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let limit = self.backbone().config().max_position_embeddings;
        if tokens.is_empty() {
            return Err(Error::argument("tokens", "there is none"));
        }
        if tokens.len() > limit {
            return Err(Error::ContextFull { tokens: tokens.len(), limit });
        }
        let deltas = self.deltas(adapter)?;
        let mut cache = self.backbone().new_cache();
        for ids in tokens.chunks(SCORE_CHUNK) {
            let start = cache.len();
            let rows = token_rows(ids, start, deltas, |_| Want::Logits);
            let logits = self.backbone().forward(&rows, &mut [&mut cache])?;
            for (i, row) in logits.chunks_exact(self.backbone().config().vocab_size).enumerate() {
                self.part().check_finite("logits", row)?;
                visit(start + i, row)?;
            }
        }
        Ok(())
    }

    /// Perplexity of `tokens`.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two tokens; as [`LanguageModel::score`] otherwise.
    pub fn perplexity(&self, tokens: &[u32], adapter: Option<&Adapter>) -> Result<Perplexity> {
        if tokens.len() < 2 {
            return Err(Error::argument("tokens", format!("{} given, expected at least 2", tokens.len())));
        }
        let mut total = 0.0;
        self.score(tokens, adapter, |position, logits| {
            if let Some(&next) = tokens.get(position + 1) {
                total -= log_probability(logits, next);
            }
            Ok(())
        })?;
        let count = tokens.len() - 1;
        Ok(Perplexity { perplexity: (total / count as f64).exp(), tokens: count })
    }
}
