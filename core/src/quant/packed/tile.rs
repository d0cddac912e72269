//! The product of a tile with rows of activations, for every layout and instruction set.
//!
//! Each output is one sum over the groups in their order, whatever the number of rows that are worked on together, so
//! a row's result does not depend on its batch.

#![expect(clippy::needless_range_loop, reason = "registers are unrolled by number; iterators over arrays are calls")]

use super::format::{Format, GROUP, NESTED, Scaling, TILE_ROWS};
use super::simd::Simd;
use crate::quant::kernel::Lanes;
use crate::weights::BlockType;

/// How far ahead of their use weights are fetched, in bytes, and whether into the cache behind the nearest one. Memory takes
/// so long that either alone leaves a single row waiting; measured on Zen 5, where anything from half to twice this does.
const FETCH_AHEAD: [(usize, bool); 2] = [(4 << 10, false), (16 << 10, true)];

/// Rows of activations from which two tiles are worked on together.
pub(in crate::quant) const PAIRED: usize = 8;

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Operands {
    /// The first tile.
    pub(in crate::quant) tiles: *const u8,
    /// Groups per row.
    pub(in crate::quant) groups: usize,
    /// Codes, scales, sums and counts of the activations' first row.
    pub(in crate::quant) codes: *const i8,
    pub(in crate::quant) scales: *const f32,
    pub(in crate::quant) sums: *const f32,
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

/// A layout as a type, so that a kernel is compiled for each.
pub(super) trait Layout {
    const FORMAT: Format;
}

macro_rules! layouts {
    ($($name:ident),*) => {
        $(
            pub(in super::super) struct $name;
            impl Layout for $name {
                const FORMAT: Format = match Format::of(BlockType::$name) {
                    Some(format) => format,
                    None => panic!("a layout without a format"),
                };
            }
        )*
    };
}

pub(super) mod layout {
    #![expect(non_camel_case_types, reason = "the field's names")]
    use super::{BlockType, Format, Layout};
    layouts!(Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0);
}

/// Multiplies `tiles` tiles of a matrix of type `kind`.
///
/// # Safety
/// The processor has the instructions of `S`, and `at` points to `tiles` tiles of that type, to `rows` rows of
/// activations of `groups` groups, and to `rows` rows of output with room for `16 * tiles` values each.
#[inline(always)]
pub(super) unsafe fn tiles<S: Simd>(kind: BlockType, at: Operands, tiles: usize) {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        match kind {
            BlockType::Q4_0 => each::<S, layout::Q4_0>(at, tiles),
            BlockType::Q4_1 => each::<S, layout::Q4_1>(at, tiles),
            BlockType::Q4_K => each::<S, layout::Q4_K>(at, tiles),
            BlockType::Q5_0 => each::<S, layout::Q5_0>(at, tiles),
            BlockType::Q5_1 => each::<S, layout::Q5_1>(at, tiles),
            BlockType::Q5_K => each::<S, layout::Q5_K>(at, tiles),
            BlockType::Q6_K => each::<S, layout::Q6_K>(at, tiles),
            BlockType::Q8_0 => each::<S, layout::Q8_0>(at, tiles),
            _ => unreachable!("invariant: only types with a layout are packed"),
        }
    }
}

/// Two tiles at a time where a tile is a single register and arithmetic is what takes the time, so that an activation is read
/// once for both. Few rows wait for memory, which likes a single stream better.
#[inline(always)]
unsafe fn each<S: Simd, L: Layout>(mut at: Operands, mut tiles: usize) {
    let bytes = const { L::FORMAT }.tile_bytes(at.groups);
    macro_rules! step {
        ($tiles:literal) => {
            while tiles >= $tiles {
                // SAFETY: so many tiles and columns of output remain.
                unsafe {
                    strips::<S, L, $tiles>(at, bytes);
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

/// `T` tiles with all rows: eight, four, two or one at a time.
#[inline(always)]
unsafe fn strips<S: Simd, L: Layout, const T: usize>(mut at: Operands, bytes: usize) {
    let mut left = at.rows;
    macro_rules! strip {
        ($rows:literal) => {
            while $rows <= S::MAX_ROWS && left >= $rows {
                // SAFETY: `left` rows remain of activations and of output.
                unsafe {
                    strip::<S, L, $rows, T>(at, bytes);
                    at.codes = at.codes.wrapping_add($rows * at.groups * GROUP);
                    at.scales = at.scales.wrapping_add($rows * at.groups);
                    at.sums = at.sums.wrapping_add($rows * at.groups);
                    at.counts = at.counts.wrapping_add($rows * at.groups * 3);
                    at.out = at.out.wrapping_add($rows * at.stride);
                }
                // The first rows have fetched for all.
                at.fetch_end = at.tiles;
                left -= $rows;
            }
        };
    }
    strip!(8);
    strip!(4);
    strip!(2);
    strip!(1);
}

/// `M` rows with `T` tiles: all of their registers at once where they are few, else one after the other.
#[inline(always)]
unsafe fn strip<S: Simd, L: Layout, const M: usize, const T: usize>(at: Operands, bytes: usize) {
    // SAFETY: the caller's promise; `set * LANES` stays below the tile's rows.
    unsafe {
        match (TILE_ROWS / S::LANES, M) {
            (1, _) => registers::<S, L, M, T>(at, bytes, 0),
            (2, 1 | 2) => registers::<S, L, M, 2>(at, bytes, 0),
            (4, 1 | 2) => registers::<S, L, M, 4>(at, bytes, 0),
            (4, 4) => {
                registers::<S, L, M, 2>(at, bytes, 0);
                registers::<S, L, M, 2>(at, bytes, 2);
            }
            (sets, _) => {
                for set in 0..sets {
                    registers::<S, L, M, 1>(at, bytes, set);
                }
            }
        }
    }
}

/// `M` rows with registers `set..set + N`, which lie in one tile of `bytes` bytes or in neighbouring ones.
#[inline(always)]
unsafe fn registers<S: Simd, L: Layout, const M: usize, const N: usize>(at: Operands, bytes: usize, set: usize) {
    let format = const { L::FORMAT };
    let parts = const { parts(L::FORMAT) };
    // SAFETY: every address below lies within the tiles' planes, the activations of `M` rows, and their output.
    unsafe {
        let mut sums = [[S::Floats::splat(0.0); N]; M];
        // Loops instead of the methods of arrays: those are functions of their own, without the instructions of the set.
        let (mut codes, mut scales, mut nested) = ([at.tiles; N], [at.tiles; N], [at.tiles; N]);
        // Each register's first row in its tile.
        let mut first = [0; N];
        for n in 0..N {
            let row = (set + n) * S::LANES;
            let tile = at.tiles.add(row / TILE_ROWS * bytes);
            first[n] = row % TILE_ROWS;
            codes[n] = tile.add(4 * first[n]);
            scales[n] = tile.add(format.scales_at(at.groups));
            nested[n] = tile.add(format.nested_at(at.groups));
        }
        let mut fetch = at.tiles;
        // Registers of neighbouring tiles move on through both.
        let step = (format.code_bytes() + format.scale_bytes() + format.nested_bytes() / NESTED)
            * (N * S::LANES).div_ceil(TILE_ROWS);
        let (mut activations, mut row_scales, mut row_sums, mut row_counts) = (at.codes, at.scales, at.sums, at.counts);
        // Offsets of the rows, multiplied once: inside of the loop, checked arithmetic would cost more than it guards.
        let mut starts = [0; M];
        for m in 1..M {
            starts[m] = m * at.groups;
        }
        for group in 0..at.groups {
            let mut rows = [activations; M];
            for m in 1..M {
                rows[m] = activations.add(starts[m].wrapping_mul(GROUP));
            }
            for part in 0..parts {
                let mut start = [S::integer(0); M];
                for m in 0..M {
                    let counts = row_counts.add(starts[m].wrapping_mul(3));
                    start[m] = start_of::<S>(format, if parts == 2 { counts.add(1 + part) } else { counts });
                }
                let dots = S::dots::<L, M, N>(codes, rows, start, part);
                for n in 0..N {
                    let scale = scale::<S>(format, scales[n], nested[n], first[n], part);
                    for m in 0..M {
                        let by = S::Floats::mul(scale, S::Floats::splat(*row_scales.add(starts[m])));
                        sums[m][n] = S::Floats::fma(S::floats(dots[m][n]), by, sums[m][n]);
                    }
                    if let Some(least) = least::<S>(format, scales[n], nested[n], first[n]) {
                        for m in 0..M {
                            sums[m][n] = S::Floats::fma(least, S::Floats::splat(*row_sums.add(starts[m])), sums[m][n]);
                        }
                    }
                }
            }
            // By the bytes that a group takes with its scales, so that no line of a tile is left out. A single row waits
            // for memory only, so it does not even ask where to stop.
            for (distance, far) in FETCH_AHEAD {
                let from = fetch.wrapping_add(distance);
                if M == 1 || from < at.fetch_end {
                    for line in 0..step.div_ceil(64) {
                        let line = from.wrapping_add(line * 64);
                        if far { S::prefetch_far(line) } else { S::Floats::prefetch(line) }
                    }
                }
            }
            fetch = fetch.wrapping_add(step);
            for n in 0..N {
                codes[n] = codes[n].add(format.code_bytes());
                scales[n] = scales[n].add(format.scale_bytes());
                if group % NESTED == NESTED - 1 {
                    nested[n] = nested[n].add(format.nested_bytes());
                }
            }
            activations = activations.add(GROUP);
            (row_scales, row_sums, row_counts) = (row_scales.add(1), row_sums.add(1), row_counts.add(3));
        }
        for m in 0..M {
            for n in 0..N {
                S::Floats::store(at.out.add(m * at.stride + (set + n) * S::LANES), sums[m][n]);
            }
        }
    }
}

/// Where a dot product starts so that it counts codes from the one of weight zero.
#[inline(always)]
unsafe fn start_of<S: Simd>(format: Format, count: *const i32) -> S::Int {
    let zero = match format.scaling {
        Scaling::Symmetric { .. } if format.bits == 8 => S::EIGHT_ZERO,
        Scaling::Symmetric { zero } => zero,
        Scaling::Signed => 32,
        Scaling::Affine | Scaling::Nested => 0,
    };
    // SAFETY: the caller's count, and the instructions of `S`.
    unsafe {
        if zero == 0 {
            return S::integer(0);
        }
        // The codes of zero are powers of two.
        S::shifted(S::integer(*count), zero.trailing_zeros() as usize)
    }
}

/// Scales of the rows of a register.
#[inline(always)]
unsafe fn scale<S: Simd>(
    format: Format,
    scales: *const u8,
    nested: *const u8,
    row: usize,
    part: usize,
) -> <S::Floats as Lanes>::V {
    // SAFETY: the planes hold 16 rows for this group, as their format says.
    unsafe {
        match format.scaling {
            Scaling::Symmetric { .. } | Scaling::Affine => S::Floats::halves(scales.add(2 * row)),
            Scaling::Nested => {
                S::Floats::mul(S::Floats::halves(nested.add(2 * row)), S::Floats::widen(scales.add(row)))
            }
            Scaling::Signed => S::Floats::mul(
                S::Floats::halves(nested.add(2 * row)),
                S::Floats::widen_signed(scales.add(part * TILE_ROWS + row)),
            ),
        }
    }
}

/// What is added for each activation, whatever the code.
#[inline(always)]
unsafe fn least<S: Simd>(
    format: Format,
    scales: *const u8,
    nested: *const u8,
    row: usize,
) -> Option<<S::Floats as Lanes>::V> {
    // SAFETY: as `scale`.
    unsafe {
        match format.scaling {
            Scaling::Symmetric { .. } | Scaling::Signed => None,
            Scaling::Affine => Some(S::Floats::halves(scales.add(2 * (TILE_ROWS + row)))),
            Scaling::Nested => {
                let least = S::Floats::mul(
                    S::Floats::halves(nested.add(2 * (TILE_ROWS + row))),
                    S::Floats::widen(scales.add(TILE_ROWS + row)),
                );
                Some(S::Floats::mul(least, S::Floats::splat(-1.0)))
            }
        }
    }
}

/// Groups of a [`Scaling::Signed`] type have a scale for each half; of all others one.
pub(super) const fn parts(format: Format) -> usize {
    if matches!(format.scaling, Scaling::Signed) { 2 } else { 1 }
}
