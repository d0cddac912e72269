//! Reading a text with the backbone: the state that an adapter's head reads, and what the model expects next.

use crate::adapter::{Adapter, AdapterHead, HeadReads};
use crate::engine::{LanguageModel, PREFILL_CHUNK};
use crate::error::{Error, Result};
use crate::input::{Affixes, Special};
use crate::model::KvCache;
use crate::model::backbone::{Want, token_rows};
use crate::model::ops::mean_rows;
use crate::quant::Deltas;

/// The text within the adapter's template.
pub(super) fn prompt(text: &str, adapter: &Adapter) -> String {
    let template = adapter.package.task().template.as_deref();
    template.map_or_else(|| text.to_owned(), |template| template.replace("{}", text))
}

/// What `head` on the backbone reads of `text`.
///
/// # Errors
/// As [`LanguageModel::head_input`].
pub(super) fn read(model: &LanguageModel, text: &str, adapter: &Adapter, head: &AdapterHead) -> Result<Vec<f32>> {
    let tokens = model.tokenizer()?.encode(&prompt(text, adapter), Special::Plain, Affixes::Add)?;
    model.head_input(&tokens, adapter, head)
}

impl LanguageModel {
    /// What `head` reads of `tokens`, `[hidden_size]`: the state of the last one, or the mean over all of them, after the block
    /// that the head names and under the backbone's last norm. Later blocks are not run.
    ///
    /// # Errors
    /// [`Error::Argument`] for no or unknown ids; [`Error::ContextFull`] for too many; [`Error::Adapter`] for an adapter of
    /// another component.
    pub fn head_input(&self, tokens: &[u32], adapter: &Adapter, head: &AdapterHead) -> Result<Vec<f32>> {
        let backbone = self.backbone();
        let mut cache = match head.spec().layers() {
            Some(blocks) => backbone.new_cache_of(blocks)?,
            None => backbone.new_cache(),
        };
        let last = tokens.len().saturating_sub(1);
        let mean = head.spec().reads() == HeadReads::MeanState;
        let want = |position| if mean || position == last { Want::Hidden } else { Want::Nothing };
        let states = feed(self, tokens, self.deltas(Some(adapter))?, want, &mut cache)?;
        Ok(mean_rows(&states, backbone.config().hidden_size))
    }
}

/// Feeds `tokens` after what is in `cache`; returns what is wanted of each position, in order.
///
/// # Errors
/// [`Error::Argument`] for no or unknown ids; [`Error::ContextFull`] for too many.
pub(super) fn feed(
    model: &LanguageModel,
    tokens: &[u32],
    deltas: Option<&Deltas>,
    want: impl Fn(usize) -> Want,
    cache: &mut KvCache,
) -> Result<Vec<f32>> {
    if tokens.is_empty() {
        return Err(Error::argument("text", "it has no token"));
    }
    let mut out = Vec::new();
    for ids in tokens.chunks(PREFILL_CHUNK) {
        let rows = token_rows(ids, cache.len(), deltas, &want);
        out.extend(model.backbone().forward(&rows, &mut [&mut *cache])?);
    }
    Ok(out)
}

/// Natural logarithm of the probability that `logits` give to `id`.
pub(super) fn log_probability(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&v| f64::from(v - max).exp()).sum();
    f64::from(logits[id as usize] - max) - sum.ln()
}
