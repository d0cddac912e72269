//! A frozen linear layer with per-row adapters beside it.

use crate::error::Result;
use crate::quant::lora::{LinearId, RowAdapters};
use crate::quant::matrix::Matrix;
use crate::quant::product::{Product, multiply};

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
        Ok(Self { id, weight: weight.packed(), bias })
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

    /// One value per output, if the layer has them.
    #[must_use]
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Output features.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// `xs` is `[rows, in]`, `out` becomes `[rows, out]`. The base weights are read once for all rows; a
    /// row's result does not depend on the other rows or on their adapters.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn forward(&self, xs: &[f32], rows: &RowAdapters<'_>, out: &mut [f32]) {
        multiply(&mut [Product::new(self, out, rows.rows())], xs, rows, &[]);
    }
}
