//! A weight matrix in its file format, and its product with rows of activations.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::quant::kernel::{PANEL, kernels};
use crate::weights::{BlockType, Bytes, TensorView};

/// Weight rows per parallel task: long enough to hide the hand-over, short enough to balance cores of unequal speed.
const ROWS_PER_TASK: usize = 32;
/// How far ahead of the decoder weights are fetched, in bytes. Rows are short and lie in 4 KiB pages of a file mapping,
/// where the processor's own prefetching stops; without this a decode step waits for memory most of its time.
const FETCH_AHEAD: usize = 6 << 10;

/// A `[out, in]` matrix, used in place: quantized blocks are decoded a few rows at a time while they are multiplied.
#[derive(Clone, Debug)]
pub struct Matrix {
    kind: BlockType,
    rows: usize,
    cols: usize,
    data: Bytes,
}

impl Matrix {
    /// Takes a two-dimensional tensor.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not `[rows, cols]`.
    pub fn new(tensor: TensorView, rows: usize, cols: usize) -> Result<Self> {
        tensor.expect_shape(&[rows, cols])?;
        if rows == 0 || cols == 0 {
            return Err(Error::Shape { name: tensor.name, found: vec![rows, cols], expected: vec![1, 1] });
        }
        Ok(Self { kind: tensor.kind, rows, cols, data: tensor.data })
    }

    /// A matrix of f32 values made in memory.
    ///
    /// # Panics
    /// When `values` does not hold `rows * cols` values.
    #[must_use]
    pub fn from_f32(values: &[f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "invariant: the caller has checked the shape");
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { kind: BlockType::F32, rows, cols, data: bytes.into() }
    }

    /// Rows `start..start + count`, sharing the bytes: one of several matrices that a checkpoint stores on top of each
    /// other.
    ///
    /// # Errors
    /// [`Error::Argument`] when they are not within the matrix.
    pub fn slice_rows(&self, start: usize, count: usize) -> Result<Self> {
        let end = start.checked_add(count).filter(|&end| count > 0 && end <= self.rows);
        let Some(end) = end else {
            return Err(Error::argument("rows", format!("{start} and {count} more, of {}", self.rows)));
        };
        let row = self.kind.bytes(self.cols);
        Ok(Self { rows: count, data: self.data.slice(start * row, end * row), ..self.clone() })
    }

    /// Output features.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input features.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element or block type.
    #[must_use]
    pub fn kind(&self) -> BlockType {
        self.kind
    }

    /// Bytes of weights, and how many of them are anonymous memory.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        (self.data.len(), self.data.anonymous_len())
    }

    /// Decodes rows `from..from + out.len() / cols` into `out`.
    fn decode(&self, from: usize, out: &mut [f32]) {
        let row = self.kind.bytes(self.cols);
        let (start, end) = (from * row, from * row + out.len() / self.cols * row);
        let ahead = |at: usize| (at + FETCH_AHEAD).min(self.data.len());
        (kernels().prefetch)(&self.data[ahead(start)..ahead(end)]);
        (kernels().dequantize)(self.kind, &self.data[start..end], out);
    }

    /// Decodes one row: an embedding lookup.
    ///
    /// # Panics
    /// When `row >= rows` or `out.len() != cols`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "invariant: ids are checked against the vocabulary");
        self.decode(row, out);
    }

    /// `out[m, n] = xs[m] . self[n]` for `count` activation rows: `xs` is `[count, cols]`, `out` is `[count, rows]`.
    ///
    /// A row's result does not depend on `count`. Decoded weights live in a per-task buffer of [`PANEL`] rows.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn multiply(&self, xs: &[f32], count: usize, out: &mut [f32]) {
        assert_eq!(xs.len(), count * self.cols, "invariant: activations are [count, cols]");
        assert_eq!(out.len(), count * self.rows, "invariant: output is [count, rows]");
        if count == 1 {
            // One row of output is laid out as its own transpose.
            self.multiply_transposed(xs, 1, out);
        } else if count > 1 {
            let mut transposed = vec![0.0; out.len()];
            self.multiply_transposed(xs, count, &mut transposed);
            out.par_chunks_mut(self.rows).enumerate().for_each(|(m, ys)| {
                for (y, column) in ys.iter_mut().zip(transposed.chunks_exact(count)) {
                    *y = column[m];
                }
            });
        }
    }

    /// As [`Matrix::multiply`], with `out` as `[rows, count]`, which lets tasks own disjoint slices of it.
    fn multiply_transposed(&self, xs: &[f32], count: usize, out: &mut [f32]) {
        let dots = kernels().dots;
        out.par_chunks_mut(ROWS_PER_TASK * count).enumerate().for_each_init(
            || vec![0.0; PANEL * self.cols],
            |panel, (task, out)| {
                let mut row = task * ROWS_PER_TASK;
                for out in out.chunks_mut(PANEL * count) {
                    let rows = out.len() / count;
                    let weights = &mut panel[..rows * self.cols];
                    self.decode(row, weights);
                    dots(weights, xs, self.cols, count, out);
                    row += rows;
                }
            },
        );
    }
}
