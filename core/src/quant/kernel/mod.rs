//! Vector kernels and their selection, once per process.
//!
//! A kernel set is a table of function pointers. The scalar set is the oracle: each vector set computes the same
//! quantities with another order of additions, and tests hold them together. Within one set the result for a row of
//! activations never depends on how many other rows are in the call; batches of any size give equal tokens.

mod lanes;
mod rows;
mod scalar;
mod tile;

#[cfg(target_arch = "x86_64")]
#[path = "x86.rs"]
mod vector;

#[cfg(target_arch = "aarch64")]
#[path = "neon.rs"]
mod vector;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "portable.rs"]
mod vector;

pub(in crate::quant) use lanes::Lanes;
pub use rows::RowKernels;

use once_cell::sync::Lazy;
#[cfg(target_arch = "aarch64")]
pub(in crate::quant) use vector::Neon;
#[cfg(target_arch = "x86_64")]
pub(in crate::quant) use vector::{Avx2, Avx512};

use crate::quant::packed::{self, Codes, RowCodesOut};
use crate::quant::panel;
use crate::weights::BlockType;

/// Bytes per cache line, on every processor that matters here.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const CACHE_LINE: usize = 64;

/// Weight rows that one [`Kernels::dots`] call handles together.
pub const PANEL: usize = 4;

/// A set of kernels for one instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Name of the instruction set, as shown in stats.
    pub name: &'static str,
    /// Decodes one or more whole blocks.
    pub dequantize: fn(BlockType, &[u8], &mut [f32]),
    /// Asks for bytes to be brought into the cache; changes nothing.
    pub prefetch: fn(&[u8]),
    /// `out[n * rows + m] = weights[n] . xs[m]` for `n < out.len() / rows` weight rows of `k` values each, at most
    /// [`PANEL`] of them, and `rows` activation rows of `k` values each.
    pub dots: fn(weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]),
    /// `out += scale * xs`.
    pub axpy: fn(scale: f32, xs: &[f32], out: &mut [f32]),
    /// Operations on single rows.
    pub rows: RowKernels,
    /// Quantizes whole groups of activations.
    pub quantize: fn(xs: &[f32], out: Codes<'_>),
    /// Quantizes rows of `cols` activations, each with one scale.
    pub quantize_rows: fn(xs: &[f32], cols: usize, out: RowCodesOut<'_>),
    /// Tiles or panels that are worked on together where there are many rows.
    pub(in crate::quant) together: usize,
    /// Multiplies packed tiles of one type.
    pub(in crate::quant) tiles: unsafe fn(kind: BlockType, at: packed::Operands, tiles: usize),
    /// Multiplies packed tiles of type Q8_0 whose rows have one scale each.
    pub(in crate::quant) even: unsafe fn(at: packed::EvenOperands, tiles: usize),
    /// Multiplies panels of floats.
    pub(in crate::quant) panels: unsafe fn(element: panel::Element, at: panel::Operands, panels: usize),
    /// Sums up weighted values of scattered planes.
    pub(in crate::quant) blend: unsafe fn(element: panel::Element, at: panel::Blend),
    /// Adds the product of tiles of an up projection with one row.
    pub(in crate::quant) up: unsafe fn(at: packed::UpOperands, tiles: usize),
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({})", self.name)
    }
}

static SELECTED: Lazy<Kernels> = Lazy::new(|| {
    let best = available().next_back().unwrap_or(scalar::KERNELS);
    let wanted = std::env::var("LOAM_KERNELS").ok();
    let chosen = wanted.as_deref().and_then(|name| available().find(|kernels| kernels.name == name));
    if let (Some(name), None) = (&wanted, &chosen) {
        log::warn!("LOAM_KERNELS={name} is not available here, using {}", best.name);
    }
    chosen.unwrap_or(best)
});

/// The kernels of this process: the best set that the processor runs, or the one named by `LOAM_KERNELS`.
#[must_use]
pub fn kernels() -> &'static Kernels {
    &SELECTED
}

/// Every set that this processor can run, slowest first; the first is the scalar oracle.
pub fn available() -> impl DoubleEndedIterator<Item = Kernels> {
    std::iter::once(scalar::KERNELS).chain(vector::available())
}
