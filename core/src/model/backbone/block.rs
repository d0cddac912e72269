//! One transformer block over a batch of rows.

use super::attention::{Attend, Cut};
use super::batch::Row;
use super::config::{Activation, BackboneConfig};
use super::rope::rotate;
use crate::arena::Room;
use crate::model::cache::KvCache;
use crate::pool;
use crate::quant::{Linear, Product, RowAdapters, kernels, multiply};

/// From so many values on, work between products is shared.
const SHARE: usize = 1 << 14;

/// What every block of one forward pass shares.
pub(super) struct Pass<'a> {
    pub(super) config: &'a BackboneConfig,
    pub(super) rows: &'a [Row<'a>],
    /// Which rows carry which adapter.
    pub(super) adapters: &'a RowAdapters<'a>,
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

/// Each row of `x`, normalised.
fn normed(x: &[f32], weight: &[f32], eps: f32) -> Room {
    let (width, norm) = (weight.len(), kernels().rows.rms_norm);
    let (mut out, rows) = (Room::new(x.len()), SHARE.div_ceil(width));
    pool::chunks(&mut out, rows * width, |share, out| {
        let x = &x[share * rows * width..][..out.len()];
        for (x, y) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            norm(x, weight, eps, y);
        }
    });
    out
}

/// Normalises each row in place.
fn norm_rows(rows: &mut [f32], weight: &[f32], eps: f32) {
    let mut copy = Room::new(weight.len());
    for row in rows.chunks_exact_mut(weight.len()) {
        copy.copy_from_slice(row);
        (kernels().rows.rms_norm)(&copy, weight, eps, row);
    }
}

/// Adds `delta`, normalised first where the family does so, to the residual stream.
fn add_residual(x: &mut [f32], delta: &mut [f32], norm: Option<&Vec<f32>>, eps: f32) {
    if let Some(weight) = norm {
        norm_rows(delta, weight, eps);
    }
    pool::chunks(x, SHARE, |share, x| (kernels().rows.add)(x, &delta[share * SHARE..][..x.len()]));
}

impl Block {
    /// Runs the block on `x`, `[rows, hidden_size]`, writing keys and values of layer `layer` into each row's cache.
    /// `next` are the linears that are read first after it.
    pub(super) fn forward(
        &self,
        layer: usize,
        pass: &Pass<'_>,
        caches: &mut [&mut KvCache],
        x: &mut [f32],
        next: &[&Linear],
    ) {
        self.attention.forward(layer, pass, caches, x, &[&self.mlp.gate, &self.mlp.up]);
        self.mlp.forward(pass, x, next);
    }

    /// Bytes of the linears that [`Block::read`] reads.
    pub(super) fn bytes(&self) -> usize {
        [&self.mlp.gate, &self.mlp.up].iter().map(|linear| linear.weight().bytes().0).sum()
    }

    /// Reads some of its weights as a decode step does, one row `x` for nothing.
    pub(super) fn read(&self, x: &[f32]) {
        let [mut gate, mut up] = [&self.mlp.gate, &self.mlp.up].map(|linear| Room::new(linear.outputs()));
        let products = &mut [Product::new(&self.mlp.gate, &mut gate, 1), Product::new(&self.mlp.up, &mut up, 1)];
        multiply(products, x, &RowAdapters::same(1, None), &[]);
    }

    /// The linears that are read first.
    pub(super) fn first(&self) -> [&Linear; 3] {
        [&self.attention.q, &self.attention.k, &self.attention.v]
    }
}

impl Attention {
    fn forward(&self, layer: usize, pass: &Pass<'_>, caches: &mut [&mut KvCache], x: &mut [f32], next: &[&Linear]) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let attended = {
            let linears = [&self.q, &self.k, &self.v];
            let [mut q, mut k, mut v] = linears.map(|linear| Room::new(count * linear.outputs()));
            let products = &mut [
                Product::new(&self.q, &mut q, count),
                Product::new(&self.k, &mut k, count),
                Product::new(&self.v, &mut v, count),
            ];
            multiply(products, &normed(x, &self.norm, eps), pass.adapters, &[&self.o]);
            self.place(layer, pass, &mut q, &mut k, &v, caches);
            let cut = pass.cuts.iter().find(|(window, _)| *window == self.window);
            let (_, cut) = cut.expect("invariant: a pass is cut for every window of its layers");
            let mut attended = Room::new(q.len());
            Attend { config, rows: pass.rows, cut, layer, q: &q, caches }.run(&mut attended);
            attended
        };
        let mut projected = Room::new(x.len());
        multiply(&mut [Product::new(&self.o, &mut projected, count)], &attended, pass.adapters, next);
        add_residual(x, &mut projected, self.norm_out.as_ref(), eps);
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
                norm_rows(heads, weight, eps);
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
    fn forward(&self, pass: &Pass<'_>, x: &mut [f32], next: &[&Linear]) {
        let (config, count, eps) = (pass.config, pass.rows.len(), eps(pass.config));
        let [mut gate, mut up] = [(); 2].map(|()| Room::new(count * config.intermediate_size));
        let products = &mut [Product::new(&self.gate, &mut gate, count), Product::new(&self.up, &mut up, count)];
        multiply(products, &normed(x, &self.norm, eps), pass.adapters, &[&self.down]);
        let rows = kernels().rows;
        let activation = match config.activation {
            Activation::Silu => rows.silu,
            Activation::GeluTanh => rows.gelu_tanh,
        };
        pool::chunks(&mut gate, SHARE, |share, gate| {
            activation(gate);
            (rows.mul)(gate, &up[share * SHARE..][..gate.len()]);
        });
        drop(up);
        let mut projected = Room::new(x.len());
        multiply(&mut [Product::new(&self.down, &mut projected, count)], &gate, pass.adapters, next);
        add_residual(x, &mut projected, self.norm_out.as_ref(), eps);
    }
}

fn eps(config: &BackboneConfig) -> f32 {
    config.rms_norm_eps as f32
}
