//! Rows of activations as eight-bit codes with one scale per row.

use super::format::GROUP;
use crate::quant::kernel::kernels;

/// Rows of activations as bytes: `value = scale * code`, a scale per row, codes from -127 to 127.
///
/// Buffers are kept between calls.
#[derive(Clone, Debug, Default)]
pub struct RowCodes {
    /// Codes of a row, filled up with zeros to whole groups, which kernels load at once.
    width: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    /// Sums of a row's codes, negated.
    counts: Vec<i32>,
}

/// Where a kernel writes the codes of some rows.
#[derive(Debug)]
pub struct RowCodesOut<'a> {
    /// Codes of a row, those beyond its values included.
    pub width: usize,
    /// `[rows, width]`.
    pub codes: &'a mut [i8],
    /// A scale per row.
    pub scales: &'a mut [f32],
    /// A sum of codes per row, negated.
    pub counts: &'a mut [i32],
}

impl RowCodes {
    /// Rounds `xs`, rows of `cols` values, to bytes.
    ///
    /// A row with a NaN or an infinity gets a scale that is no number either.
    pub fn quantize(&mut self, xs: &[f32], cols: usize) {
        let out = self.resize(xs.len() / cols, cols);
        (kernels().quantize_rows)(xs, cols, out);
    }

    /// Makes room for `rows` rows of `cols` values, which are written next.
    pub(in crate::quant) fn resize(&mut self, rows: usize, cols: usize) -> RowCodesOut<'_> {
        self.width = cols.next_multiple_of(GROUP);
        self.codes.resize(rows * self.width, 0);
        self.scales.resize(rows, 0.0);
        self.counts.resize(rows, 0);
        RowCodesOut { width: self.width, codes: &mut self.codes, scales: &mut self.scales, counts: &mut self.counts }
    }

    /// Rows held.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Codes per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The codes of row `row`.
    #[must_use]
    pub fn codes(&self, row: usize) -> &[i8] {
        &self.codes[row * self.width..(row + 1) * self.width]
    }

    /// The scale of each row.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The sum of each row's codes, negated.
    #[must_use]
    pub fn counts(&self) -> &[i32] {
        &self.counts
    }

    /// The values that a row's codes stand for.
    pub fn dequantize(&self, row: usize) -> impl Iterator<Item = f32> {
        self.codes(row).iter().map(move |code| f32::from(*code) * self.scales[row])
    }
}

/// The body of every `quantize_rows` kernel: plain loops that the instruction sets compile with their own registers.
#[inline(always)]
pub(crate) fn quantize_rows(xs: &[f32], cols: usize, out: RowCodesOut<'_>) {
    /// Adding it leaves a number rounded to an integer in the low bits of the sum: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    let rows = xs.chunks_exact(cols).zip(out.codes.chunks_exact_mut(out.width));
    for ((xs, codes), (scale, count)) in rows.zip(out.scales.iter_mut().zip(out.counts)) {
        // As integers, magnitudes keep their order, and NaN is the largest.
        let largest = f32::from_bits(xs.iter().map(|x| x.to_bits() & 0x7fff_ffff).max().unwrap_or(0));
        let by = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        *scale = largest / 127.0;
        let (own, rest) = codes.split_at_mut(cols);
        let mut sum = 0i32;
        for (code, x) in own.iter_mut().zip(xs) {
            let rounded = (x * by + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
            sum = sum.wrapping_sub(rounded);
            *code = rounded as i8;
        }
        rest.fill(0);
        *count = sum;
    }
}
