//! CLIP's text tower: a causal transformer whose state at the end-of-text token enters the shared space.

use serde_json::Value;

use super::fields::{Fields, MAX_LAYERS, MAX_TABLE, MAX_WIDTH};
use super::text::{TextEncoder, normalise};
use crate::error::{Error, Result};
use crate::model::layer::{
    Activation, Bias, BlockNames, BlockShape, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock,
};
use crate::model::table::LinearTable;
use crate::quant::{Deltas, Linear, LinearId, Matrix, groups, kernels};
use crate::weights::Checkpoint;

const FORMAT: &str = "config.json";
/// In old configurations `eos_token_id` is 2, which is no end of text; there it is the largest id instead.
const LEGACY_END: u64 = 2;

/// A loaded text tower.
#[derive(Debug)]
pub struct ClipText {
    pub(super) block: BlockShape,
    pub(super) table: LinearTable,
    pub(super) words: Matrix,
    pub(super) words_id: LinearId,
    pub(super) positions: Vec<f32>,
    pub(super) blocks: Vec<TransformerBlock>,
    pub(super) norm: LayerNorm,
    pub(super) projection: Option<Linear>,
    pub(super) end: u64,
    pub(super) max_tokens: usize,
}

impl ClipText {
    /// An `end` that stands for the largest id of a text, the first one where there are several.
    pub(super) const LARGEST_ID: u64 = LEGACY_END;

    /// Loads the text tower of a CLIP model, or one alone.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`], [`Error::Shape`], or
    /// [`Error::Unsupported`] for a tensor that would go unused.
    pub fn load(checkpoint: &Checkpoint, json: &Value) -> Result<Self> {
        let outer = Fields::new(json, FORMAT);
        let fields = if outer.get("text_config").is_some() { outer.object("text_config")? } else { outer };
        // Defaults of transformers' configuration: these fields may be absent.
        let block = BlockShape {
            width: fields.size_or("hidden_size", 512, MAX_WIDTH)?,
            inner: fields.size_or("intermediate_size", 2048, MAX_WIDTH)?,
            heads: fields.size_or("num_attention_heads", 8, MAX_WIDTH)?,
            eps: fields.number_or("layer_norm_eps", 1e-5)?,
            activation: Activation::parse("hidden_act", fields.text_or("hidden_act", "quick_gelu")?)?,
        };
        let vocab = fields.size_or("vocab_size", 49_408, MAX_TABLE)?;
        let max_tokens = fields.size_or("max_position_embeddings", 77, MAX_TABLE)?;
        let layers = fields.size_or("num_hidden_layers", 12, MAX_LAYERS)?;
        let end = match fields.get("eos_token_id") {
            None => LEGACY_END,
            Some(id) => id.as_u64().ok_or_else(|| fields.wrong("eos_token_id", "a token id"))?,
        };
        let projection = match outer.get("projection_dim") {
            Some(_) => outer.size("projection_dim", MAX_WIDTH)?,
            None => fields.size_or("projection_dim", 512, MAX_WIDTH)?,
        };
        let mut loader = Loader::new(checkpoint, Prefix::default());
        let path = |part: &str| format!("text_model.{part}");
        let (words, words_id) = loader.embedding(&path("embeddings.token_embedding"), vocab, block.width)?;
        let positions = loader.values(&path("embeddings.position_embedding.weight"), &[max_tokens, block.width])?;
        let blocks = (0..layers)
            .map(|i| {
                TransformerBlock::load(&mut loader, &path(&format!("encoder.layers.{i}")), &BlockNames::CLIP, &block)
            })
            .collect::<Result<_>>()?;
        let norm = loader.layer_norm(&path("final_layer_norm"), block.width, block.eps)?;
        let projection = if loader.has("text_projection.weight") {
            Some(loader.linear("text_projection", projection, block.width, Bias::Absent)?)
        } else {
            None
        };
        // The image tower of the same model, and positions as a list of integers.
        let table = loader.finish("CLIP text tower", |name| {
            name.starts_with("vision_model.")
                || name.starts_with("visual_projection.")
                || name == "logit_scale"
                || name.ends_with("position_ids")
        })?;
        Ok(Self { block, table, words, words_id, positions, blocks, norm, projection, end, max_tokens })
    }

    fn check(&self, texts: &[Vec<u32>]) -> Result<()> {
        for (i, tokens) in texts.iter().enumerate() {
            if tokens.is_empty() {
                return Err(Error::argument("texts", format!("text {i} has no token")));
            }
            if tokens.len() > self.max_tokens {
                return Err(Error::ContextFull { tokens: tokens.len(), limit: self.max_tokens });
            }
            if let Some(id) = tokens.iter().find(|&&id| id as usize >= self.words.rows()) {
                let reason = format!("text {i}: token {id}, the vocabulary has {}", self.words.rows());
                return Err(Error::argument("texts", reason));
            }
        }
        Ok(())
    }

    fn pass(&self, texts: &[Vec<u32>], adapter: Option<&Deltas>) -> Vec<Vec<f32>> {
        let width = self.block.width;
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let deltas = Pass::rows(&lengths, &vec![adapter; texts.len()]);
        let mut x = self.embed_words(texts, &deltas);
        let pass = Pass { lengths: &lengths, deltas: &deltas, mask: Mask::Causal };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        self.norm.apply(&mut x);
        let mut first = 0;
        texts
            .iter()
            .map(|tokens| {
                let at = (first + self.end_of(tokens)) * width;
                first += tokens.len();
                let state = &x[at..at + width];
                let mut out = match &self.projection {
                    None => state.to_vec(),
                    Some(projection) => {
                        let mut out = vec![0.0; projection.outputs()];
                        projection.forward(state, &[adapter], &mut out);
                        out
                    }
                };
                normalise(&mut out);
                out
            })
            .collect()
    }

    fn embed_words(&self, texts: &[Vec<u32>], deltas: &[Option<&Deltas>]) -> Vec<f32> {
        let width = self.block.width;
        let mut x = vec![0.0; deltas.len() * width];
        let ids: Vec<u32> = texts.iter().flatten().copied().collect();
        for ((x, &id), deltas) in x.chunks_exact_mut(width).zip(&ids).zip(deltas) {
            let replaced = deltas.and_then(|d| d.replaced.get(&self.words_id));
            replaced.unwrap_or(&self.words).row(id as usize, x);
        }
        for (deltas, members) in groups(deltas) {
            let Some(delta) = deltas.embedding.get(&self.words_id) else { continue };
            let (mut down, mut up) = (vec![0.0; delta.a.cols()], vec![0.0; width]);
            for member in members {
                delta.a.row(ids[member] as usize, &mut down);
                delta.b.multiply(&down, 1, &mut up);
                (kernels().axpy)(delta.scale, &up, &mut x[member * width..(member + 1) * width]);
            }
        }
        let places = texts.iter().flat_map(|tokens| self.positions.chunks_exact(width).take(tokens.len()));
        for (x, position) in x.chunks_exact_mut(width).zip(places) {
            x.iter_mut().zip(position).for_each(|(x, p)| *x += p);
        }
        x
    }

    /// Where a text ends: at its first end-of-text token.
    fn end_of(&self, tokens: &[u32]) -> usize {
        let end = if self.end == LEGACY_END { tokens.iter().copied().max().map(u64::from) } else { Some(self.end) };
        tokens.iter().position(|&id| Some(u64::from(id)) == end).unwrap_or(0)
    }
}

impl TextEncoder for ClipText {
    fn dim(&self) -> usize {
        self.projection.as_ref().map_or(self.block.width, Linear::outputs)
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn embed(&self, texts: &[Vec<u32>], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>> {
        self.check(texts)?;
        Ok(rayon::scope(|_| self.pass(texts, deltas)))
    }
}
