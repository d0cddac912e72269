//! Rows of activations as eight-bit codes.

use super::format::GROUP;
use crate::quant::kernel::kernels;

/// Rows of activations, quantized in groups of [`GROUP`]: `value = scale * code`, with codes from -127 to 127.
///
/// Buffers are kept between calls, so quantizing allocates only when a batch is larger than any before.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    rows: usize,
    cols: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// Where a kernel writes the codes of some rows.
#[derive(Debug)]
pub struct Codes<'a> {
    /// A code per value.
    pub codes: &'a mut [i8],
    /// A scale per group.
    pub scales: &'a mut [f32],
    /// Two sums per group, of the values `scale * code` of its halves.
    pub sums: &'a mut [f32],
}

impl Activations {
    /// Quantizes `xs`, rows of `cols` values each.
    ///
    /// # Panics
    /// When `xs` is not whole rows, or rows are not whole groups.
    pub fn quantize(&mut self, xs: &[f32], cols: usize) {
        assert!(cols.is_multiple_of(GROUP) && xs.len().is_multiple_of(cols), "invariant: whole rows of whole groups");
        let (codes, scales, sums) = self.resize(xs.len() / cols, cols);
        (kernels().quantize)(xs, Codes { codes, scales, sums });
    }

    /// Makes room for `rows` rows of `cols` values, whose codes, scales and sums are written next.
    pub(in crate::quant) fn resize(&mut self, rows: usize, cols: usize) -> (&mut [i8], &mut [f32], &mut [f32]) {
        (self.rows, self.cols) = (rows, cols);
        self.codes.resize(rows * cols, 0);
        self.scales.resize(rows * cols / GROUP, 0.0);
        self.sums.resize(rows * cols / GROUP * 2, 0.0);
        (&mut self.codes, &mut self.scales, &mut self.sums)
    }

    /// Rows held.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values per row.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// A code per value.
    #[must_use]
    pub fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// A scale per group.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Two sums per group, of the values of its halves.
    #[must_use]
    pub fn sums(&self) -> &[f32] {
        &self.sums
    }

    /// The values that the codes stand for.
    pub fn dequantize(&self, out: &mut [f32]) {
        for ((values, codes), scale) in
            out.chunks_exact_mut(GROUP).zip(self.codes.chunks_exact(GROUP)).zip(&self.scales)
        {
            values.iter_mut().zip(codes).for_each(|(y, &code)| *y = f32::from(code) * scale);
        }
    }
}

/// The body of every `quantize` kernel: plain loops that the instruction sets compile with their own registers.
///
/// A group with a NaN or an infinity gets a scale that is no number either, so it cannot be lost on the way.
#[inline(always)]
pub(crate) fn quantize(xs: &[f32], out: Codes<'_>) {
    /// Adding it leaves a number rounded to an integer in the low bits of the sum: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    let groups = xs.as_chunks::<GROUP>().0.iter();
    let codes = out.codes.as_chunks_mut::<GROUP>().0.iter_mut();
    let sums = out.sums.as_chunks_mut::<2>().0.iter_mut();
    for (((xs, codes), scale), sums) in groups.zip(codes).zip(out.scales.iter_mut()).zip(sums) {
        // As integers, magnitudes keep their order, and NaN is the largest.
        let largest = f32::from_bits(xs.iter().map(|x| x.to_bits() & 0x7fff_ffff).max().unwrap_or(0));
        let by = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        *scale = largest / 127.0;
        let rounded = xs.map(|x| (x * by + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed());
        *codes = rounded.map(|code| code as i8);
        let (low, high) = rounded.split_at(GROUP / 2);
        let sum = |half: &[i32]| half.iter().fold(0i32, |sum, &code| sum.wrapping_add(code)) as f32;
        *sums = [sum(low) * *scale, sum(high) * *scale];
    }
}
