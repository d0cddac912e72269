//! Convolutions whose channels fall into groups that do not see each other.

use super::conv::ConvShape;
use crate::arena::Room;
use crate::pool;
use crate::quant::{Deltas, LinearId, Matrix, add_delta};

/// Patches gathered at a time: bounds the memory to this many rows of `channels * kernel` values.
const PATCHES: usize = 64;

/// A frozen grouped convolution over one axis that keeps the length: it has as many outputs as inputs, from the padded
/// begin on. Inputs and outputs are `[positions, channels]`.
#[derive(Clone, Debug)]
pub(crate) struct GroupedConv {
    id: LinearId,
    shape: ConvShape,
    /// One per group, `[outputs / groups, inputs / groups * kernel]`.
    weights: Vec<Matrix>,
    bias: Vec<f32>,
}

impl GroupedConv {
    /// `weight` is `[outputs, inputs / groups, kernel]`; the groups divide both.
    pub(super) fn new(id: LinearId, shape: ConvShape, groups: usize, weight: &[f32], bias: Vec<f32>) -> Self {
        let (rows, cols) = (shape.outputs / groups, shape.patch() / groups);
        let weights = weight.chunks_exact(rows * cols).map(|part| Matrix::from_f32(part, rows, cols)).collect();
        Self { id, shape, weights, bias }
    }

    /// Convolves one series under one adapter.
    pub(crate) fn forward(&self, xs: &[f32], deltas: Option<&Deltas>) -> Room {
        let (inputs, outputs, patch) = (self.shape.inputs, self.shape.outputs, self.shape.patch());
        let groups = self.weights.len();
        let (rows, cols) = (outputs / groups, patch / groups);
        let delta = deltas.and_then(|deltas| deltas.low_rank.get(&self.id));
        let mut out = Room::new(xs.len() / inputs * outputs);
        for (chunk, out) in out.chunks_mut(PATCHES * outputs).enumerate() {
            let count = out.len() / outputs;
            let mut patches = Room::zeros(count * patch);
            pool::rows(&mut patches, patch, |i, row| self.gather(xs, chunk * PATCHES + i, row));
            // A group's channels lie together in a patch.
            for (group, weight) in self.weights.iter().enumerate() {
                let (mut own, mut product) = (Room::new(count * cols), Room::new(count * rows));
                for (own, row) in own.chunks_exact_mut(cols).zip(patches.chunks_exact(patch)) {
                    own.copy_from_slice(&row[group * cols..(group + 1) * cols]);
                }
                weight.multiply(&own, count, &mut product);
                for (out, product) in out.chunks_exact_mut(outputs).zip(product.chunks_exact(rows)) {
                    out[group * rows..(group + 1) * rows].copy_from_slice(product);
                }
            }
            out.chunks_exact_mut(outputs).for_each(|row| row.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b));
            if let Some(delta) = delta {
                add_delta(delta, &patches, count, out);
            }
        }
        out
    }

    /// The patch of position `at`, channel by channel.
    fn gather(&self, xs: &[f32], at: usize, row: &mut [f32]) {
        let (inputs, kernel) = (self.shape.inputs, self.shape.kernel[1]);
        let length = xs.len() / inputs;
        for tap in 0..kernel {
            let Some(from) = (at + tap).checked_sub(self.shape.padding[1]).filter(|from| *from < length) else {
                continue;
            };
            let values = &xs[from * inputs..(from + 1) * inputs];
            row[tap..].iter_mut().step_by(kernel).zip(values).for_each(|(to, value)| *to = *value);
        }
    }
}
