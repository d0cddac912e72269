//! A frozen linear layer with per-row adapters beside it.

use crate::error::Result;
use crate::quant::kernel::kernels;
use crate::quant::lora::{LinearId, LowRank, RowDeltas, groups};
use crate::quant::matrix::Matrix;

/// `y = W x + b`, plus the low-rank delta of each row's adapter.
#[derive(Clone, Debug)]
pub struct Linear {
    id: LinearId,
    weight: Matrix,
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// A layer of a component; `id` is what adapters are bound to.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when the bias does not have one value per output.
    pub fn new(id: LinearId, weight: Matrix, bias: Option<crate::weights::TensorView>) -> Result<Self> {
        let bias = match bias {
            None => None,
            Some(tensor) => {
                tensor.expect_shape(&[weight.rows()])?;
                Some(tensor.to_f32())
            }
        };
        Ok(Self { id, weight, bias })
    }

    /// What adapters are bound to.
    #[must_use]
    pub fn id(&self) -> LinearId {
        self.id
    }

    /// The frozen weights.
    #[must_use]
    pub fn weight(&self) -> &Matrix {
        &self.weight
    }

    /// Output features.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// `xs` is `[rows.len(), in]`, `out` becomes `[rows.len(), out]`. The base weights are read once for all rows; a
    /// row's result does not depend on the other rows or on their adapters.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn forward(&self, xs: &[f32], rows: &RowDeltas<'_>, out: &mut [f32]) {
        self.weight.multiply(xs, rows.len(), out);
        if let Some(bias) = &self.bias {
            for y in out.chunks_exact_mut(bias.len()) {
                y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
        }
        for (deltas, members) in groups(rows) {
            if let Some(replaced) = deltas.replaced.get(&self.id) {
                self.replace(replaced, xs, &members, out);
            }
            if let Some(delta) = deltas.low_rank.get(&self.id) {
                self.add(delta, xs, &members, out);
            }
        }
    }

    /// Gathers `members` of `xs`, multiplies them by `by`.
    fn product(by: &Matrix, xs: &[f32], members: &[usize]) -> Vec<f32> {
        let width = by.cols();
        let gathered: Vec<f32> = members.iter().flat_map(|&m| &xs[m * width..(m + 1) * width]).copied().collect();
        let mut out = vec![0.0; members.len() * by.rows()];
        by.multiply(&gathered, members.len(), &mut out);
        out
    }

    fn replace(&self, by: &Matrix, xs: &[f32], members: &[usize], out: &mut [f32]) {
        let width = self.outputs();
        let product = Self::product(by, xs, members);
        for (&m, values) in members.iter().zip(product.chunks_exact(width)) {
            out[m * width..(m + 1) * width].copy_from_slice(values);
        }
    }

    fn add(&self, delta: &LowRank, xs: &[f32], members: &[usize], out: &mut [f32]) {
        let width = self.outputs();
        let down = Self::product(&delta.a, xs, members);
        let mut up = vec![0.0; members.len() * width];
        delta.b.multiply(&down, members.len(), &mut up);
        for (&m, values) in members.iter().zip(up.chunks_exact(width)) {
            (kernels().axpy)(delta.scale, values, &mut out[m * width..(m + 1) * width]);
        }
    }
}
