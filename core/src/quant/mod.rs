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
mod product;
mod store;

pub use kernel::{Kernels, PANEL, RowKernels, available, kernels};
pub use linear::Linear;
pub(crate) use lora::groups;
pub use lora::{Deltas, LinearId, LowRank, RowDeltas};
pub use matrix::Matrix;
pub use packed::TILE_ROWS;
pub use panel::PanelMatrix;
pub(crate) use panel::multiply_panels;
pub(crate) use product::{Product, multiply};
pub use store::Packed;
pub(crate) use store::{StorePlace, open_packed};

#[cfg(test)]
mod tests;
