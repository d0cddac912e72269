//! Matrices of floats in the order in which kernels read them: 16 rows side by side for every input.

mod blend;
mod matrix;
mod planes;
mod scalar;
mod tile;

pub(in crate::quant) use blend::Blend;
pub use matrix::PanelMatrix;
pub(crate) use matrix::multiply_panels;
pub(crate) use planes::{MAX_PLANES, PlaneList, Rows};
pub(in crate::quant) use scalar::{blend_scalar, panels_scalar};
pub(crate) use tile::Element;
pub(in crate::quant) use tile::Operands;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::quant) use {blend::blend, tile::panels};
