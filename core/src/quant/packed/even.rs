//! The product of tiles whose rows have one scale each with rows of activations that have one scale each: integers from the
//! first input to the last, and one multiplication at the end.
//!
//! Weights are those of type Q8_0, whose blocks happen to have the same scale throughout a row.

#![expect(clippy::needless_range_loop, reason = "registers are unrolled by number; iterators over arrays are calls")]

use super::dots::{codes_of, eight};
use super::format::{Format, GROUP, TILE_ROWS};
use super::simd::Simd;
use super::tile::{Layout, PAIRED, layout};
use crate::quant::kernel::Lanes;
use crate::weights::half;

/// How far ahead of their use weights are fetched, in bytes.
const FETCH_AHEAD: usize = 4 << 10;

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct EvenOperands {
    /// The first tile.
    pub(in crate::quant) tiles: *const u8,
    /// Groups per row.
    pub(in crate::quant) groups: usize,
    /// Codes, scales and counts of the activations' first row.
    pub(in crate::quant) codes: *const i8,
    pub(in crate::quant) scales: *const f32,
    pub(in crate::quant) counts: *const i32,
    /// Rows of activations.
    pub(in crate::quant) rows: usize,
    /// Up to where it is worth while to fetch weights ahead; at `tiles` for none of them.
    pub(in crate::quant) fetch_end: *const u8,
    /// Where the first row's output for the first tile goes.
    pub(in crate::quant) out: *mut f32,
    /// Values from one output row to the next.
    pub(in crate::quant) stride: usize,
}

const FORMAT: Format = layout::Q8_0::FORMAT;

/// Multiplies `tiles` tiles. An output is exact but for its last multiplication, whatever is computed beside it.
///
/// # Safety
/// The processor has the instructions of `S`, and `at` points to `tiles` tiles of type Q8_0, to `rows` rows of activations of
/// `groups` groups, and to `rows` rows of output with room for `16 * tiles` values each.
#[inline(always)]
pub(super) unsafe fn even<S: Simd>(mut at: EvenOperands, mut tiles: usize) {
    let bytes = FORMAT.tile_bytes(at.groups);
    macro_rules! step {
        ($tiles:literal) => {
            while tiles >= $tiles {
                // SAFETY: so many tiles and columns of output remain.
                unsafe {
                    strips::<S, $tiles>(at, bytes);
                    at.tiles = at.tiles.wrapping_add($tiles * bytes);
                    at.out = at.out.wrapping_add($tiles * TILE_ROWS);
                }
                tiles -= $tiles;
            }
        };
    }
    if TILE_ROWS == S::LANES && at.rows >= PAIRED {
        step!(2);
    }
    step!(1);
}

/// `T` tiles with all rows: eight where registers suffice, four, two or one at a time.
#[inline(always)]
unsafe fn strips<S: Simd, const T: usize>(mut at: EvenOperands, bytes: usize) {
    let mut left = at.rows;
    macro_rules! strip {
        ($rows:literal) => {
            while left >= $rows {
                // SAFETY: `left` rows remain of activations and of output.
                unsafe {
                    match TILE_ROWS / S::LANES {
                        1 => registers::<S, $rows, T>(at, bytes, 0),
                        2 => registers::<S, $rows, 2>(at, bytes, 0),
                        _ => registers::<S, $rows, 4>(at, bytes, 0),
                    }
                    at.codes = at.codes.wrapping_add($rows * at.groups * GROUP);
                    at.scales = at.scales.wrapping_add($rows);
                    at.counts = at.counts.wrapping_add($rows);
                    at.out = at.out.wrapping_add($rows * at.stride);
                }
                // The first rows have fetched for all.
                at.fetch_end = at.tiles;
                left -= $rows;
            }
        };
    }
    if TILE_ROWS == S::LANES {
        strip!(8);
    }
    strip!(4);
    strip!(2);
    strip!(1);
}

/// `M` rows with registers `set..set + N`, which lie in one tile of `bytes` bytes or in neighbouring ones.
#[inline(always)]
unsafe fn registers<S: Simd, const M: usize, const N: usize>(at: EvenOperands, bytes: usize, set: usize) {
    // SAFETY: every address below lies within the tiles' planes, the activations of `M` rows, and their output.
    unsafe {
        let (mut codes, mut scales) = ([at.tiles; N], [at.tiles; N]);
        for n in 0..N {
            let row = (set + n) * S::LANES;
            let tile = at.tiles.add(row / TILE_ROWS * bytes);
            codes[n] = tile.add(4 * (row % TILE_ROWS));
            scales[n] = tile.add(FORMAT.scales_at(at.groups) + 2 * (row % TILE_ROWS));
        }
        let mut sums = [[S::integer(0); N]; M];
        if S::EIGHT_ZERO != 0 {
            for m in 0..M {
                // The code of zero is a power of two.
                sums[m] = [S::shifted(S::integer(*at.counts.add(m)), S::EIGHT_ZERO.trailing_zeros() as usize); N];
            }
        }
        let mut rows = [at.codes; M];
        for m in 1..M {
            rows[m] = at.codes.add(m.wrapping_mul(at.groups).wrapping_mul(GROUP));
        }
        for _ in 0..at.groups {
            let mut xs = [S::group(rows[0]); M];
            for m in 1..M {
                xs[m] = S::group(rows[m]);
            }
            macro_rules! quads {
                ($j:literal) => {
                    let mut weights = [codes_of::<S, layout::Q8_0, $j>(codes[0]); N];
                    for n in 1..N {
                        weights[n] = codes_of::<S, layout::Q8_0, $j>(codes[n]);
                    }
                    for m in 0..M {
                        for n in 0..N {
                            sums[m][n] = eight::<S, $j>(sums[m][n], weights[n].0, weights[n].1, xs[m]);
                        }
                    }
                };
            }
            quads!(0);
            quads!(2);
            quads!(4);
            quads!(6);
            for n in 0..N.div_ceil(TILE_ROWS / S::LANES) {
                let from = codes[n * (TILE_ROWS / S::LANES)].wrapping_add(FETCH_AHEAD);
                if M == 1 || from < at.fetch_end {
                    for line in 0..FORMAT.code_bytes() / 64 {
                        S::Floats::prefetch(from.wrapping_add(line * 64));
                    }
                }
            }
            for n in 0..N {
                codes[n] = codes[n].add(FORMAT.code_bytes());
            }
            for m in 0..M {
                rows[m] = rows[m].wrapping_add(GROUP);
            }
        }
        for n in 0..N {
            let scale = S::Floats::halves(scales[n]);
            for m in 0..M {
                let by = S::Floats::mul(scale, S::Floats::splat(*at.scales.add(m)));
                let out = at.out.add(m.wrapping_mul(at.stride) + (set + n) * S::LANES);
                S::Floats::store(out, S::Floats::mul(S::floats(sums[m][n]), by));
            }
        }
    }
}

/// The oracle.
///
/// # Safety
/// As [`even`], on any processor.
pub(in crate::quant) unsafe fn even_scalar(at: EvenOperands, tiles: usize) {
    let (bytes, width) = (FORMAT.tile_bytes(at.groups), at.groups * GROUP);
    // SAFETY: the caller vouches for the tiles, the rows of activations, and for output that nothing else uses.
    let (packed, codes, scales) = unsafe {
        (
            std::slice::from_raw_parts(at.tiles, tiles * bytes),
            std::slice::from_raw_parts(at.codes, at.rows * width),
            std::slice::from_raw_parts(at.scales, at.rows),
        )
    };
    for (tile, packed) in packed.chunks_exact(bytes).enumerate() {
        for row in 0..TILE_ROWS {
            let code = |i: usize| i32::from(packed[i / 4 * 4 * TILE_ROWS + 4 * row + i % 4]) - 128;
            let at_scale = FORMAT.scales_at(at.groups) + 2 * row;
            let scale = half(packed[at_scale], packed[at_scale + 1]);
            for (m, xs) in codes.chunks_exact(width).enumerate() {
                let sum: i32 = xs.iter().enumerate().map(|(i, &x)| code(i) * i32::from(x)).sum();
                // SAFETY: the caller vouches for 16 values per tile in each row of output.
                unsafe { *at.out.add(m * at.stride + tile * TILE_ROWS + row) = sum as f32 * (scale * scales[m]) }
            }
        }
    }
}
