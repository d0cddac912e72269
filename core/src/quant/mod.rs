//! Kernels on weights in their file format: matrices, linears, low-rank deltas.
//!
//! Models see [`Linear`] and [`Matrix`] only, so the kernels behind them can change without touching a model.

mod columns;
mod kernel;
mod linear;
mod lora;
mod matrix;
pub mod packed;
mod panel;
mod patch;
mod product;
mod store;

pub use kernel::{Kernels, PANEL, RowKernels, available, kernels};
pub use linear::Linear;
pub use lora::{CodePair, Deltas, FloatPair, Identity, LinearId, LowRank, RowAdapters};
pub use matrix::Matrix;
pub use packed::TILE_ROWS;
pub use panel::PanelMatrix;
pub(crate) use panel::{Element, MAX_PLANES, PlaneList, Rows, multiply_panels};
pub(crate) use patch::add_delta;
pub(crate) use product::{Product, multiply};
pub use store::Packed;
pub(crate) use store::{Check, StorePlace, open_packed};

#[cfg(test)]
mod tests;
