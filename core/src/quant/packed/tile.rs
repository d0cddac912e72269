//! The product of a tile with rows of activations, for every layout and instruction set.
//!
//! Each output is one sum over the groups in their order, whatever the number of rows that are worked on together, so
//! a row's result does not depend on its batch.

use super::format::{Format, GROUP, NESTED, Scaling, TILE_ROWS};
use super::simd::Simd;
use crate::weights::BlockType;

/// How far ahead of their use weights are fetched, in bytes, and whether into the cache behind the nearest one. Memory takes
/// so long that either alone leaves a single row waiting; measured on Zen 5, where anything from half to twice this does.
const FETCH_AHEAD: [(usize, bool); 2] = [(4 << 10, false), (16 << 10, true)];

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Operands {
    /// The first tile.
    pub(in crate::quant) tiles: *const u8,
    /// Groups per row.
    pub(in crate::quant) groups: usize,
    /// Codes, scales and sums of the activations' first row.
    pub(in crate::quant) codes: *const i8,
    pub(in crate::quant) scales: *const f32,
    pub(in crate::quant) sums: *const f32,
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
            pub(super) struct $name;
            impl Layout for $name {
                const FORMAT: Format = match Format::of(BlockType::$name) {
                    Some(format) => format,
                    None => panic!("a layout without a format"),
                };
            }
        )*
    };
}

mod layout {
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

#[inline(always)]
unsafe fn each<S: Simd, L: Layout>(mut at: Operands, tiles: usize) {
    let bytes = const { L::FORMAT }.tile_bytes(at.groups);
    for _ in 0..tiles {
        // SAFETY: the caller has `tiles` tiles and as many columns of output; each round moves by one of both.
        unsafe {
            strips::<S, L>(at);
            at.tiles = at.tiles.add(bytes);
            at.out = at.out.add(TILE_ROWS);
        }
    }
}

/// One tile with all rows: eight, four, two or one at a time.
#[inline(always)]
unsafe fn strips<S: Simd, L: Layout>(mut at: Operands) {
    let mut left = at.rows;
    macro_rules! strip {
        ($rows:literal) => {
            while $rows <= S::MAX_ROWS && left >= $rows {
                // SAFETY: `left` rows remain of activations and of output.
                unsafe {
                    strip::<S, L, $rows>(at);
                    at.codes = at.codes.add($rows * at.groups * GROUP);
                    at.scales = at.scales.add($rows * at.groups);
                    at.sums = at.sums.add($rows * at.groups * 2);
                    at.out = at.out.add($rows * at.stride);
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

/// One tile with `M` rows: all of the tile's registers at once where they are few, else one after the other.
#[inline(always)]
unsafe fn strip<S: Simd, L: Layout, const M: usize>(at: Operands) {
    // SAFETY: the caller's promise; `set * LANES` stays below the tile's rows.
    unsafe {
        match (TILE_ROWS / S::LANES, M) {
            (1, _) => registers::<S, L, M, 1>(at, 0),
            (2, 1 | 2) => registers::<S, L, M, 2>(at, 0),
            (4, 1 | 2) => registers::<S, L, M, 4>(at, 0),
            (4, 4) => {
                registers::<S, L, M, 2>(at, 0);
                registers::<S, L, M, 2>(at, 2);
            }
            (sets, _) => {
                for set in 0..sets {
                    registers::<S, L, M, 1>(at, set);
                }
            }
        }
    }
}

/// `M` rows with registers `set..set + N` of one tile.
#[inline(always)]
unsafe fn registers<S: Simd, L: Layout, const M: usize, const N: usize>(at: Operands, set: usize) {
    let format = const { L::FORMAT };
    let parts = const { parts(L::FORMAT) };
    // SAFETY: every address below lies within the tile's planes, the activations of `M` rows, and their output.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; M];
        let mut codes = at.tiles.add(set * S::LANES * 4);
        let mut scales = at.tiles.add(format.scales_at(at.groups));
        let mut nested = at.tiles.add(format.nested_at(at.groups));
        let mut fetch = at.tiles;
        let step = format.code_bytes() + format.scale_bytes() + format.nested_bytes() / NESTED;
        let (mut activations, mut row_scales, mut row_sums) = (at.codes, at.scales, at.sums);
        // Offsets of the rows, multiplied once: inside of the loop, checked arithmetic would cost more than it guards.
        let starts: [usize; M] = std::array::from_fn(|m| m * at.groups);
        for group in 0..at.groups {
            let rows: [*const i8; M] = std::array::from_fn(|m| activations.add(starts[m].wrapping_mul(GROUP)));
            for part in 0..parts {
                let dots = S::dots::<L, M, N>(codes, rows, part);
                for n in 0..N {
                    let row = (set + n) * S::LANES;
                    let (scale, shift) = line::<S>(format, scales, nested, row, part);
                    for m in 0..M {
                        let sum = row_sums.add(starts[m]).add(starts[m]);
                        let sum = if parts == 2 { *sum.add(part) } else { *sum + *sum.add(1) };
                        let by = S::mul(scale, S::splat(*row_scales.add(starts[m])));
                        sums[m][n] = S::fma(S::floats(dots[m][n]), by, sums[m][n]);
                        sums[m][n] = S::fma(shift, S::splat(sum), sums[m][n]);
                    }
                }
            }
            // By the bytes that a group takes with its scales, so that no line of a tile is left out.
            for (distance, far) in FETCH_AHEAD {
                let from = fetch.wrapping_add(distance);
                if from < at.fetch_end {
                    for line in 0..step.div_ceil(64) {
                        let line = from.wrapping_add(line * 64);
                        if far { S::prefetch_far(line) } else { S::prefetch(line) }
                    }
                }
            }
            fetch = fetch.wrapping_add(step);
            codes = codes.add(format.code_bytes());
            scales = scales.add(format.scale_bytes());
            activations = activations.add(GROUP);
            (row_scales, row_sums) = (row_scales.add(1), row_sums.add(2));
            if group % NESTED == NESTED - 1 {
                nested = nested.add(format.nested_bytes());
            }
        }
        for m in 0..M {
            for n in 0..N {
                S::store(at.out.add(m * at.stride + (set + n) * S::LANES), sums[m][n]);
            }
        }
    }
}

/// Scale and shift of the rows of a register: `weight = scale * code + shift`, with `code` as the dot product counts it.
#[inline(always)]
unsafe fn line<S: Simd>(
    format: Format,
    scales: *const u8,
    nested: *const u8,
    row: usize,
    part: usize,
) -> (S::Float, S::Float) {
    // SAFETY: the planes hold 16 rows for this group, as their format says.
    unsafe {
        match format.scaling {
            Scaling::Symmetric { zero } => {
                let scale = S::halves(scales.add(2 * row));
                let zero = if format.bits == 8 { S::EIGHT_ZERO } else { f32::from(zero) };
                (scale, S::mul(scale, S::splat(-zero)))
            }
            Scaling::Affine => (S::halves(scales.add(2 * row)), S::halves(scales.add(2 * (TILE_ROWS + row)))),
            Scaling::Nested => {
                let scale = S::mul(S::halves(nested.add(2 * row)), S::bytes(scales.add(row)));
                let least = S::mul(S::halves(nested.add(2 * (TILE_ROWS + row))), S::bytes(scales.add(TILE_ROWS + row)));
                (scale, S::mul(least, S::splat(-1.0)))
            }
            Scaling::Signed => {
                let scale = S::mul(S::halves(nested.add(2 * row)), S::signed_bytes(scales.add(part * TILE_ROWS + row)));
                (scale, S::mul(scale, S::splat(-32.0)))
            }
        }
    }
}

/// Groups of a [`Scaling::Signed`] type have a scale for each half; of all others one.
pub(super) const fn parts(format: Format) -> usize {
    if matches!(format.scaling, Scaling::Signed) { 2 } else { 1 }
}

/// The dot products of a group or of its half, four inputs at a time.
///
/// # Safety
/// As [`Simd::dots`].
#[inline(always)]
pub(super) unsafe fn dots<S: Simd, L: Layout, const M: usize, const N: usize>(
    codes: *const u8,
    rows: [*const i8; M],
    part: usize,
) -> [[S::Int; N]; M] {
    // SAFETY: the caller's promise: a group of codes, and of each row of activations.
    unsafe {
        let xs = rows.map(|row| S::group(row));
        let mut dots = [[S::zero(); N]; M];
        for n in 0..N {
            let codes = codes.add(n * S::LANES * 4);
            if part == 0 {
                quads::<S, L, M, N, 0>(codes, &xs, n, &mut dots);
                quads::<S, L, M, N, 2>(codes, &xs, n, &mut dots);
            }
            if part + 1 == const { parts(L::FORMAT) } {
                quads::<S, L, M, N, 4>(codes, &xs, n, &mut dots);
                quads::<S, L, M, N, 6>(codes, &xs, n, &mut dots);
            }
        }
        dots
    }
}

/// Adds the products of inputs `4 J` to `4 J + 7` of a group.
#[inline(always)]
unsafe fn quads<S: Simd, L: Layout, const M: usize, const N: usize, const J: usize>(
    codes: *const u8,
    xs: &[S::Group; M],
    n: usize,
    dots: &mut [[S::Int; N]; M],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (first, second) = codes_of::<S, L, J>(codes);
        for m in 0..M {
            dots[m][n] = if const { L::FORMAT.bits } == 8 {
                eight::<S, J>(dots[m][n], first, second, xs[m])
            } else {
                four::<S, J>(dots[m][n], first, second, xs[m])
            };
        }
    }
}

/// The codes of inputs `4 J` to `4 J + 3` and of the next four, in two registers.
///
/// # Safety
/// `codes` points to the rows of a register in a group of the layout; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn codes_of<S: Simd, L: Layout, const J: usize>(codes: *const u8) -> (S::Int, S::Int) {
    const REGISTER: usize = 4 * TILE_ROWS;
    // SAFETY: the registers of a group, as its format lays them out.
    unsafe {
        if const { L::FORMAT.bits } == 8 {
            let load = |quad: usize| S::eight(S::load(codes.add(quad * REGISTER)));
            return (load(J), load(J + 1));
        }
        let both = S::load(codes.add(J / 2 * REGISTER));
        let (first, second) = (S::low(both), S::high(both));
        match const { L::FORMAT.bits } {
            5 => five::<S, J>(first, second, S::load(codes.add(4 * REGISTER))),
            6 => six::<S, J>(first, second, S::load(codes.add((4 + J / 4) * REGISTER))),
            _ => (first, second),
        }
    }
}

/// Expands to a function that does something with inputs `4 J` to `4 J + 3` and with the next four.
macro_rules! by_quad {
    ($name:ident, ($($arg:ident: $ty:ty),*) -> $out:ty, |$j:ident| $body:expr) => {
        #[inline(always)]
        unsafe fn $name<S: Simd, const J: usize>($($arg: $ty),*) -> $out {
            // SAFETY: the caller has the instructions of `S`.
            unsafe {
                match J {
                    0 => { const $j: usize = 0; $body }
                    2 => { const $j: usize = 2; $body }
                    4 => { const $j: usize = 4; $body }
                    _ => { const $j: usize = 6; $body }
                }
            }
        }
    };
}

by_quad!(eight, (sum: S::Int, first: S::Int, second: S::Int, xs: S::Group) -> S::Int, |Q| {
    S::dot_eight::<{ Q + 1 }>(S::dot_eight::<Q>(sum, first, xs), second, xs)
});
by_quad!(four, (sum: S::Int, first: S::Int, second: S::Int, xs: S::Group) -> S::Int, |Q| {
    S::dot::<{ Q + 1 }>(S::dot::<Q>(sum, first, xs), second, xs)
});
by_quad!(five, (first: S::Int, second: S::Int, plane: S::Int) -> (S::Int, S::Int), |Q| {
    (S::fifth::<Q>(first, plane), S::fifth::<{ Q + 1 }>(second, plane))
});
by_quad!(six, (first: S::Int, second: S::Int, plane: S::Int) -> (S::Int, S::Int), |Q| {
    (S::sixth::<{ Q % 4 }>(first, plane), S::sixth::<{ Q % 4 + 1 }>(second, plane))
});
