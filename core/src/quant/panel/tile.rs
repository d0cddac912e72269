//! The product of panels with rows of activations.
//!
//! Every output is the sum over its inputs in their order, in one or two partial sums as the instruction set says, whatever
//! the number of rows and panels that are worked on together: a row's result does not depend on its batch.

#![expect(clippy::needless_range_loop, reason = "registers are unrolled by number; iterators over arrays are calls")]

use crate::quant::kernel::Lanes;
use crate::quant::packed::TILE_ROWS;
use crate::weights::BlockType;

/// How far ahead of its use a panel is fetched, in bytes.
const FETCH_AHEAD: usize = 4096;

/// Type of the weights of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::quant) enum Element {
    F32,
    F16,
    BF16,
}

impl Element {
    /// The element of a block type, if that is one.
    pub(in crate::quant) fn of(kind: BlockType) -> Option<Self> {
        match kind {
            BlockType::F32 => Some(Self::F32),
            BlockType::F16 => Some(Self::F16),
            BlockType::BF16 => Some(Self::BF16),
            _ => None,
        }
    }

    /// Bytes of a weight.
    pub(in crate::quant) const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Bytes of a panel of `cols` inputs.
    pub(in crate::quant) const fn panel_bytes(self, cols: usize) -> usize {
        cols * TILE_ROWS * self.bytes()
    }

    /// Weight `row` of the `TILE_ROWS` for one input.
    pub(in crate::quant) fn read(self, weights: &[u8], row: usize) -> f32 {
        let bytes = &weights[row * self.bytes()..(row + 1) * self.bytes()];
        let mut value = [0.0];
        match self {
            Self::F32 => BlockType::F32.dequantize(bytes, &mut value),
            Self::F16 => BlockType::F16.dequantize(bytes, &mut value),
            Self::BF16 => BlockType::BF16.dequantize(bytes, &mut value),
        }
        value[0]
    }
}

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Operands {
    /// The first panel: `[cols, 16]` weights.
    pub(in crate::quant) panels: *const u8,
    /// Inputs.
    pub(in crate::quant) cols: usize,
    /// The first row of activations.
    pub(in crate::quant) xs: *const f32,
    /// Rows of activations.
    pub(in crate::quant) rows: usize,
    /// Up to where it is worth while to fetch weights ahead; at `panels` for none of them.
    pub(in crate::quant) fetch_end: *const u8,
    /// Where the first row's output for the first panel goes.
    pub(in crate::quant) out: *mut f32,
    /// Values from one output row to the next.
    pub(in crate::quant) stride: usize,
}

/// Reads weights of one type.
trait Read {
    const ELEMENT: Element;
    /// # Safety
    /// `WIDTH` weights are readable, and the processor has the instructions of `L`.
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V;
}

struct Singles;
struct Halves;
struct Brains;

impl Read for Singles {
    const ELEMENT: Element = Element::F32;
    #[inline(always)]
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V {
        // SAFETY: the caller's promise; loads may be unaligned.
        unsafe { L::load(from.cast()) }
    }
}

impl Read for Halves {
    const ELEMENT: Element = Element::F16;
    #[inline(always)]
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V {
        // SAFETY: the caller's promise.
        unsafe { L::halves(from) }
    }
}

impl Read for Brains {
    const ELEMENT: Element = Element::BF16;
    #[inline(always)]
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V {
        // SAFETY: the caller's promise.
        unsafe { L::brains(from) }
    }
}

/// Multiplies `panels` panels.
///
/// # Safety
/// The processor has the instructions of `L`, and `at` points to `panels` panels of that element, to `rows` rows of
/// `cols` activations, and to `rows` rows of output with room for `16 * panels` values each.
#[inline(always)]
pub(in crate::quant) unsafe fn panels<L: Lanes>(element: Element, at: Operands, panels: usize) {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        match element {
            Element::F32 => each::<L, Singles>(at, panels),
            Element::F16 => each::<L, Halves>(at, panels),
            Element::BF16 => each::<L, Brains>(at, panels),
        }
    }
}

/// Two panels at a time where a panel is a single register, so that an activation is read once for both.
#[inline(always)]
unsafe fn each<L: Lanes, R: Read>(mut at: Operands, mut panels: usize) {
    let bytes = const { R::ELEMENT }.panel_bytes(at.cols);
    macro_rules! step {
        ($panels:literal, $registers:literal, $sums:literal) => {
            while panels >= $panels {
                // SAFETY: so many panels and columns of output remain.
                unsafe {
                    strips::<L, R, $registers, $sums>(at, bytes);
                    at.panels = at.panels.add($panels * bytes);
                    at.out = at.out.add($panels * TILE_ROWS);
                }
                panels -= $panels;
            }
        };
    }
    match TILE_ROWS / L::WIDTH {
        1 => {
            step!(2, 2, 2);
            step!(1, 1, 2);
        }
        2 => step!(1, 2, 1),
        _ => step!(1, 4, 1),
    }
}

/// All rows, up to four at a time, with `N` registers of weights, in `P` partial sums.
#[inline(always)]
unsafe fn strips<L: Lanes, R: Read, const N: usize, const P: usize>(mut at: Operands, bytes: usize) {
    let mut left = at.rows;
    macro_rules! strip {
        ($rows:literal) => {
            while left >= $rows {
                // SAFETY: `left` rows remain of activations and of output.
                unsafe {
                    strip::<L, R, $rows, N, P>(at, bytes);
                    at.xs = at.xs.add($rows * at.cols);
                    at.out = at.out.add($rows * at.stride);
                }
                // The first rows have fetched for all.
                at.fetch_end = at.panels;
                left -= $rows;
            }
        };
    }
    strip!(4);
    strip!(3);
    strip!(2);
    strip!(1);
}

/// `M` rows with `N` registers of weights, which lie in one panel or in neighbouring ones.
#[inline(always)]
unsafe fn strip<L: Lanes, R: Read, const M: usize, const N: usize, const P: usize>(at: Operands, bytes: usize) {
    // SAFETY: inputs below `cols`, rows below `M`, and registers within the panels: all within what the caller vouches for.
    unsafe {
        let mut sums = [[[L::zero(); P]; N]; M];
        let width = L::WIDTH * const { R::ELEMENT.bytes() };
        let step = TILE_ROWS * const { R::ELEMENT.bytes() };
        // Where the panels' registers begin, in bytes.
        let mut starts = [0; N];
        for n in 1..N {
            starts[n] = n * L::WIDTH / TILE_ROWS * bytes + n * width % step;
        }
        let mut rows = [at.xs; M];
        for m in 1..M {
            rows[m] = at.xs.add(m * at.cols);
        }
        let mut weights = at.panels;
        macro_rules! input {
            ($k:expr, $part:expr) => {
                for n in 0..N {
                    let w = R::read::<L>(weights.add(starts[n]));
                    for m in 0..M {
                        sums[m][n][$part] = L::fma(w, L::splat(*rows[m].add($k)), sums[m][n][$part]);
                    }
                }
                weights = weights.add(step);
            };
        }
        let mut k = 0;
        for _ in 0..at.cols / P {
            // Each line of each panel once.
            for n in (0..N).step_by(TILE_ROWS / L::WIDTH) {
                let ahead = weights.wrapping_add(starts[n]).wrapping_add(FETCH_AHEAD);
                if ahead < at.fetch_end {
                    for line in 0..(P * step).div_ceil(64) {
                        L::prefetch(ahead.wrapping_add(line * 64));
                    }
                }
            }
            for part in 0..P {
                input!(k, part);
                k = k.wrapping_add(1);
            }
        }
        while k < at.cols {
            input!(k, 0);
            k = k.wrapping_add(1);
        }
        for m in 0..M {
            for n in 0..N {
                let mut sum = sums[m][n][0];
                for part in 1..P {
                    sum = L::add(sum, sums[m][n][part]);
                }
                L::store(at.out.add(m * at.stride + n * L::WIDTH), sum);
            }
        }
    }
}
