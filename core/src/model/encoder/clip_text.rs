//! Text towers of models that pair texts with pictures: CLIP's, causal, whose state at the end of the text enters the
//! shared space, and SigLIP's, where all tokens see each other and the last of a padded text is read.

mod lower;

use serde_json::Value;

use super::fields::{Fields, MAX_LAYERS, MAX_TABLE, MAX_WIDTH};
use super::text::{TextEncoder, normalise};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::layer::{
    Activation, Bias, BlockNames, BlockShape, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock,
};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, LinearId, Matrix, RowAdapters, kernels};
use crate::weights::Checkpoint;

const FORMAT: &str = "config.json";
/// CLIP's projection into the shared space, beside the tower.
const PROJECTION: &str = "text_projection";
/// In old configurations `eos_token_id` is 2, which is no end of text; there it is the largest id instead.
const LEGACY_END: u64 = 2;
/// `eos_token_id` of a configuration without one.
const DEFAULT_END: u64 = 49_407;

/// Whose state stands for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooled {
    /// The first token of this id.
    First(u64),
    /// The first token of the largest id in the text.
    Largest,
    /// The last token, which may be padding.
    Last,
}

/// What a configuration says, with the defaults of its family.
struct Shape {
    block: BlockShape,
    vocab: usize,
    max_tokens: usize,
    layers: usize,
    output: usize,
    pooled: Pooled,
}

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
    pub(super) pooled: Pooled,
    pub(super) max_tokens: usize,
}

impl Shape {
    fn parse(json: &Value) -> Result<Self> {
        let outer = Fields::new(json, FORMAT);
        let siglip = match outer.text_or("model_type", "missing")? {
            "clip" | "clip_text_model" => false,
            "siglip" | "siglip_text_model" => true,
            other => return Err(Error::unsupported(format!("model_type '{other}'"), "clip and siglip are read")),
        };
        let fields = if outer.get("text_config").is_some() { outer.object("text_config")? } else { outer };
        // Defaults of transformers' configurations: these fields may be absent.
        let (width, inner, heads, eps, activation) =
            if siglip { (768, 3072, 12, 1e-6, "gelu_pytorch_tanh") } else { (512, 2048, 8, 1e-5, "quick_gelu") };
        let (vocab, tokens) = if siglip { (32_000, 64) } else { (49_408, 77) };
        let width = fields.size_or("hidden_size", width, MAX_WIDTH)?;
        let block = BlockShape {
            width,
            inner: fields.size_or("intermediate_size", inner, MAX_WIDTH)?,
            heads: fields.size_or("num_attention_heads", heads, MAX_WIDTH)?,
            eps: fields.number_or("layer_norm_eps", eps)?,
            activation: Activation::parse("hidden_act", fields.text_or("hidden_act", activation)?)?,
        };
        Ok(Self {
            block,
            vocab: fields.size_or("vocab_size", vocab, MAX_TABLE)?,
            max_tokens: fields.size_or("max_position_embeddings", tokens, MAX_TABLE)?,
            layers: fields.size_or("num_hidden_layers", 12, MAX_LAYERS)?,
            output: if siglip {
                fields.size_or("projection_size", width, MAX_WIDTH)?
            } else if outer.get("projection_dim").is_some() {
                outer.size("projection_dim", MAX_WIDTH)?
            } else {
                fields.size_or("projection_dim", 512, MAX_WIDTH)?
            },
            pooled: if siglip { Pooled::Last } else { end_of_text(&fields)? },
        })
    }
}

fn end_of_text(fields: &Fields<'_>) -> Result<Pooled> {
    let end = match fields.get("eos_token_id") {
        None => DEFAULT_END,
        Some(id) => id.as_u64().ok_or_else(|| fields.wrong("eos_token_id", "a token id"))?,
    };
    Ok(if end == LEGACY_END { Pooled::Largest } else { Pooled::First(end) })
}

impl ClipText {
    /// Loads the text tower of a CLIP or SigLIP model, or one alone.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`], [`Error::Shape`], or
    /// [`Error::Unsupported`] for a tensor that would go unused.
    pub fn load(checkpoint: &Checkpoint, json: &Value) -> Result<Self> {
        let Shape { block, vocab, max_tokens, layers, output, pooled } = Shape::parse(json)?;
        let width = block.width;
        let mut loader = Loader::new(checkpoint, Prefix::find(checkpoint, &["text_model.", ""]));
        let (words, words_id) = loader.embedding("embeddings.token_embedding", vocab, width)?;
        let positions = loader.values("embeddings.position_embedding.weight", &[max_tokens, width])?;
        let blocks = (0..layers)
            .map(|i| TransformerBlock::load(&mut loader, &format!("encoder.layers.{i}"), &BlockNames::CLIP, &block))
            .collect::<Result<_>>()?;
        let norm = loader.layer_norm("final_layer_norm", width, block.eps)?;
        let head =
            if pooled == Pooled::Last { Some(loader.linear("head", output, width, Bias::Required)?) } else { None };
        let mut loader = loader.whole();
        let projection = if head.is_none() && loader.has(&format!("{PROJECTION}.weight")) {
            Some(loader.linear(PROJECTION, output, width, Bias::Absent)?)
        } else {
            head
        };
        // The image tower of the same model, and positions as a list of integers.
        let mut table = loader.finish("text tower", |name| {
            name.starts_with("vision_model.")
                || name.starts_with("visual_projection.")
                || ["logit_scale", "logit_bias"].contains(&name)
                || name.ends_with("position_ids")
        })?;
        // Adapters that were trained on a model around the tower name its layers so, and PEFT also the projection.
        table.respell(|module| Some(format!("text_model.{module}")));
        Ok(Self { block, table, words, words_id, positions, blocks, norm, projection, pooled, max_tokens })
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
            if let (None, Pooled::First(end)) = (self.pooled_of(tokens), self.pooled) {
                return Err(Error::argument("texts", format!("text {i} has no end-of-text token {end}")));
            }
        }
        Ok(())
    }

    fn pass(&self, texts: &[Vec<u32>], adapter: Option<&Deltas>) -> Vec<Vec<f32>> {
        let width = self.block.width;
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let adapters = RowAdapters::same(lengths.iter().sum(), adapter);
        let mut x = self.embed_words(texts, adapter);
        let mask = if self.pooled == Pooled::Last { Mask::None } else { Mask::Causal };
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        self.norm.apply(&mut x);
        let mut first = 0;
        texts
            .iter()
            .map(|tokens| {
                let pooled = self.pooled_of(tokens).expect("invariant: texts were checked to have such a token");
                let at = (first + pooled) * width;
                first += tokens.len();
                let state = &x[at..at + width];
                let mut out = match &self.projection {
                    None => state.to_vec(),
                    Some(projection) => {
                        let mut out = vec![0.0; projection.outputs()];
                        projection.forward(state, &RowAdapters::same(1, adapter), &mut out);
                        out
                    }
                };
                normalise(&mut out);
                out
            })
            .collect()
    }

    fn embed_words(&self, texts: &[Vec<u32>], adapter: Option<&Deltas>) -> Vec<f32> {
        let width = self.block.width;
        let ids: Vec<u32> = texts.iter().flatten().copied().collect();
        let mut x = vec![0.0; ids.len() * width];
        let words = adapter.and_then(|deltas| deltas.replaced.get(&self.words_id)).unwrap_or(&self.words);
        for (x, &id) in x.chunks_exact_mut(width).zip(&ids) {
            words.row(id as usize, x);
        }
        if let Some(delta) = adapter.and_then(|deltas| deltas.embedding.get(&self.words_id)) {
            let (mut down, mut up) = (Room::new(delta.a.cols()), Room::new(width));
            for (x, &id) in x.chunks_exact_mut(width).zip(&ids) {
                delta.a.row(id as usize, &mut down);
                delta.b.multiply(&down, &mut up);
                (kernels().axpy)(delta.scale, &up, x);
            }
        }
        let places = texts.iter().flat_map(|tokens| self.positions.chunks_exact(width).take(tokens.len()));
        for (x, position) in x.chunks_exact_mut(width).zip(places) {
            x.iter_mut().zip(position).for_each(|(x, p)| *x += p);
        }
        x
    }

    /// Position of the token whose state stands for the text.
    fn pooled_of(&self, tokens: &[u32]) -> Option<usize> {
        let first = |wanted: u64| tokens.iter().position(|&id| u64::from(id) == wanted);
        match self.pooled {
            Pooled::First(id) => first(id),
            Pooled::Largest => tokens.iter().max().and_then(|&id| first(id.into())),
            Pooled::Last => tokens.len().checked_sub(1),
        }
    }
}

impl TextEncoder for ClipText {
    fn dim(&self) -> usize {
        self.projection.as_ref().map_or(self.block.width, Linear::outputs)
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn padded_length(&self) -> Option<usize> {
        (self.pooled == Pooled::Last).then_some(self.max_tokens)
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn embed(&self, texts: &[Vec<u32>], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>> {
        self.check(texts)?;
        Ok(pool::pass(|| self.pass(texts, deltas)))
    }

    fn lower(&self, tokens: usize, rank: usize) -> Result<Graph> {
        self.lower_text(tokens, rank)
    }

    fn graph_inputs(&self, text: &[u32], deltas: Option<&Deltas>, tokens: usize) -> Result<Vec<Vec<f32>>> {
        self.text_inputs(text, deltas, tokens)
    }
}
