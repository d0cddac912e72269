//! Normalisations of rows.

use crate::arena::Room;
use crate::pool;
use crate::quant::kernels;

/// Rows per share, so that short ones are worth the hand-over.
const ROWS_PER_SHARE: usize = 16;

/// Normalises each row over its width, then scales and shifts it.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    /// `[width]`.
    pub(crate) weight: Vec<f32>,
    /// `[width]`.
    pub(crate) bias: Vec<f32>,
    /// Added to the variance.
    pub(crate) eps: f32,
}

impl LayerNorm {
    /// Normalises all rows in place; `xs` is `[rows, width]`.
    pub(crate) fn apply(&self, xs: &mut [f32]) {
        let (width, norm) = (self.weight.len(), kernels().rows.layer_norm);
        pool::chunks(xs, ROWS_PER_SHARE * width, |_, rows| {
            rows.chunks_exact_mut(width).for_each(|row| norm(row, &self.weight, &self.bias, self.eps));
        });
    }

    /// As [`LayerNorm::apply`], into a copy.
    pub(crate) fn of(&self, xs: &[f32]) -> Room {
        let mut out = Room::copy(xs);
        self.apply(&mut out);
        out
    }
}

/// A scale and a shift per channel: a batch norm with its running statistics folded in.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    /// `[channels]`.
    pub(crate) scale: Vec<f32>,
    /// `[channels]`.
    pub(crate) shift: Vec<f32>,
}

impl Affine {
    /// Scales and shifts all rows in place; `xs` is `[positions, channels]`.
    pub(crate) fn apply(&self, xs: &mut [f32]) {
        let width = self.scale.len();
        pool::chunks(xs, ROWS_PER_SHARE * width, |_, rows| {
            for row in rows.chunks_exact_mut(width) {
                for ((x, s), b) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                    *x = *x * s + b;
                }
            }
        });
    }
}
