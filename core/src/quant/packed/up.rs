//! The second factor of a low-rank delta: many rows of few inputs, multiplied by one small row of activations and added to an
//! output that is there already.
//!
//! A tile is 16 rows: a register of four inputs of each row after the other, codes plus 128, then a scale per row as f32.

use super::dots::{codes_of, eight};
use super::format::TILE_ROWS;
use super::row_codes::RowCodes;
use super::simd::Simd;
use super::tile::layout;
use crate::quant::kernel::{Kernels, Lanes};
use crate::weights::Bytes;

/// How far ahead of their use tiles are fetched, in bytes; what follows in memory is read by the next product.
const FETCH_AHEAD: usize = 4 << 10;
/// Inputs per register.
const QUAD: usize = 4;
/// Inputs are filled up to a multiple: two registers are read at a time.
const STEP: usize = 2 * QUAD;
/// Bytes of a register's codes, and of a tile's scales.
const REGISTER: usize = TILE_ROWS * QUAD;

/// A `[rows, rank]` matrix as bytes with a scale per row.
#[derive(Clone, Debug)]
pub struct UpMatrix {
    rows: usize,
    rank: usize,
    data: Bytes,
}

/// Pointers of one product.
#[derive(Clone, Copy)]
pub(in crate::quant) struct UpOperands {
    /// The first tile.
    tiles: *const u8,
    /// Registers of codes per tile, a multiple of two.
    quads: usize,
    /// Codes of the row, as many as whole groups hold that cover the registers.
    codes: *const i8,
    /// The sum of the codes, negated.
    count: i32,
    scale: f32,
    /// 16 values per tile, which are added to.
    out: *mut f32,
}

/// `v` rounded to the nearest integer, for `|v|` below 2^22: adding 1.5 * 2^23 leaves it in the low bits.
fn nearest(v: f32) -> i32 {
    const ROUND: f32 = 12_582_912.0;
    (v + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed()
}

impl UpMatrix {
    /// Rounds a matrix of finite values to bytes.
    ///
    /// # Panics
    /// When `values` is not `[rows, rank]`, or empty.
    #[must_use]
    pub fn new(values: &[f32], rows: usize, rank: usize) -> Self {
        assert!(!values.is_empty() && values.len() == rows * rank, "invariant: the caller has checked the shape");
        let quads = quads(rank);
        let data = Bytes::aligned(rows.div_ceil(TILE_ROWS) * tile_bytes(quads), |out| {
            for (tile, values) in out.chunks_exact_mut(tile_bytes(quads)).zip(values.chunks(TILE_ROWS * rank)) {
                let (codes, scales) = tile.split_at_mut(quads * REGISTER);
                codes.fill(128);
                for (row, values) in values.chunks_exact(rank).enumerate() {
                    let (scale, by) = scale(values);
                    scales[4 * row..4 * row + 4].copy_from_slice(&scale.to_le_bytes());
                    for (i, value) in values.iter().enumerate() {
                        codes[i / QUAD * REGISTER + QUAD * row + i % QUAD] = (nearest(value * by) + 128) as u8;
                    }
                }
            }
        });
        Self { rows, rank, data }
    }

    /// The bytes of all tiles.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// What its codes mean, `[rows, rank]`.
    pub(in crate::quant) fn to_f32(&self) -> Vec<f32> {
        let quads = quads(self.rank);
        let tiles = self.data.chunks_exact(tile_bytes(quads)).map(|tile| tile.split_at(quads * REGISTER));
        let rows = tiles.flat_map(|(codes, scales)| (0..TILE_ROWS).map(move |row| (codes, scales, row)));
        rows.take(self.rows)
            .flat_map(|(codes, scales, row)| {
                let scale: [u8; 4] = scales[4 * row..4 * row + 4].try_into().expect("invariant: four bytes");
                let code = move |i: usize| i32::from(codes[i / QUAD * REGISTER + QUAD * row + i % QUAD]) - 128;
                (0..self.rank).map(move |i| code(i) as f32 * f32::from_le_bytes(scale))
            })
            .collect()
    }

    /// Uses the copy of its bytes at `start` of `whole` from now on; returns where that ends.
    ///
    /// # Panics
    /// When `whole` is shorter.
    pub(in crate::quant) fn move_to(&mut self, whole: &Bytes, start: usize) -> usize {
        let end = start + self.data.len();
        self.data = whole.slice(start, end);
        end
    }

    /// Adds the product of row `row` of `xs` with the matrix' rows from `16 * tile` on to `out`, as many as it has.
    ///
    /// # Panics
    /// When the rows are not in the matrix, or the rank is another one.
    pub(in crate::quant) fn add(&self, kernels: &Kernels, tile: usize, xs: &RowCodes, row: usize, out: &mut [f32]) {
        let quads = quads(self.rank);
        assert!(
            xs.width() == self.rank.next_multiple_of(super::GROUP) && tile * TILE_ROWS + out.len() <= self.rows,
            "invariant: they fit"
        );
        let at = |tile: usize, out: *mut f32| UpOperands {
            tiles: self.data[tile * tile_bytes(quads)..].as_ptr(),
            quads,
            codes: xs.codes(row).as_ptr(),
            count: xs.counts()[row],
            scale: xs.scales()[row],
            out,
        };
        let (whole, rest) = out.as_chunks_mut::<TILE_ROWS>();
        // SAFETY: `kernels` run here; so many tiles are in the matrix, and as many values in the output.
        unsafe { (kernels.up)(at(tile, whole.as_mut_ptr().cast()), whole.len()) }
        if !rest.is_empty() {
            let mut padded = [0.0; TILE_ROWS];
            padded[..rest.len()].copy_from_slice(rest);
            // SAFETY: as above; the output is one whole tile.
            unsafe { (kernels.up)(at(tile + whole.len(), padded.as_mut_ptr()), 1) }
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    }
}

/// The scale of a row, and what its values are multiplied with before they are rounded.
fn scale(values: &[f32]) -> (f32, f32) {
    // As integers, magnitudes keep their order, and NaN is the largest.
    let largest = f32::from_bits(values.iter().map(|v| v.to_bits() & 0x7fff_ffff).max().unwrap_or(0));
    (largest / 127.0, if largest == 0.0 { 0.0 } else { 127.0 / largest })
}

/// Registers per tile.
fn quads(rank: usize) -> usize {
    rank.next_multiple_of(STEP) / QUAD
}

fn tile_bytes(quads: usize) -> usize {
    quads * REGISTER + REGISTER
}

/// Adds the products of `tiles` tiles with one row to its output.
///
/// # Safety
/// The processor has the instructions of `S`, and `at` points to `tiles` tiles, to a row of codes, and to `16 * tiles` values.
#[inline(always)]
pub(super) unsafe fn up<S: Simd>(mut at: UpOperands, tiles: usize) {
    // SAFETY: registers stay within the tiles, groups within the row of codes, and sets of lanes within the output.
    unsafe {
        let zero = if S::EIGHT_ZERO == 0 {
            S::integer(0)
        } else {
            S::shifted(S::integer(at.count), S::EIGHT_ZERO.trailing_zeros() as usize)
        };
        let scale = S::Floats::splat(at.scale);
        for _ in 0..tiles {
            for set in 0..TILE_ROWS / S::LANES {
                let mut codes = at.tiles.add(QUAD * set * S::LANES);
                let mut xs = at.codes;
                let (mut sum, mut left) = (zero, at.quads);
                while left > 0 {
                    let group = S::group(xs);
                    macro_rules! step {
                        ($j:literal) => {
                            if left > $j {
                                let (first, second) = codes_of::<S, layout::Q8_0, $j>(codes);
                                sum = eight::<S, $j>(sum, first, second, group);
                            }
                        };
                    }
                    step!(0);
                    step!(2);
                    step!(4);
                    step!(6);
                    codes = codes.wrapping_add(8 * REGISTER);
                    xs = xs.wrapping_add(super::GROUP);
                    left = left.saturating_sub(8);
                }
                let scales = at.tiles.add(at.quads * REGISTER).cast::<f32>().add(set * S::LANES);
                let by = S::Floats::mul(S::Floats::load(scales), scale);
                let out = at.out.add(set * S::LANES);
                S::Floats::store(out, S::Floats::fma(S::floats(sum), by, S::Floats::load(out)));
            }
            let mut ahead = at.tiles.wrapping_add(FETCH_AHEAD);
            for _ in 0..=at.quads {
                S::Floats::prefetch(ahead);
                ahead = ahead.wrapping_add(REGISTER);
            }
            at.tiles = at.tiles.wrapping_add(tile_bytes(at.quads));
            at.out = at.out.wrapping_add(TILE_ROWS);
        }
    }
}

/// The oracle.
///
/// # Safety
/// As [`up`], on any processor.
pub(in crate::quant) unsafe fn up_scalar(at: UpOperands, tiles: usize) {
    // SAFETY: the caller vouches for the tiles, the row of codes, and the output.
    let (data, xs, out) = unsafe {
        (
            std::slice::from_raw_parts(at.tiles, tiles * tile_bytes(at.quads)),
            std::slice::from_raw_parts(at.codes, at.quads * QUAD),
            std::slice::from_raw_parts_mut(at.out, tiles * TILE_ROWS),
        )
    };
    for (tile, out) in data.chunks_exact(tile_bytes(at.quads)).zip(out.chunks_exact_mut(TILE_ROWS)) {
        let (codes, scales) = tile.split_at(at.quads * REGISTER);
        for (row, (out, scale)) in out.iter_mut().zip(scales.as_chunks::<4>().0).enumerate() {
            let code = |i: usize| i32::from(codes[i / QUAD * REGISTER + QUAD * row + i % QUAD]) - 128;
            let sum: i32 = xs.iter().enumerate().map(|(i, &x)| code(i) * i32::from(x)).sum();
            *out += sum as f32 * (f32::from_le_bytes(*scale) * at.scale);
        }
    }
}
