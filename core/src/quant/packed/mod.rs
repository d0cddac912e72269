//! Weights in the order in which integer kernels read them.

mod activations;
mod dots;
mod even;
mod format;
mod matrix;
mod pack;
mod row_codes;
mod scalar;
mod simd;
mod tile;
mod up;

#[cfg(target_arch = "x86_64")]
#[path = "x86.rs"]
mod vector;

#[cfg(target_arch = "aarch64")]
#[path = "neon.rs"]
mod vector;

pub(in crate::quant) use activations::quantize;
pub use activations::{Activations, CodeRows, Codes};
pub(in crate::quant) use even::{EvenOperands, even_scalar};
pub use format::{GROUP, LAYOUT_VERSION, TILE_ROWS};
pub use matrix::PackedMatrix;
pub(in crate::quant) use row_codes::quantize_rows;
pub use row_codes::{RowCodes, RowCodesOut};
pub(in crate::quant) use scalar::tiles_scalar;
pub(in crate::quant) use tile::{Operands, PAIRED};
pub use up::UpMatrix;
pub(in crate::quant) use up::{UpOperands, up_scalar};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::quant) use vector::*;
