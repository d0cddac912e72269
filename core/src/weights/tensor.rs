//! A tensor as it lies in its file: name, type, shape and bytes, without conversion.

use crate::error::{Error, Result};
use crate::weights::dtype::BlockType;
use crate::weights::mmap::Bytes;

/// Tensors of more dimensions do not occur in any supported checkpoint.
pub const MAX_DIMS: usize = 6;
/// Upper bound on elements of one tensor (2^40): products stay far below overflow.
const MAX_ELEMENTS: usize = 1 << 40;

/// A named tensor in place. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct TensorView {
    /// Its name in the file.
    pub name: String,
    /// Element or block type.
    pub kind: BlockType,
    /// Row-major shape, outermost first.
    pub shape: Vec<usize>,
    /// Its bytes; the length fits type and shape.
    pub data: Bytes,
}

impl TensorView {
    /// Number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// All values as f32, row-major. Allocates `4 * elements` bytes: for norms, biases and adapter matrices, not for
    /// large weights.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.elements()];
        self.kind.dequantize(&self.data, &mut out);
        out
    }

    /// Succeeds when the shape is `expected`.
    ///
    /// # Errors
    /// [`Error::Shape`] naming the tensor and both shapes.
    pub fn expect_shape(&self, expected: &[usize]) -> Result<()> {
        if self.shape == expected {
            return Ok(());
        }
        Err(Error::Shape { name: self.name.clone(), found: self.shape.clone(), expected: expected.to_vec() })
    }
}

/// The product of `shape`, refused when it overflows the engine's bound.
///
/// # Errors
/// [`Error::Malformed`] naming the tensor.
pub fn checked_elements(name: &str, shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim).filter(|&p| p <= MAX_ELEMENTS))
        .ok_or_else(|| Error::malformed(format!("tensor '{name}'"), "weights", format!("shape {shape:?} is too large")))
}
