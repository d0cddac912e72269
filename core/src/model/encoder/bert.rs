//! BERT-type encoders: bidirectional transformers with learned positions, from Hugging Face checkpoints.

use std::collections::HashSet;

use rayon::prelude::*;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::ops::{gelu, gelu_tanh, layer_norm_inplace, softmax};
use crate::model::table::{LinearRole, LinearTable, RowOrder};
use crate::quant::{Deltas, Linear, LinearId, Matrix, PANEL, RowDeltas, groups, kernels};
use crate::weights::{Checkpoint, TensorView};

const FORMAT: &str = "config.json";
const MAX_WIDTH: usize = 1 << 16;
const MAX_LAYERS: usize = 1 << 10;
const MAX_TABLE: usize = 4 << 20;

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
    /// GELU with the error function, or its tanh approximation.
    pub exact_gelu: bool,
}

impl BertConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        let unsupported = |field: &str, accepted: &str| {
            let value = json.get(field).map_or("missing".into(), ToString::to_string);
            Error::unsupported(format!("{field} {value}"), accepted)
        };
        if json.get("model_type").and_then(Value::as_str) != Some("bert") {
            return Err(unsupported("model_type", "bert is read"));
        }
        if !matches!(json.get("position_embedding_type").and_then(Value::as_str), None | Some("absolute")) {
            return Err(unsupported("position_embedding_type", "absolute positions are run"));
        }
        let exact_gelu = match json.get("hidden_act").and_then(Value::as_str) {
            None | Some("gelu") => true,
            Some("gelu_new" | "gelu_pytorch_tanh") => false,
            Some(_) => return Err(unsupported("hidden_act", "gelu and gelu_new are run")),
        };
        let field = |name: &str, limit: usize| {
            let value = json.get(name).and_then(Value::as_u64).and_then(|v| usize::try_from(v).ok());
            value.filter(|v| (1..=limit).contains(v)).ok_or_else(|| {
                let found = json.get(name).map_or("missing".into(), ToString::to_string);
                Error::malformed("configuration", FORMAT, format!("{name} is {found}, expected 1 to {limit}"))
            })
        };
        let config = Self {
            vocab_size: field("vocab_size", MAX_TABLE)?,
            hidden_size: field("hidden_size", MAX_WIDTH)?,
            intermediate_size: field("intermediate_size", MAX_WIDTH)?,
            num_hidden_layers: field("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads: field("num_attention_heads", MAX_WIDTH)?,
            max_position_embeddings: field("max_position_embeddings", MAX_TABLE)?,
            type_vocab_size: field("type_vocab_size", MAX_TABLE)?,
            layer_norm_eps: json.get("layer_norm_eps").and_then(Value::as_f64).unwrap_or(1e-12),
            exact_gelu,
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let reason = format!("{} does not divide into {} heads", config.hidden_size, config.num_attention_heads);
            return Err(Error::malformed("configuration", FORMAT, reason));
        }
        Ok(config)
    }
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

/// A loaded encoder. Immutable.
pub struct Bert {
    config: BertConfig,
    table: LinearTable,
    words: Matrix,
    words_id: LinearId,
    positions: Matrix,
    segments: Matrix,
    norm: Norm,
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
        let names = checkpoint.names();
        let prefix = if names.iter().any(|n| n.starts_with("bert.embeddings.")) { "bert." } else { "" };
        let mut loader = Loader { checkpoint, prefix, table: LinearTable::default(), used: HashSet::new() };
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let words = loader.matrix("embeddings.word_embeddings", config.vocab_size, width)?;
        let words_id = loader.table.add(
            "embeddings.word_embeddings".into(),
            LinearRole::Embedding,
            (config.vocab_size, width),
            RowOrder::Same,
        );
        let positions = loader.matrix("embeddings.position_embeddings", config.max_position_embeddings, width)?;
        let segments = loader.matrix("embeddings.token_type_embeddings", config.type_vocab_size, width)?;
        let norm = loader.norm("embeddings.LayerNorm", width)?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| {
                let path = |part: &str| format!("encoder.layer.{i}.{part}");
                Ok(Layer {
                    query: loader.linear(path("attention.self.query"), width, width)?,
                    key: loader.linear(path("attention.self.key"), width, width)?,
                    value: loader.linear(path("attention.self.value"), width, width)?,
                    output: loader.linear(path("attention.output.dense"), width, width)?,
                    attention_norm: loader.norm(&path("attention.output.LayerNorm"), width)?,
                    up: loader.linear(path("intermediate.dense"), inner, width)?,
                    down: loader.linear(path("output.dense"), width, inner)?,
                    norm: loader.norm(&path("output.LayerNorm"), width)?,
                })
            })
            .collect::<Result<_>>()?;
        loader.refuse_unused(&names)?;
        Ok(Self { config, table: loader.table, words, words_id, positions, segments, norm, layers })
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
        Ok(rayon::scope(|_| self.pass(sequences)))
    }

    fn pass(&self, sequences: &[Sequence<'_>]) -> Vec<f32> {
        let width = self.config.hidden_size;
        let deltas: Vec<Option<&Deltas>> = sequences.iter().flat_map(|s| s.tokens.iter().map(|_| s.deltas)).collect();
        let mut x = self.embed(sequences, &deltas);
        let rows = deltas.len();
        let (mut q, mut k, mut v) = (vec![0.0; rows * width], vec![0.0; rows * width], vec![0.0; rows * width]);
        let mut attended = vec![0.0; rows * width];
        let mut inner = vec![0.0; rows * self.config.intermediate_size];
        for layer in &self.layers {
            layer.query.forward(&x, &deltas, &mut q);
            layer.key.forward(&x, &deltas, &mut k);
            layer.value.forward(&x, &deltas, &mut v);
            self.attend(sequences, &q, &k, &v, &mut attended);
            layer.output.forward(&attended, &deltas, &mut q);
            self.add_norm(&mut x, &q, &layer.attention_norm);
            layer.up.forward(&x, &deltas, &mut inner);
            let activation: fn(f32) -> f32 = if self.config.exact_gelu { gelu } else { gelu_tanh };
            inner.par_chunks_mut(1024).for_each(|chunk| chunk.iter_mut().for_each(|v| *v = activation(*v)));
            layer.down.forward(&inner, &deltas, &mut q);
            self.add_norm(&mut x, &q, &layer.norm);
        }
        x
    }

    fn check(&self, sequences: &[Sequence<'_>]) -> Result<()> {
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

    fn embed(&self, sequences: &[Sequence<'_>], deltas: &RowDeltas<'_>) -> Vec<f32> {
        let width = self.config.hidden_size;
        let mut x = vec![0.0; deltas.len() * width];
        let (mut position, mut segment) = (vec![0.0; width], vec![0.0; width]);
        // Single texts are all of segment 0.
        self.segments.row(0, &mut segment);
        let ids: Vec<u32> = sequences.iter().flat_map(|s| s.tokens).copied().collect();
        let places = sequences.iter().flat_map(|s| 0..s.tokens.len());
        for (((x, &id), place), deltas) in x.chunks_exact_mut(width).zip(&ids).zip(places).zip(deltas) {
            let replaced = deltas.and_then(|d| d.replaced.get(&self.words_id));
            replaced.unwrap_or(&self.words).row(id as usize, x);
            self.positions.row(place, &mut position);
            for ((x, p), s) in x.iter_mut().zip(&position).zip(&segment) {
                *x += p + s;
            }
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
        self.norm_rows(&mut x, &self.norm);
        x
    }

    /// Every token attends to every token of its own sequence.
    fn attend(&self, sequences: &[Sequence<'_>], q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let (width, heads) = (self.config.hidden_size, self.config.num_attention_heads);
        let mut first = 0;
        for sequence in sequences {
            let count = sequence.tokens.len();
            let span = first * width..(first + count) * width;
            let head = Head { q: &q[span.clone()], k: &k[span.clone()], v: &v[span.clone()], count, width };
            let dim = width / heads;
            // Each head fills its own plane; the planes are then woven into rows.
            let mut planes = vec![0.0; count * width];
            planes.par_chunks_mut(count * dim).enumerate().for_each(|(h, plane)| head.attend(h, dim, plane));
            for (token, row) in out[span].chunks_exact_mut(width).enumerate() {
                for (h, part) in row.chunks_exact_mut(dim).enumerate() {
                    part.copy_from_slice(&planes[(h * count + token) * dim..(h * count + token + 1) * dim]);
                }
            }
            first += count;
        }
    }

    fn add_norm(&self, x: &mut [f32], delta: &[f32], norm: &Norm) {
        x.iter_mut().zip(delta).for_each(|(x, d)| *x += d);
        self.norm_rows(x, norm);
    }

    fn norm_rows(&self, x: &mut [f32], norm: &Norm) {
        let eps = self.config.layer_norm_eps as f32;
        x.par_chunks_mut(self.config.hidden_size)
            .with_min_len(16)
            .for_each(|row| layer_norm_inplace(row, &norm.weight, &norm.bias, eps));
    }
}

/// Queries, keys and values of one sequence, `[count, width]` each.
struct Head<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    count: usize,
    width: usize,
}

impl Head<'_> {
    fn attend(&self, head: usize, dim: usize, plane: &mut [f32]) {
        let kernels = kernels();
        let of = |token: usize| token * self.width + head * dim..token * self.width + (head + 1) * dim;
        let keys: Vec<f32> = (0..self.count).flat_map(|t| &self.k[of(t)]).copied().collect();
        let scale = (dim as f32).powf(-0.5);
        let mut scores = vec![0.0; self.count];
        for (token, out) in plane.chunks_exact_mut(dim).enumerate() {
            let q = &self.q[of(token)];
            for (i, scores) in scores.chunks_mut(PANEL).enumerate() {
                let start = i * PANEL * dim;
                (kernels.dots)(&keys[start..start + scores.len() * dim], q, dim, 1, scores);
            }
            scores.iter_mut().for_each(|s| *s *= scale);
            softmax(&mut scores);
            out.fill(0.0);
            for (t, &weight) in scores.iter().enumerate() {
                (kernels.axpy)(weight, &self.v[of(t)], out);
            }
        }
    }
}

struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    prefix: &'static str,
    table: LinearTable,
    used: HashSet<String>,
}

impl Loader<'_> {
    fn tensor(&mut self, module: &str, part: &str) -> Result<TensorView> {
        let name = format!("{}{module}.{part}", self.prefix);
        let tensor = self.checkpoint.require(&name)?;
        self.used.insert(name);
        Ok(tensor)
    }

    fn matrix(&mut self, module: &str, rows: usize, cols: usize) -> Result<Matrix> {
        Matrix::new(self.tensor(module, "weight")?, rows, cols)
    }

    fn norm(&mut self, module: &str, width: usize) -> Result<Norm> {
        let (weight, bias) = (self.tensor(module, "weight")?, self.tensor(module, "bias")?);
        weight.expect_shape(&[width])?;
        bias.expect_shape(&[width])?;
        Ok(Norm { weight: weight.to_f32(), bias: bias.to_f32() })
    }

    fn linear(&mut self, module: String, outputs: usize, inputs: usize) -> Result<Linear> {
        let weight = self.matrix(&module, outputs, inputs)?;
        let bias = self.tensor(&module, "bias")?;
        let id = self.table.add(module, LinearRole::Linear, (outputs, inputs), RowOrder::Same);
        Linear::new(id, weight, Some(bias))
    }

    /// Position ids are a constant, and pooler and task heads are not part of the encoder.
    fn refuse_unused(&self, names: &[String]) -> Result<()> {
        let ignored = |name: &str| {
            let own = name.strip_prefix(self.prefix).unwrap_or(name);
            own == "embeddings.position_ids" || own.starts_with("pooler.") || !name.starts_with(self.prefix)
        };
        match names.iter().find(|name| !self.used.contains(*name) && !ignored(name)) {
            None => Ok(()),
            Some(name) => Err(Error::unsupported(format!("tensor '{name}'"), "a BERT encoder has no such weight")),
        }
    }
}
