//! Rows of activations as eight-bit codes.

use std::ops::Range;

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
    counts: Vec<i32>,
}

/// Some rows of [`Activations`].
#[derive(Clone, Copy, Debug)]
pub struct CodeRows<'a> {
    /// Rows.
    pub rows: usize,
    /// Values per row.
    pub cols: usize,
    /// A code per value.
    pub codes: &'a [i8],
    /// A scale per group.
    pub scales: &'a [f32],
    /// A sum per group, of the values that its codes stand for.
    pub sums: &'a [f32],
    /// Three sums of codes per group, negated: of all, and of each half.
    pub counts: &'a [i32],
}

/// Where a kernel writes the codes of some rows.
#[derive(Debug)]
pub struct Codes<'a> {
    /// A code per value.
    pub codes: &'a mut [i8],
    /// A scale per group.
    pub scales: &'a mut [f32],
    /// A sum per group, of the values `scale * code`.
    pub sums: &'a mut [f32],
    /// Three sums of codes per group, negated: of all, and of each half.
    pub counts: &'a mut [i32],
}

impl Activations {
    /// Quantizes `xs`, rows of `cols` values each.
    ///
    /// # Panics
    /// When `xs` is not whole rows, or rows are not whole groups.
    pub fn quantize(&mut self, xs: &[f32], cols: usize) {
        assert!(cols.is_multiple_of(GROUP) && xs.len().is_multiple_of(cols), "invariant: whole rows of whole groups");
        let out = self.resize(xs.len() / cols, cols);
        (kernels().quantize)(xs, out);
    }

    /// Makes room for `rows` rows of `cols` values, which are written next.
    pub(in crate::quant) fn resize(&mut self, rows: usize, cols: usize) -> Codes<'_> {
        (self.rows, self.cols) = (rows, cols);
        let groups = rows * cols / GROUP;
        self.codes.resize(rows * cols, 0);
        self.scales.resize(groups, 0.0);
        self.sums.resize(groups, 0.0);
        self.counts.resize(groups * 3, 0);
        Codes { codes: &mut self.codes, scales: &mut self.scales, sums: &mut self.sums, counts: &mut self.counts }
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

    /// All rows.
    #[must_use]
    pub fn all(&self) -> CodeRows<'_> {
        self.some(0..self.rows)
    }

    /// Neighbouring rows.
    ///
    /// # Panics
    /// When they are not all there.
    #[must_use]
    pub fn some(&self, rows: Range<usize>) -> CodeRows<'_> {
        let groups = rows.start * self.cols / GROUP..rows.end * self.cols / GROUP;
        CodeRows {
            rows: rows.len(),
            cols: self.cols,
            codes: &self.codes[rows.start * self.cols..rows.end * self.cols],
            scales: &self.scales[groups.clone()],
            sums: &self.sums[groups.clone()],
            counts: &self.counts[groups.start * 3..groups.end * 3],
        }
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
    let results = out.scales.iter_mut().zip(out.sums.iter_mut()).zip(out.counts.as_chunks_mut::<3>().0);
    for ((xs, codes), ((scale, sum), counts)) in groups.zip(codes).zip(results) {
        // As integers, magnitudes keep their order, and NaN is the largest.
        let largest = f32::from_bits(xs.iter().map(|x| x.to_bits() & 0x7fff_ffff).max().unwrap_or(0));
        let by = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        *scale = largest / 127.0;
        let mut rounded = [0i32; GROUP];
        for ((rounded, code), x) in rounded.iter_mut().zip(codes).zip(xs) {
            *rounded = (x * by + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
            *code = *rounded as i8;
        }
        let (low, high) = rounded.split_at(GROUP / 2);
        let total = |half: &[i32]| half.iter().fold(0i32, |sum, &code| sum.wrapping_sub(code));
        let (low, high) = (total(low), total(high));
        *counts = [low.wrapping_add(high), low, high];
        *sum = -(counts[0] as f32) * *scale;
    }
}
