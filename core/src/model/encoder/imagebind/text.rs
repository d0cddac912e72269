//! ImageBind's text tower: CLIP's, with its tensors under other names.

use serde_json::Value;

use super::super::clip_text::{ClipText, Pooled};
use super::super::fields::{MAX_TABLE, MAX_WIDTH};
use super::config::{Huge, TRUNK_EPS, TowerConfig};
use super::tower::is_of_another;
use super::trunk::{Keys, blocks};
use crate::error::Result;
use crate::model::layer::{Bias, Loader, Prefix};
use crate::weights::Checkpoint;

const HUGE: Huge = Huge { width: 1024, layers: 24, heads: 16 };

/// Loads the tower. Embeddings are of unit length; the scale that ImageBind multiplies them by is part of the other towers'
/// [`super::super::Encoder::logit_scale`].
///
/// # Errors
/// As [`super::tower::Tower::load`].
pub(in super::super) fn load(checkpoint: &Checkpoint, json: &Value) -> Result<ClipText> {
    let config = TowerConfig::parse(json, "text", HUGE)?;
    let width = config.block.width;
    let vocabulary = config.size("vocab_size", 49_408, MAX_TABLE)?;
    let max_tokens = config.size("max_position_embeddings", 77, MAX_WIDTH)?;
    let mut loader = Loader::new(checkpoint, Prefix::default());
    let path = |part: &str| format!("modality_preprocessors.text.{part}");
    let (words, words_id) = loader.embedding(&path("token_embedding"), vocabulary, width)?;
    let positions = loader.values(&path("pos_embed"), &[1, max_tokens, width])?;
    let blocks = blocks(&mut loader, "text", &config, Keys::Tokens)?;
    let norm = loader.layer_norm("modality_heads.text.proj.0", width, TRUNK_EPS)?;
    let projection = loader.linear("modality_heads.text.proj.1", config.projection, width, Bias::Absent)?;
    // The causal mask as a table, and the scale.
    let known = [path("mask"), "modality_postprocessors.text.1.log_logit_scale".into()];
    let table = loader
        .finish("ImageBind text tower", |tensor| is_of_another(tensor, "text") || known.iter().any(|k| k == tensor))?;
    Ok(ClipText {
        block: config.block,
        table,
        words,
        words_id,
        positions,
        blocks,
        norm,
        projection: Some(projection),
        pooled: Pooled::Largest,
        max_tokens,
    })
}
