//! Matrices of floats in the order in which kernels read them: 16 rows side by side for every input.

mod matrix;
mod scalar;
mod tile;

pub use matrix::PanelMatrix;
pub(crate) use matrix::multiply_panels;
pub(in crate::quant) use scalar::panels_scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::quant) use tile::panels;
pub(in crate::quant) use tile::{Element, Operands};
