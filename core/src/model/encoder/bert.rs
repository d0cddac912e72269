//! BERT-type encoders: bidirectional transformers with learned positions, from Hugging Face checkpoints.

mod lower;

use serde_json::Value;

use super::fields::{Fields, MAX_LAYERS, MAX_TABLE, MAX_WIDTH};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::model::layer::{Activation, Bias, Heads, LayerNorm, Loader, Mask, Prefix, attend};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, LinearId, Matrix, Product, RowAdapters, kernels, multiply};
use crate::weights::Checkpoint;

const FORMAT: &str = "config.json";

/// Shape of an encoder; field names follow `config.json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BertConfig {
    /// Tokens in the embedding table.
    pub vocab_size: usize,
    /// Width of the stream.
    pub hidden_size: usize,
    /// Width inside of the MLP.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Positions with an embedding.
    pub max_position_embeddings: usize,
    /// Segments with an embedding.
    pub type_vocab_size: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Between the MLP's linears.
    pub activation: Activation,
}

impl BertConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, FORMAT);
        if fields.text_or("model_type", "missing")? != "bert" {
            let found = fields.text_or("model_type", "missing")?;
            return Err(Error::unsupported(format!("model_type '{found}'"), "bert is read"));
        }
        fields.only("position_embedding_type", &"absolute".into())?;
        let config = Self {
            vocab_size: fields.size("vocab_size", MAX_TABLE)?,
            hidden_size: fields.size("hidden_size", MAX_WIDTH)?,
            intermediate_size: fields.size("intermediate_size", MAX_WIDTH)?,
            num_hidden_layers: fields.size("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads: fields.size("num_attention_heads", MAX_WIDTH)?,
            max_position_embeddings: fields.size("max_position_embeddings", MAX_TABLE)?,
            type_vocab_size: fields.size("type_vocab_size", MAX_TABLE)?,
            layer_norm_eps: fields.number_or("layer_norm_eps", 1e-12)?,
            activation: Activation::parse("hidden_act", fields.text_or("hidden_act", "gelu")?)?,
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let reason = format!("{} does not divide into {} heads", config.hidden_size, config.num_attention_heads);
            return Err(Error::malformed("configuration", FORMAT, reason));
        }
        Ok(config)
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

/// A loaded encoder. Immutable.
pub struct Bert {
    config: BertConfig,
    table: LinearTable,
    words: Matrix,
    words_id: LinearId,
    positions: Matrix,
    segments: Matrix,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl std::fmt::Debug for Bert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bert({} layers, width {})", self.layers.len(), self.config.hidden_size)
    }
}

/// A token sequence with the adapter that it runs under.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// Token ids, special ones included.
    pub tokens: &'a [u32],
    /// The adapter's changes, `None` for the bare base.
    pub deltas: Option<&'a Deltas>,
}

impl Bert {
    /// Loads the weights that `config` calls for.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub fn load(checkpoint: &Checkpoint, config: BertConfig) -> Result<Self> {
        let prefix = if Prefix::find(checkpoint, &["bert.embeddings.", ""]).as_str().is_empty() { "" } else { "bert." };
        let mut loader = Loader::new(checkpoint, prefix.into());
        let (width, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let (words, words_id) = loader.embedding("embeddings.word_embeddings", config.vocab_size, width)?;
        let table = |part: &str| format!("embeddings.{part}_embeddings.weight");
        let positions = loader.matrix(&table("position"), config.max_position_embeddings, width)?;
        let segments = loader.matrix(&table("token_type"), config.type_vocab_size, width)?;
        let norm = loader.layer_norm("embeddings.LayerNorm", width, eps)?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| {
                let path = |part: &str| format!("encoder.layer.{i}.{part}");
                let mut linear =
                    |part: &str, outputs, inputs| loader.linear(&path(part), outputs, inputs, Bias::Required);
                Ok(Layer {
                    query: linear("attention.self.query", width, width)?,
                    key: linear("attention.self.key", width, width)?,
                    value: linear("attention.self.value", width, width)?,
                    output: linear("attention.output.dense", width, width)?,
                    up: linear("intermediate.dense", inner, width)?,
                    down: linear("output.dense", width, inner)?,
                    attention_norm: loader.layer_norm(&path("attention.output.LayerNorm"), width, eps)?,
                    norm: loader.layer_norm(&path("output.LayerNorm"), width, eps)?,
                })
            })
            .collect::<Result<_>>()?;
        // Position ids are a constant, and pooler and task heads are not part of the encoder.
        let ignored = |name: &str| name == "embeddings.position_ids" || name.starts_with("pooler.");
        let table = loader.finish("BERT encoder", ignored)?;
        Ok(Self { config, table, words, words_id, positions, segments, norm, layers })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The layers that adapters may act on.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// Last hidden states of all tokens of all sequences, `[tokens, hidden_size]`, without padding: short and long
    /// sequences share a batch at no extra cost, and company never changes a sequence's result.
    ///
    /// # Errors
    /// [`Error::Argument`] for an empty sequence or a token outside of the vocabulary; [`Error::ContextFull`].
    pub fn forward(&self, sequences: &[Sequence<'_>]) -> Result<Vec<f32>> {
        self.check(sequences)?;
        // One hand-over to the thread pool per pass, not one per product.
        Ok(pool::pass(|| self.pass(sequences)))
    }

    fn pass(&self, sequences: &[Sequence<'_>]) -> Vec<f32> {
        let width = self.config.hidden_size;
        let of_rows = sequences.iter().flat_map(|s| s.tokens.iter().map(|_| s.deltas));
        let adapters = RowAdapters::new(of_rows);
        let (mut x, rows) = (self.embed(sequences, &adapters), adapters.rows());
        let [mut q, mut k, mut v, mut attended] = [(); 4].map(|()| Room::new(rows * width));
        let mut inner = Room::new(rows * self.config.intermediate_size);
        for layer in &self.layers {
            let products = &mut [
                Product::new(&layer.query, &mut q, rows),
                Product::new(&layer.key, &mut k, rows),
                Product::new(&layer.value, &mut v, rows),
            ];
            multiply(products, &x, &adapters, &[]);
            self.attend(sequences, &q, &k, &v, &mut attended);
            layer.output.forward(&attended, &adapters, &mut q);
            add_norm(&mut x, &q, &layer.attention_norm);
            layer.up.forward(&x, &adapters, &mut inner);
            self.config.activation.apply(&mut inner);
            layer.down.forward(&inner, &adapters, &mut q);
            add_norm(&mut x, &q, &layer.norm);
        }
        x
    }

    pub(super) fn check(&self, sequences: &[Sequence<'_>]) -> Result<()> {
        for (i, sequence) in sequences.iter().enumerate() {
            let (count, limit) = (sequence.tokens.len(), self.config.max_position_embeddings);
            if count == 0 {
                return Err(Error::argument("sequences", format!("sequence {i} is empty")));
            }
            if count > limit {
                return Err(Error::ContextFull { tokens: count, limit });
            }
            if let Some(id) = sequence.tokens.iter().find(|&&id| id as usize >= self.config.vocab_size) {
                let reason = format!("sequence {i}: token {id}, the vocabulary has {}", self.config.vocab_size);
                return Err(Error::argument("sequences", reason));
            }
        }
        Ok(())
    }

    fn embed(&self, sequences: &[Sequence<'_>], adapters: &RowAdapters<'_>) -> Vec<f32> {
        let mut x = self.sums(sequences, adapters);
        self.norm.apply(&mut x);
        x
    }

    /// Embeddings of words, positions and segments, before their norm.
    fn sums(&self, sequences: &[Sequence<'_>], adapters: &RowAdapters<'_>) -> Vec<f32> {
        let width = self.config.hidden_size;
        let mut x = vec![0.0; adapters.rows() * width];
        let (mut position, mut segment) = (Room::new(width), Room::new(width));
        // Single texts are all of segment 0.
        self.segments.row(0, &mut segment);
        let ids: Vec<u32> = sequences.iter().flat_map(|s| s.tokens).copied().collect();
        let places = sequences.iter().flat_map(|s| (0..s.tokens.len()).map(|place| (place, s.deltas)));
        for ((x, &id), (place, deltas)) in x.chunks_exact_mut(width).zip(&ids).zip(places) {
            let replaced = deltas.and_then(|d| d.replaced.get(&self.words_id));
            replaced.unwrap_or(&self.words).row(id as usize, x);
            self.positions.row(place, &mut position);
            for ((x, p), s) in x.iter_mut().zip(&*position).zip(&*segment) {
                *x += p + s;
            }
        }
        for (deltas, members) in adapters.groups() {
            let Some(delta) = deltas.embedding.get(&self.words_id) else { continue };
            let (mut down, mut up) = (Room::new(delta.a.cols()), Room::new(width));
            for &member in members {
                delta.a.row(ids[member] as usize, &mut down);
                delta.b.multiply(&down, &mut up);
                (kernels().axpy)(delta.scale, &up, &mut x[member * width..(member + 1) * width]);
            }
        }
        x
    }

    /// Every token attends to every token of its own sequence.
    fn attend(&self, sequences: &[Sequence<'_>], q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let (width, count) = (self.config.hidden_size, self.config.num_attention_heads);
        let heads = Heads { count, dim: width / count };
        let mut first = 0;
        for sequence in sequences {
            let span = first * width..(first + sequence.tokens.len()) * width;
            first += sequence.tokens.len();
            attend(heads, Mask::None, &q[span.clone()], &k[span.clone()], &v[span.clone()], &mut out[span]);
        }
    }
}

fn add_norm(x: &mut [f32], delta: &[f32], norm: &LayerNorm) {
    (kernels().rows.add)(x, delta);
    norm.apply(x);
}
