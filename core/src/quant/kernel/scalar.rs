//! The oracle: plain loops without vector instructions, correct on every processor.

use super::{Kernels, rows};
use crate::quant::{packed, panel};
use crate::weights::BlockType;

/// Portable kernels.
pub(super) const KERNELS: Kernels = Kernels {
    name: "scalar",
    dequantize,
    prefetch,
    dots,
    axpy,
    rows: rows::PLAIN,
    quantize: packed::quantize,
    quantize_rows: packed::quantize_rows,
    together: 1,
    tiles: packed::tiles_scalar,
    even: packed::even_scalar,
    panels: panel::panels_scalar,
    blend: panel::blend_scalar,
    up: packed::up_scalar,
};

fn dequantize(kind: BlockType, data: &[u8], out: &mut [f32]) {
    kind.dequantize(data, out);
}

fn prefetch(_: &[u8]) {}

fn dots(weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    for (w, ys) in weights.chunks_exact(k).zip(out.chunks_exact_mut(rows)) {
        for (x, y) in xs.chunks_exact(k).zip(ys) {
            *y = w.iter().zip(x).map(|(a, b)| a * b).sum();
        }
    }
}

fn axpy(scale: f32, xs: &[f32], out: &mut [f32]) {
    for (y, &x) in out.iter_mut().zip(xs) {
        *y += scale * x;
    }
}
