//! What every text encoder offers.

use std::path::Path;

use serde_json::Value;

use super::clip_text::ClipText;
use super::imagebind;
use super::sentence::SentenceEncoder;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::table::LinearTable;
use crate::quant::Deltas;
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// A frozen network from texts to unit-length vectors: the anchor of a shared space.
pub trait TextEncoder: std::fmt::Debug + Send + Sync {
    /// Width of an embedding.
    fn dim(&self) -> usize;

    /// Tokens that a text is cut to, special ones included.
    fn max_tokens(&self) -> usize;

    /// Tokens that every text is filled up to with the tokenizer's padding token, for a network that was trained so and
    /// reads the padding too.
    fn padded_length(&self) -> Option<usize> {
        None
    }

    /// The layers that adapters may act on.
    fn linears(&self) -> &LinearTable;

    /// Unit-length embeddings, `[texts, dim]`, of token sequences with their special tokens.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::ContextFull`] naming the text.
    fn embed(&self, texts: &[Vec<u32>], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>>;

    /// Width of a token's last hidden state; `None` where heads are given the embedding alone.
    fn state_width(&self) -> Option<usize> {
        None
    }

    /// Last hidden states of one text with its special tokens, `[tokens, state_width]`, before pooling.
    ///
    /// # Errors
    /// As [`TextEncoder::embed`]; [`Error::Unsupported`] where [`TextEncoder::state_width`] is `None`.
    fn states(&self, _text: &[u32], _deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        Err(Error::unsupported("states of tokens", "this text encoder gives an embedding alone"))
    }

    /// The network as a graph for one text of up to `tokens` tokens, from rows of the token table with their positions to the
    /// unit-length embedding `[1, dim]`, with the factors of adapters of rank `rank` as inputs.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for no tokens, or more than it has positions.
    fn lower(&self, tokens: usize, rank: usize) -> Result<Graph>;

    /// What the inputs of [`TextEncoder::lower`] other than factors are filled with for one text, in the order of
    /// [`Graph::inputs`]. What an adapter changes in the token table is part of it.
    ///
    /// # Errors
    /// As [`TextEncoder::embed`]; [`crate::Error::ContextFull`] for a text of more than `tokens` tokens.
    fn graph_inputs(&self, text: &[u32], deltas: Option<&Deltas>, tokens: usize) -> Result<Vec<Vec<f32>>>;
}

/// `model_type`s whose text tower [`open_text`] runs.
pub const TEXT_FAMILIES: [&str; 6] = ["bert", "clip", "clip_text_model", "imagebind", "siglip", "siglip_text_model"];

/// Opens the text encoder of a directory: a sentence-transformers model, or the text tower of CLIP, SigLIP or ImageBind.
///
/// # Errors
/// [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`] naming the model type, [`Error::MissingTensor`] or
/// [`Error::Shape`].
pub fn open_text(dir: &Path) -> Result<Box<dyn TextEncoder>> {
    let config = read_json(&dir.join("config.json"), MAX_CONFIG)?;
    match config.get("model_type").and_then(Value::as_str).unwrap_or("missing") {
        "bert" => Ok(Box::new(SentenceEncoder::open(dir)?)),
        "clip" | "clip_text_model" | "siglip" | "siglip_text_model" => {
            Ok(Box::new(ClipText::load(&Checkpoint::open(dir)?, &config)?))
        }
        "imagebind" => Ok(Box::new(imagebind::text::load(&Checkpoint::open(dir)?, &config)?)),
        other => {
            let what = format!("text encoder of model_type '{other}'");
            Err(Error::unsupported(what, format!("these are run: {}", TEXT_FAMILIES.join(", "))))
        }
    }
}

/// Succeeds when a graph may be made for so many tokens of a network that has `limit` positions.
///
/// # Errors
/// [`Error::Argument`] naming both.
pub(super) fn check_extent(tokens: usize, limit: usize) -> Result<()> {
    if (1..=limit).contains(&tokens) {
        return Ok(());
    }
    Err(Error::argument("tokens", format!("{tokens}, the network reads 1 to {limit}")))
}

/// Scales to unit length; the zero vector stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}
