//! One transformer block over a batch of rows.

use rayon::prelude::*;

use super::batch::Row;
use super::config::{Activation, BackboneConfig};
use super::rope::rotate;
use crate::model::cache::{BLOCK_TOKENS, KvCache};
use crate::model::ops::{gelu_tanh, rms_norm, rms_norm_inplace, silu, softcap, softmax};
use crate::quant::{Linear, RowDeltas, kernels};

/// Activations of a batch, kept between calls so that a step allocates nothing large.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(super) x: Vec<f32>,
    pub(super) normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    attended: Vec<f32>,
    projected: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

/// What every block of one forward pass shares.
pub(super) struct Pass<'a> {
    pub(super) config: &'a BackboneConfig,
    pub(super) rows: &'a [Row<'a>],
    pub(super) deltas: &'a RowDeltas<'a>,
    /// Cosines and sines per row, for full and for sliding layers.
    pub(super) angles: [Vec<f32>; 2],
}

pub(super) struct Attention {
    pub(super) norm: Vec<f32>,
    pub(super) q: Linear,
    pub(super) k: Linear,
    pub(super) v: Linear,
    pub(super) o: Linear,
    pub(super) q_norm: Option<Vec<f32>>,
    pub(super) k_norm: Option<Vec<f32>>,
    pub(super) norm_out: Option<Vec<f32>>,
    pub(super) window: Option<usize>,
}

pub(super) struct Mlp {
    pub(super) norm: Vec<f32>,
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) norm_out: Option<Vec<f32>>,
}

pub(super) struct Block {
    pub(super) attention: Attention,
    pub(super) mlp: Mlp,
}

/// Resizes without keeping old contents in mind: every value is written before it is read.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    &mut buffer[..len]
}

/// Normalises each row of `x` into `out`.
fn norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len();
    for (x, y) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        rms_norm(x, weight, eps, y);
    }
}

/// Adds `delta`, normalised first where the family does so, to the residual stream.
fn add_residual(x: &mut [f32], delta: &mut [f32], norm: Option<&Vec<f32>>, eps: f32) {
    if let Some(weight) = norm {
        delta.chunks_exact_mut(weight.len()).for_each(|row| rms_norm_inplace(row, weight, eps));
    }
    x.iter_mut().zip(delta).for_each(|(x, d)| *x += *d);
}

impl Block {
    /// Runs the block on `work.x`, writing keys and values of layer `layer` into each row's cache.
    pub(super) fn forward(&self, layer: usize, pass: &Pass<'_>, caches: &mut [&mut KvCache], work: &mut Workspace) {
        self.attention.forward(layer, pass, caches, work);
        self.mlp.forward(pass, work);
    }
}

impl Attention {
    fn forward(&self, layer: usize, pass: &Pass<'_>, caches: &mut [&mut KvCache], work: &mut Workspace) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let normed = sized(&mut work.normed, work.x.len());
        norm_rows(&work.x, &self.norm, eps, normed);
        let (q, k, v) = (
            sized(&mut work.q, count * self.q.outputs()),
            sized(&mut work.k, count * self.k.outputs()),
            sized(&mut work.v, count * self.v.outputs()),
        );
        self.q.forward(normed, pass.deltas, q);
        self.k.forward(normed, pass.deltas, k);
        self.v.forward(normed, pass.deltas, v);
        self.place(layer, pass, q, k, v, caches);

        let attended = sized(&mut work.attended, count * self.q.outputs());
        self.attend(layer, pass, q, caches, attended);
        let projected = sized(&mut work.projected, count * config.hidden_size);
        self.o.forward(attended, pass.deltas, projected);
        add_residual(&mut work.x, projected, self.norm_out.as_ref(), eps);
    }

    /// Norms and turns queries and keys, and writes keys and values into the caches.
    fn place(
        &self,
        layer: usize,
        pass: &Pass<'_>,
        q: &mut [f32],
        k: &mut [f32],
        v: &[f32],
        caches: &mut [&mut KvCache],
    ) {
        let (config, eps) = (pass.config, eps(pass.config));
        for (heads, norm) in [(&mut *q, &self.q_norm), (&mut *k, &self.k_norm)] {
            if let Some(weight) = norm {
                heads.chunks_exact_mut(config.head_dim).for_each(|head| rms_norm_inplace(head, weight, eps));
            }
        }
        let angles = &pass.angles[usize::from(self.window.is_some())];
        let width = angles.len() / pass.rows.len();
        for (i, row) in pass.rows.iter().enumerate() {
            let angles = &angles[i * width..(i + 1) * width];
            let q = &mut q[i * self.q.outputs()..(i + 1) * self.q.outputs()];
            let k = &mut k[i * self.k.outputs()..(i + 1) * self.k.outputs()];
            let v = &v[i * self.v.outputs()..(i + 1) * self.v.outputs()];
            rotate(q, config.head_dim, config.rope_pairs, angles);
            rotate(k, config.head_dim, config.rope_pairs, angles);
            caches[row.sequence].write(layer, row.position, k, v);
        }
    }

    /// Causal attention of every (row, head) over its own sequence.
    fn attend(&self, layer: usize, pass: &Pass<'_>, q: &[f32], caches: &[&mut KvCache], out: &mut [f32]) {
        let (config, heads) = (pass.config, pass.config.num_attention_heads);
        let dim = config.head_dim;
        out.par_chunks_mut(dim).zip(q.par_chunks(dim)).enumerate().with_min_len(4).for_each_init(
            Vec::new,
            |scores, (at, (out, q))| {
                let (row, head) = (&pass.rows[at / heads], at % heads);
                let first = self.window.map_or(0, |window| (row.position + 1).saturating_sub(window));
                let span = Span { layer, head: head / config.group(), first, last: row.position };
                span.attend(config, &*caches[row.sequence], q, scores, out);
            },
        );
    }
}

/// The positions that one query sees.
struct Span {
    layer: usize,
    head: usize,
    first: usize,
    last: usize,
}

impl Span {
    fn attend(&self, config: &BackboneConfig, cache: &KvCache, q: &[f32], scores: &mut Vec<f32>, out: &mut [f32]) {
        let kernels = kernels();
        let dim = q.len();
        scores.clear();
        scores.resize(self.last + 1 - self.first, 0.0);
        self.each_block(|block, from, to, at| {
            let keys = cache.planes(self.layer, self.head, block).0;
            let scores = &mut scores[at..at + to - from];
            for (i, scores) in scores.chunks_mut(crate::quant::PANEL).enumerate() {
                let start = (from + i * crate::quant::PANEL) * dim;
                (kernels.dots)(&keys[start..start + scores.len() * dim], q, dim, 1, scores);
            }
        });
        for score in scores.iter_mut() {
            *score *= config.attention_scale;
            if let Some(cap) = config.attn_logit_softcapping {
                *score = softcap(*score, cap);
            }
        }
        softmax(scores);
        out.fill(0.0);
        self.each_block(|block, from, to, at| {
            let values = cache.planes(self.layer, self.head, block).1;
            for (i, row) in values[from * dim..to * dim].chunks_exact(dim).enumerate() {
                (kernels.axpy)(scores[at + i], row, out);
            }
        });
    }

    /// Calls `visit(block, from, to, offset of the first score)` for each cache block of the span.
    fn each_block(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        for block in self.first / BLOCK_TOKENS..=self.last / BLOCK_TOKENS {
            let start = block * BLOCK_TOKENS;
            let from = self.first.max(start);
            let to = (self.last + 1).min(start + BLOCK_TOKENS);
            visit(block, from - start, to - start, from - self.first);
        }
    }
}

impl Mlp {
    fn forward(&self, pass: &Pass<'_>, work: &mut Workspace) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let normed = sized(&mut work.normed, work.x.len());
        norm_rows(&work.x, &self.norm, eps, normed);
        let gate = sized(&mut work.gate, count * config.intermediate_size);
        let up = sized(&mut work.up, count * config.intermediate_size);
        self.gate.forward(normed, pass.deltas, gate);
        self.up.forward(normed, pass.deltas, up);
        let activation: fn(f32) -> f32 = match config.activation {
            Activation::Silu => silu,
            Activation::GeluTanh => gelu_tanh,
        };
        gate.par_chunks_mut(1024).zip(up.par_chunks(1024)).for_each(|(gate, up)| {
            gate.iter_mut().zip(up).for_each(|(g, u)| *g = activation(*g) * u);
        });
        let projected = sized(&mut work.projected, count * config.hidden_size);
        self.down.forward(gate, pass.deltas, projected);
        add_residual(&mut work.x, projected, self.norm_out.as_ref(), eps);
    }
}

fn eps(config: &BackboneConfig) -> f32 {
    config.rms_norm_eps as f32
}
