//! The weighted sum of values that lie in planes all over memory: the second product of attention.
//!
//! Sums stay in registers through all planes, in the order of the inputs, so a row's result does not depend on the others.

#![expect(clippy::needless_range_loop, reason = "registers are unrolled by number; iterators over arrays are calls")]

use super::tile::{Brains, Element, FETCH_LISTED, Halves, Integers, Read, Singles};
use crate::quant::kernel::Lanes;
use crate::quant::packed::TILE_ROWS;

/// Pointers of one weighted sum.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Blend {
    /// The planes, `[panels, cols, 16]` each.
    pub(in crate::quant) planes: *const *const u8,
    pub(in crate::quant) count: usize,
    pub(in crate::quant) panels: usize,
    /// Inputs of a plane.
    pub(in crate::quant) cols: usize,
    /// Weights of the first row: `cols` for each plane, one plane after the other.
    pub(in crate::quant) weights: *const f32,
    /// Values from one row of weights to the next.
    pub(in crate::quant) weight_stride: usize,
    /// Rows.
    pub(in crate::quant) rows: usize,
    /// Where the first row's output goes.
    pub(in crate::quant) out: *mut f32,
    /// Values from one output row to the next.
    pub(in crate::quant) stride: usize,
}

/// Writes `[rows, panels * 16]` sums over all planes.
///
/// # Safety
/// The processor has the instructions of `L`, and `at` points to `count` planes of `panels` panels of that element, to `rows`
/// rows of `count * cols` weights, and to `rows` rows of output with room for `16 * panels` values each.
#[inline(always)]
pub(in crate::quant) unsafe fn blend<L: Lanes>(element: Element, at: Blend) {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        match element {
            Element::F32 => panels::<L, Singles>(at),
            Element::F16 => panels::<L, Halves>(at),
            Element::BF16 => panels::<L, Brains>(at),
            Element::I8 => panels::<L, Integers>(at),
        }
    }
}

/// Up to four registers of values at a time.
#[inline(always)]
unsafe fn panels<L: Lanes, R: Read>(at: Blend) {
    let mut panel = 0;
    macro_rules! step {
        ($panels:literal, $registers:literal) => {
            while at.panels - panel >= $panels {
                // SAFETY: so many panels remain.
                unsafe { rows::<L, R, $registers>(at, panel) }
                panel += $panels;
            }
        };
    }
    match TILE_ROWS / L::WIDTH {
        1 => {
            step!(4, 4);
            step!(2, 2);
            step!(1, 1);
        }
        2 => step!(1, 2),
        _ => step!(1, 4),
    }
}

/// All rows, up to four at a time.
#[inline(always)]
unsafe fn rows<L: Lanes, R: Read, const N: usize>(mut at: Blend, panel: usize) {
    let mut left = at.rows;
    let mut fetch = true;
    macro_rules! strip {
        ($rows:literal) => {
            while left >= $rows {
                // SAFETY: `left` rows remain of weights and of output.
                unsafe {
                    strip::<L, R, $rows, N>(at, panel, fetch);
                    at.weights = at.weights.wrapping_add($rows * at.weight_stride);
                    at.out = at.out.wrapping_add($rows * at.stride);
                }
                // The first rows have fetched for all.
                fetch = false;
                left -= $rows;
            }
        };
    }
    strip!(4);
    strip!(3);
    strip!(2);
    strip!(1);
}

/// `M` rows with `N` registers of values from panel `panel` on.
#[inline(always)]
unsafe fn strip<L: Lanes, R: Read, const M: usize, const N: usize>(at: Blend, panel: usize, fetch: bool) {
    let bytes = const { R::ELEMENT.bytes() };
    let (step, panel_bytes) = (TILE_ROWS * bytes, const { R::ELEMENT }.panel_bytes(at.cols));
    // SAFETY: planes below `count`, inputs below `cols`, registers within the panels, rows below `M`.
    unsafe {
        let mut sums = [[L::zero(); N]; M];
        let mut weights = [at.weights; M];
        for m in 1..M {
            weights[m] = at.weights.add(m * at.weight_stride);
        }
        // Where the registers begin in a plane.
        let mut starts = [0; N];
        for n in 0..N {
            starts[n] = (panel + n * L::WIDTH / TILE_ROWS) * panel_bytes + n * L::WIDTH % TILE_ROWS * bytes;
        }
        for plane in 0..at.count {
            let values = *at.planes.add(plane);
            let ahead = *at.planes.add((plane + FETCH_LISTED).min(at.count - 1));
            let mut offset = 0usize;
            for k in 0..at.cols {
                if fetch && offset.is_multiple_of(64) {
                    for n in (0..N).step_by(TILE_ROWS / L::WIDTH) {
                        L::prefetch(ahead.wrapping_add(starts[n] + offset));
                    }
                }
                for n in 0..N {
                    let value = R::read::<L>(values.add(starts[n].wrapping_add(offset)));
                    for m in 0..M {
                        sums[m][n] = L::fma(value, L::splat(*weights[m].add(k)), sums[m][n]);
                    }
                }
                offset = offset.wrapping_add(step);
            }
            for m in 0..M {
                weights[m] = weights[m].add(at.cols);
            }
        }
        for m in 0..M {
            for n in 0..N {
                L::store(at.out.add(m * at.stride + panel * TILE_ROWS + n * L::WIDTH), sums[m][n]);
            }
        }
    }
}
