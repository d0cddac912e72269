//! One transformer block over a batch of rows.

use super::attention::{Attend, Cut};
use super::batch::Row;
use super::config::{Activation, BackboneConfig};
use super::rope::rotate;
use crate::model::cache::KvCache;
use crate::pool;
use crate::quant::{Group, Linear, Product, kernels, multiply};

/// From so many values on, work between products is shared.
const SHARE: usize = 1 << 14;

/// Activations of a batch, kept between calls so that a step allocates nothing large.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(super) x: Vec<f32>,
    pub(super) normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    partial: Vec<f32>,
    attended: Vec<f32>,
    projected: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

/// What every block of one forward pass shares.
pub(super) struct Pass<'a> {
    pub(super) config: &'a BackboneConfig,
    pub(super) rows: &'a [Row<'a>],
    /// Which rows carry which adapter.
    pub(super) groups: &'a [Group<'a>],
    /// Cosines and sines per row, for full and for sliding layers.
    pub(super) angles: [Vec<f32>; 2],
    /// How attention is cut, by window.
    pub(super) cuts: &'a [(Option<usize>, Cut)],
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
    let (width, norm) = (weight.len(), kernels().rows.rms_norm);
    let rows = SHARE.div_ceil(width);
    pool::chunks(out, rows * width, |share, out| {
        let x = &x[share * rows * width..][..out.len()];
        for (x, y) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            norm(x, weight, eps, y);
        }
    });
}

/// Normalises `row` by way of `copy`.
fn norm_in_place(row: &mut [f32], copy: &mut Vec<f32>, weight: &[f32], eps: f32) {
    copy.clear();
    copy.extend_from_slice(row);
    (kernels().rows.rms_norm)(copy, weight, eps, row);
}

/// Adds `delta`, normalised first where the family does so, to the residual stream.
fn add_residual(x: &mut [f32], delta: &mut [f32], norm: Option<&Vec<f32>>, eps: f32) {
    if let Some(weight) = norm {
        let mut copy = Vec::with_capacity(weight.len());
        delta.chunks_exact_mut(weight.len()).for_each(|row| norm_in_place(row, &mut copy, weight, eps));
    }
    pool::chunks(x, SHARE, |share, x| (kernels().rows.add)(x, &delta[share * SHARE..][..x.len()]));
}

impl Block {
    /// Runs the block on `work.x`, writing keys and values of layer `layer` into each row's cache.
    /// `next` are the linears that are read first after it.
    pub(super) fn forward(
        &self,
        layer: usize,
        pass: &Pass<'_>,
        caches: &mut [&mut KvCache],
        work: &mut Workspace,
        next: &[&Linear],
    ) {
        self.attention.forward(layer, pass, caches, work, &[&self.mlp.gate, &self.mlp.up]);
        self.mlp.forward(pass, work, next);
    }

    /// The linears that are read first.
    pub(super) fn first(&self) -> [&Linear; 3] {
        [&self.attention.q, &self.attention.k, &self.attention.v]
    }
}

impl Attention {
    fn forward(
        &self,
        layer: usize,
        pass: &Pass<'_>,
        caches: &mut [&mut KvCache],
        work: &mut Workspace,
        next: &[&Linear],
    ) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let normed = sized(&mut work.normed, work.x.len());
        norm_rows(&work.x, &self.norm, eps, normed);
        let (q, k, v) = (
            sized(&mut work.q, count * self.q.outputs()),
            sized(&mut work.k, count * self.k.outputs()),
            sized(&mut work.v, count * self.v.outputs()),
        );
        multiply(
            &mut [Product(&self.q, q), Product(&self.k, k), Product(&self.v, v)],
            normed,
            count,
            pass.groups,
            &[&self.o],
        );
        self.place(layer, pass, q, k, v, caches);

        let attended = sized(&mut work.attended, count * self.q.outputs());
        let cut = pass.cuts.iter().find(|(window, _)| *window == self.window);
        let (_, cut) = cut.expect("invariant: a pass is cut for every window of its layers");
        Attend { config, rows: pass.rows, cut, layer, q, caches }.run(&mut work.partial, attended);
        let projected = sized(&mut work.projected, count * config.hidden_size);
        multiply(&mut [Product(&self.o, projected)], attended, count, pass.groups, next);
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
                let mut copy = Vec::with_capacity(config.head_dim);
                heads.chunks_exact_mut(config.head_dim).for_each(|head| norm_in_place(head, &mut copy, weight, eps));
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
}

impl Mlp {
    fn forward(&self, pass: &Pass<'_>, work: &mut Workspace, next: &[&Linear]) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let normed = sized(&mut work.normed, work.x.len());
        norm_rows(&work.x, &self.norm, eps, normed);
        let gate = sized(&mut work.gate, count * config.intermediate_size);
        let up = sized(&mut work.up, count * config.intermediate_size);
        multiply(&mut [Product(&self.gate, gate), Product(&self.up, up)], normed, count, pass.groups, &[&self.down]);
        let rows = kernels().rows;
        let activation = match config.activation {
            Activation::Silu => rows.silu,
            Activation::GeluTanh => rows.gelu_tanh,
        };
        pool::chunks(gate, SHARE, |share, gate| {
            activation(gate);
            (rows.mul)(gate, &up[share * SHARE..][..gate.len()]);
        });
        let projected = sized(&mut work.projected, count * config.hidden_size);
        multiply(&mut [Product(&self.down, projected)], gate, count, pass.groups, next);
        add_residual(&mut work.x, projected, self.norm_out.as_ref(), eps);
    }
}

fn eps(config: &BackboneConfig) -> f32 {
    config.rms_norm_eps as f32
}
