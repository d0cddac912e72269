//! Normalisations of rows.

use rayon::prelude::*;

use crate::model::ops::layer_norm_inplace;

/// Rows per parallel task, so that short ones are worth the hand-over.
const ROWS_PER_TASK: usize = 16;

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
        xs.par_chunks_mut(self.weight.len())
            .with_min_len(ROWS_PER_TASK)
            .for_each(|row| layer_norm_inplace(row, &self.weight, &self.bias, self.eps));
    }

    /// As [`LayerNorm::apply`], into a copy.
    pub(crate) fn of(&self, xs: &[f32]) -> Vec<f32> {
        let mut out = xs.to_vec();
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
        xs.par_chunks_mut(self.scale.len()).with_min_len(ROWS_PER_TASK).for_each(|row| {
            for ((x, s), b) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *x = *x * s + b;
            }
        });
    }
}
