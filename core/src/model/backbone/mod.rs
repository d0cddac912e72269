//! Decoder-only transformers: Llama, Mistral, Qwen2, Qwen3, Gemma 3, from Hugging Face directories and from GGUF.
//!
//! One [`Backbone::forward`] takes rows of different sequences, positions and adapters. The base weights are read once
//! for all of them, and a row's result does not depend on its company.

mod attention;
mod batch;
mod block;
mod chunk;
mod config;
mod gguf;
mod hugging_face;
mod load;
mod lower;
mod names;
mod rope;

use std::path::Path;
use std::sync::Arc;

pub use batch::{Entry, Row, Want, token_rows};
pub use chunk::{ChunkInputs, ChunkShape};
pub use config::{Activation, BackboneConfig, Family, Rope, RopePairs, RopeScaling};

use crate::arena::Room;
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::model::cache::{CacheShape, CacheType, KvCache};
use crate::model::ops::softcap;
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Linear, LinearId, Matrix, RowAdapters, kernels};
use crate::weights::Checkpoint;
use attention::Cut;
use block::{Block, Pass};
use rope::Frequencies;

/// Weights that are read to measure how fast threads read together, in bytes: more than caches hold, a few milliseconds.
const PROBED: usize = 16 << 20;

/// What caches hold, as errors name it.
pub(crate) const KEYS_AND_VALUES: &str = "keys and values";

/// A loaded backbone. Immutable, and shared by every sequence and adapter.
pub struct Backbone {
    config: BackboneConfig,
    table: LinearTable,
    embedding: Matrix,
    embedding_id: LinearId,
    blocks: Vec<Block>,
    norm: Vec<f32>,
    head: Linear,
    rope: [Frequencies; 2],
    /// The different windows of its layers.
    windows: Vec<Option<usize>>,
    /// How caches keep their values where they are not told.
    cache: CacheType,
}

impl std::fmt::Debug for Backbone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backbone({:?}, {} layers)", self.config.family, self.blocks.len())
    }
}

impl Backbone {
    /// Loads a Hugging Face directory or a GGUF file. Large weights stay in the mapped file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::MissingTensor`] or [`Error::Shape`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_checkpoint(path, &Checkpoint::open(path)?)
    }

    /// As [`Backbone::open`] on a checkpoint that is open already.
    ///
    /// # Errors
    /// As [`Backbone::open`].
    pub fn from_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<Self> {
        let config = load::config(path, checkpoint)?;
        load::backbone(checkpoint, config)
    }

    /// Its shape and options.
    #[must_use]
    pub fn config(&self) -> &BackboneConfig {
        &self.config
    }

    /// The layers that adapters may act on.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// Parameters of all layers, a table that is shared between embedding and LM head counted once.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let shared = if self.config.tie_word_embeddings { self.embedding.rows() * self.embedding.cols() } else { 0 };
        self.table.parameters() - shared
    }

    /// Measures how many threads a decode step is worth on this device, unless the process knows already, or the weights are
    /// so few that the caches hold them. Reads [`PROBED`] bytes of weights a few times per thread.
    pub(crate) fn measure_threads(&self) {
        let enough = |blocks: &[Block]| blocks.iter().map(Block::bytes).sum::<usize>() >= PROBED;
        let Some(count) = (1..=self.blocks.len()).find(|&count| enough(&self.blocks[..count])) else { return };
        let x = Room::zeros(self.config.hidden_size);
        pool::measure_few_rows(|| self.blocks[..count].iter().for_each(|block| block.read(&x)));
    }

    /// Keeps keys and values of caches as `kind` from now on. Until then they are halves, but for a backbone of single precision:
    /// rounding costs little beside weights that are no more precise.
    pub fn set_cache_type(&mut self, kind: CacheType) {
        self.cache = kind;
    }

    /// How caches keep their values.
    #[must_use]
    pub fn cache_type(&self) -> CacheType {
        self.cache
    }

    /// An empty cache for one sequence.
    #[must_use]
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.cache_shape(self.blocks.len()))
    }

    /// An empty cache for one sequence that runs through the first `blocks` blocks alone: [`Backbone::forward`] stops after
    /// them.
    ///
    /// # Errors
    /// [`Error::Argument`] for none, or for more blocks than there are.
    pub fn new_cache_of(&self, blocks: usize) -> Result<KvCache> {
        if !(1..=self.blocks.len()).contains(&blocks) {
            return Err(Error::argument("blocks", format!("{blocks}, expected 1 to {}", self.blocks.len())));
        }
        Ok(KvCache::new(self.cache_shape(blocks)))
    }

    /// An empty cache for one sequence that keeps its values as `kind`, whatever other caches do.
    #[must_use]
    pub fn new_cache_as(&self, kind: CacheType) -> KvCache {
        KvCache::new(CacheShape { kind, ..self.cache_shape(self.blocks.len()) })
    }

    /// An empty cache for one sequence, whose blocks are taken from `budget`.
    #[must_use]
    pub fn new_cache_within(&self, budget: Arc<Budget>) -> KvCache {
        KvCache::within(self.cache_shape(self.blocks.len()), budget)
    }

    fn cache_shape(&self, layers: usize) -> CacheShape {
        let config = &self.config;
        CacheShape { layers, kv_heads: config.num_key_value_heads, head_dim: config.head_dim, kind: self.cache }
    }

    /// Runs `rows` through the model, appends their keys and values to `caches`, and returns what the rows want, in row
    /// order: `vocab_size` logits or `hidden_size` states each. One call asks for one of the two.
    ///
    /// The caches say how many blocks run: all, or those of [`Backbone::new_cache_of`], after which there are states only.
    ///
    /// Rows of one sequence must come in order, each at the position where its cache ends. Nothing is changed when the
    /// call fails. Cost is linear in rows; activations need about `rows * (4 hidden + 2 intermediate) * 4` bytes.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the row, [`Error::ContextFull`], or [`Error::Memory`] where a cache's budget is used up.
    pub fn forward(&self, rows: &[Row<'_>], caches: &mut [&mut KvCache]) -> Result<Vec<f32>> {
        self.check(rows, caches)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut counts = vec![0; caches.len()];
        rows.iter().for_each(|row| counts[row.sequence] += 1);
        for (cache, count) in caches.iter_mut().zip(counts) {
            cache.reserve(count).map_err(|shortage| shortage.error(KEYS_AND_VALUES))?;
        }
        Ok(pool::pass(|| self.pass(rows, caches)))
    }

    fn pass(&self, rows: &[Row<'_>], caches: &mut [&mut KvCache]) -> Vec<f32> {
        for row in rows {
            caches[row.sequence].grow(1);
        }
        let adapters = RowAdapters::new(rows.iter().map(|row| row.deltas));
        let mut x = self.embed(rows, &adapters);
        let angles = [0, 1].map(|kind| {
            let rope = &self.rope[kind];
            let mut out = Vec::with_capacity(rows.len() * rope.width());
            rows.iter().for_each(|row| rope.angles(row.position, &mut out));
            out
        });
        let cuts: Vec<_> = self.windows.iter().map(|&w| (w, Cut::new(rows, w, self.config.group()))).collect();
        let pass = Pass { config: &self.config, rows, adapters: &adapters, angles, cuts: &cuts };
        let depth = caches.first().map_or(self.blocks.len(), |cache| cache.shape().layers);
        for (layer, block) in self.blocks[..depth].iter().enumerate() {
            match self.blocks[..depth].get(layer + 1) {
                Some(next) => block.forward(layer, &pass, caches, &mut x, &next.first()),
                None => block.forward(layer, &pass, caches, &mut x, &[&self.head]),
            }
        }
        self.wanted(rows, &x)
    }

    fn check(&self, rows: &[Row<'_>], caches: &[&mut KvCache]) -> Result<()> {
        let mut ends: Vec<usize> = caches.iter().map(|cache| cache.len()).collect();
        let depth = caches.first().map_or(self.blocks.len(), |cache| cache.shape().layers);
        let fits = |shape: CacheShape| shape == CacheShape { kind: shape.kind, ..self.cache_shape(depth) };
        if depth > self.blocks.len() || !caches.iter().all(|cache| fits(cache.shape())) {
            return Err(Error::argument("caches", "a cache was made for another backbone or another number of blocks"));
        }
        if depth < self.blocks.len() && rows.iter().any(|row| row.want == Want::Logits) {
            return Err(Error::argument("rows", format!("logits are asked for after {depth} blocks")));
        }
        if rows.iter().any(|row| row.want == Want::Logits) && rows.iter().any(|row| row.want == Want::Hidden) {
            return Err(Error::argument("rows", "logits and hidden states are asked for in one call"));
        }
        for (i, row) in rows.iter().enumerate() {
            let Some(end) = ends.get_mut(row.sequence) else {
                return Err(Error::argument(
                    "rows",
                    format!("row {i} names sequence {} of {}", row.sequence, caches.len()),
                ));
            };
            if row.position != *end {
                return Err(Error::argument(
                    "rows",
                    format!("row {i} is at position {}, its cache ends at {end}", row.position),
                ));
            }
            *end += 1;
            let limit = self.config.max_position_embeddings;
            if *end > limit {
                return Err(Error::ContextFull { tokens: *end, limit });
            }
            match row.entry {
                Entry::Token(id) if id as usize >= self.config.vocab_size => {
                    let reason = format!("row {i}: token {id}, the vocabulary has {}", self.config.vocab_size);
                    return Err(Error::argument("rows", reason));
                }
                Entry::Soft(values) if values.len() != self.config.hidden_size => {
                    let reason =
                        format!("row {i}: {} values, embeddings have {}", values.len(), self.config.hidden_size);
                    return Err(Error::argument("rows", reason));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the rows enter the first block with, `[rows, hidden_size]`.
    fn embed(&self, rows: &[Row<'_>], adapters: &RowAdapters<'_>) -> Room {
        let width = self.config.hidden_size;
        let mut states = Room::new(rows.len() * width);
        for (row, x) in rows.iter().zip(states.chunks_exact_mut(width)) {
            match row.entry {
                Entry::Soft(values) => x.copy_from_slice(values),
                Entry::Token(id) => {
                    let replaced = row.deltas.and_then(|d| d.replaced.get(&self.embedding_id));
                    replaced.unwrap_or(&self.embedding).row(id as usize, x);
                }
            }
        }
        for (deltas, members) in adapters.groups() {
            let Some(delta) = deltas.embedding.get(&self.embedding_id) else { continue };
            let (mut down, mut up) = (Room::new(delta.a.cols()), Room::new(width));
            for &member in members {
                if let Entry::Token(id) = rows[member].entry {
                    delta.a.row(id as usize, &mut down);
                    delta.b.multiply(&down, &mut up);
                    (kernels().axpy)(delta.scale, &up, &mut states[member * width..(member + 1) * width]);
                }
            }
        }
        if self.config.embedding_scale.to_bits() != 1.0f32.to_bits() {
            for (row, x) in rows.iter().zip(states.chunks_exact_mut(width)) {
                if matches!(row.entry, Entry::Token(_)) {
                    x.iter_mut().for_each(|v| *v *= self.config.embedding_scale);
                }
            }
        }
        states
    }

    /// What the rows want of their last states `x`.
    fn wanted(&self, rows: &[Row<'_>], x: &[f32]) -> Vec<f32> {
        let (width, eps) = (self.config.hidden_size, self.config.rms_norm_eps as f32);
        let wanting = || rows.iter().zip(x.chunks_exact(width)).filter(|(row, _)| row.want != Want::Nothing);
        let count = wanting().count();
        let hidden = wanting().any(|(row, _)| row.want == Want::Hidden);
        let mut normed = Room::new(count * width);
        for ((_, x), out) in wanting().zip(normed.chunks_exact_mut(width)) {
            (kernels().rows.rms_norm)(x, &self.norm, eps, out);
        }
        if hidden || count == 0 {
            return normed.to_vec();
        }
        self.scores(&normed, &RowAdapters::new(wanting().map(|(row, _)| row.deltas)))
    }

    fn scores(&self, states: &[f32], adapters: &RowAdapters<'_>) -> Vec<f32> {
        let mut logits = vec![0.0; adapters.rows() * self.config.vocab_size];
        self.head.forward(states, adapters, &mut logits);
        if let Some(cap) = self.config.final_logit_softcapping {
            logits.iter_mut().for_each(|logit| *logit = softcap(*logit, cap));
        }
        logits
    }

    /// Logits `[rows, vocab_size]` of normalised states `[rows, hidden_size]`, as a graph of all blocks gives them.
    ///
    /// # Panics
    /// When `states` are no whole rows.
    #[must_use]
    pub fn logits(&self, states: &[f32]) -> Vec<f32> {
        assert!(states.len().is_multiple_of(self.config.hidden_size), "whole rows");
        self.scores(states, &RowAdapters::same(states.len() / self.config.hidden_size, None))
    }
}
