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
/// How many panels ahead of their use those of a list are fetched.
pub(super) const FETCH_LISTED: usize = 3;

/// Type of the weights of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    BF16,
    /// Integers from -128 to 127, whose scale is the caller's.
    I8,
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
            Self::I8 => 1,
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
            Self::I8 => value[0] = f32::from(bytes[0].cast_signed()),
        }
        value[0]
    }
}

/// Where panels lie.
#[derive(Clone, Copy)]
pub(in crate::quant) enum Panels {
    /// One after the other from here on; it is worth while to fetch ahead up to `fetch_end`.
    Following { first: *const u8, fetch_end: *const u8 },
    /// At the addresses of a list.
    Listed { list: *const *const u8, count: usize },
}

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Operands {
    /// Panels of `[cols, 16]` weights.
    pub(in crate::quant) panels: Panels,
    /// Inputs.
    pub(in crate::quant) cols: usize,
    /// The first row of activations.
    pub(in crate::quant) xs: *const f32,
    /// Rows of activations.
    pub(in crate::quant) rows: usize,
    /// Where the first row's output for the first panel goes.
    pub(in crate::quant) out: *mut f32,
    /// Values from one output row to the next.
    pub(in crate::quant) stride: usize,
}

impl Panels {
    /// Where panel `index` lies.
    ///
    /// # Safety
    /// There are more panels than `index`.
    #[inline(always)]
    pub(in crate::quant) unsafe fn at(self, index: usize, bytes: usize) -> *const u8 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Following { first, .. } => first.add(index * bytes),
                Self::Listed { list, .. } => *list.add(index),
            }
        }
    }

    /// What is fetched while panel `index` is read, and whether it is worth it.
    ///
    /// # Safety
    /// As [`Panels::at`].
    #[inline(always)]
    unsafe fn ahead(self, index: usize, bytes: usize) -> (*const u8, bool) {
        match self {
            Self::Following { first, fetch_end } => {
                let ahead = first.wrapping_add(index * bytes + FETCH_AHEAD);
                (ahead, ahead < fetch_end)
            }
            // SAFETY: below the list's length.
            Self::Listed { list, count } => unsafe {
                let ahead = index + FETCH_LISTED;
                (*list.add(ahead.min(count - 1)), ahead < count)
            },
        }
    }
}

/// Reads weights of one type.
pub(super) trait Read {
    const ELEMENT: Element;
    /// # Safety
    /// `WIDTH` weights are readable, and the processor has the instructions of `L`.
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V;
}

pub(super) struct Singles;
pub(super) struct Halves;
pub(super) struct Brains;
pub(super) struct Integers;

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

impl Read for Integers {
    const ELEMENT: Element = Element::I8;
    #[inline(always)]
    unsafe fn read<L: Lanes>(from: *const u8) -> L::V {
        // SAFETY: the caller's promise.
        unsafe { L::widen_signed(from) }
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
            Element::I8 => each::<L, Integers>(at, panels),
        }
    }
}

/// Two panels at a time where a panel is a single register, so that an activation is read once for both.
#[inline(always)]
unsafe fn each<L: Lanes, R: Read>(at: Operands, panels: usize) {
    let mut panel = 0;
    macro_rules! step {
        ($panels:literal, $registers:literal, $sums:literal) => {
            while panels - panel >= $panels {
                // SAFETY: so many panels and columns of output remain.
                unsafe {
                    let out = at.out.add(panel * TILE_ROWS);
                    strips::<L, R, $registers, $sums>(Operands { out, ..at }, panel);
                }
                panel += $panels;
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

/// All rows, up to four at a time, with `N` registers of weights from panel `panel` on, in `P` partial sums.
#[inline(always)]
unsafe fn strips<L: Lanes, R: Read, const N: usize, const P: usize>(mut at: Operands, panel: usize) {
    let bytes = const { R::ELEMENT }.panel_bytes(at.cols);
    let (mut weights, mut ahead, mut fetch) = ([std::ptr::null(); N], [std::ptr::null(); N], false);
    for n in 0..N {
        let (own, lane) = (panel + n * L::WIDTH / TILE_ROWS, n * L::WIDTH % TILE_ROWS);
        // SAFETY: registers lie within the panels that the caller vouches for.
        unsafe {
            weights[n] = at.panels.at(own, bytes).add(lane * const { R::ELEMENT.bytes() });
            (ahead[n], fetch) = at.panels.ahead(own, bytes);
        }
    }
    let mut left = at.rows;
    macro_rules! strip {
        ($rows:literal) => {
            while left >= $rows {
                // SAFETY: `left` rows remain of activations and of output.
                unsafe {
                    strip::<L, R, $rows, N, P>(at, weights, ahead, fetch);
                    at.xs = at.xs.wrapping_add($rows * at.cols);
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

/// `M` rows with `N` registers of weights.
#[inline(always)]
unsafe fn strip<L: Lanes, R: Read, const M: usize, const N: usize, const P: usize>(
    at: Operands,
    weights: [*const u8; N],
    ahead: [*const u8; N],
    fetch: bool,
) {
    // SAFETY: inputs below `cols`, rows below `M`, and registers within the panels: all within what the caller vouches for.
    unsafe {
        let mut sums = [[[L::zero(); P]; N]; M];
        let step = TILE_ROWS * const { R::ELEMENT.bytes() };
        let mut rows = [at.xs; M];
        for m in 1..M {
            rows[m] = at.xs.add(m * at.cols);
        }
        let mut offset = 0usize;
        macro_rules! input {
            ($k:expr, $part:expr) => {
                for n in 0..N {
                    let w = R::read::<L>(weights[n].add(offset));
                    for m in 0..M {
                        sums[m][n][$part] = L::fma(w, L::splat(*rows[m].add($k)), sums[m][n][$part]);
                    }
                }
                offset = offset.wrapping_add(step);
            };
        }
        let mut k = 0;
        for _ in 0..at.cols / P {
            if fetch {
                // Each line of each panel.
                for n in (0..N).step_by(TILE_ROWS / L::WIDTH) {
                    for line in 0..(P * step).div_ceil(64) {
                        L::prefetch(ahead[n].wrapping_add(offset + line * 64));
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
