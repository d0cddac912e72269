//! Kernels on weights in their file format: matrices, linears, low-rank deltas.
//!
//! Models see [`Linear`] and [`Matrix`] only, so the kernels behind them can change without touching a model.

mod kernel;
mod linear;
mod lora;
mod matrix;

pub use kernel::{Kernels, PANEL, available, kernels};
pub use linear::Linear;
pub(crate) use lora::groups;
pub use lora::{Deltas, LinearId, LowRank, RowDeltas};
pub use matrix::Matrix;
