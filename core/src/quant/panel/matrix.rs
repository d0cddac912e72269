//! A float matrix in panels.

use std::ops::Range;

use super::tile::{Element, Operands, Panels};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::pool;
use crate::quant::kernel::{Kernels, kernels};
use crate::quant::matrix::Matrix;
use crate::quant::packed::TILE_ROWS;
use crate::weights::{BlockType, Bytes};

/// A `[out, in]` matrix of floats as `[out / 16, in, 16]`, rows beyond the last one zero.
#[derive(Clone, Debug)]
pub struct PanelMatrix {
    element: Element,
    rows: usize,
    cols: usize,
    data: Bytes,
}

impl PanelMatrix {
    /// Bytes that a matrix takes; `None` for block types that are no floats, and for empty matrices.
    #[must_use]
    pub fn packed_bytes(kind: BlockType, rows: usize, cols: usize) -> Option<usize> {
        Element::of(kind)?;
        let values = rows.div_ceil(TILE_ROWS).checked_mul(cols.checked_mul(TILE_ROWS)?)?;
        values.checked_mul(kind.block_bytes()).filter(|&bytes| bytes > 0)?.checked_next_multiple_of(64)
    }

    /// Writes rows of floats into `out`, on all threads.
    ///
    /// # Panics
    /// When the lengths are not those of `rows` rows of `cols` values, and of [`PanelMatrix::packed_bytes`].
    pub fn pack(kind: BlockType, values: &[u8], rows: usize, cols: usize, out: &mut [u8]) {
        let bytes = kind.block_bytes();
        assert_eq!(values.len(), rows * cols * bytes, "invariant: whole rows");
        assert_eq!(Some(out.len()), Self::packed_bytes(kind, rows, cols), "invariant: whole panels");
        // What fills the last cache line belongs to no panel.
        let (out, filler) = out.split_at_mut(rows.div_ceil(TILE_ROWS) * cols * TILE_ROWS * bytes);
        filler.fill(0);
        pool::chunks(out, cols * TILE_ROWS * bytes, |panel, out| {
            out.fill(0);
            let first = panel * TILE_ROWS;
            for row in 0..TILE_ROWS.min(rows - first) {
                let values = &values[(first + row) * cols * bytes..][..cols * bytes];
                for (value, out) in values.chunks_exact(bytes).zip(out.chunks_exact_mut(TILE_ROWS * bytes)) {
                    out[row * bytes..(row + 1) * bytes].copy_from_slice(value);
                }
            }
        });
    }

    /// Takes bytes that [`PanelMatrix::pack`] wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the type is no float, or there are more or fewer bytes than the shape needs.
    pub fn new(name: &str, kind: BlockType, rows: usize, cols: usize, data: Bytes) -> Result<Self> {
        let expected = Self::packed_bytes(kind, rows, cols);
        match (Element::of(kind), expected) {
            (Some(element), Some(bytes)) if bytes == data.len() => Ok(Self { element, rows, cols, data }),
            _ => {
                let reason = format!("{} bytes for [{rows}, {cols}] of {kind}, expected {expected:?}", data.len());
                Err(Error::malformed(format!("packed tensor '{name}'"), "packed weights", reason))
            }
        }
    }

    /// The panels of a float matrix, in anonymous memory; `None` for block types.
    #[must_use]
    pub fn of(matrix: &Matrix) -> Option<Self> {
        Element::of(matrix.kind())?;
        matrix.packed().into_panels()
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

    /// The bytes of the panels.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Panels of 16 rows.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(TILE_ROWS)
    }

    fn panel_bytes(&self) -> usize {
        self.element.panel_bytes(self.cols)
    }

    /// Reads one row.
    ///
    /// # Panics
    /// When `row >= rows` or `out.len() != cols`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "invariant: ids are checked against the matrix");
        let (panel, row) = (&self.data[row / TILE_ROWS * self.panel_bytes()..][..self.panel_bytes()], row % TILE_ROWS);
        for (weights, out) in panel.chunks_exact(TILE_ROWS * self.element.bytes()).zip(out) {
            *out = self.element.read(weights, row);
        }
    }

    /// `out[m, n] = xs[m] . self[n]` on the calling thread: for matrices so small that sharing would cost more.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn multiply(&self, xs: &[f32], out: &mut [f32]) {
        let rows = xs.len() / self.cols;
        assert!(xs.len() == rows * self.cols && out.len() == rows * self.rows, "invariant: whole rows");
        if rows > 0 {
            let range = 0..self.panels();
            // SAFETY: the selected kernels run here; `out` is borrowed mutably and holds `rows` rows of output.
            unsafe { self.columns(kernels(), range, self.panels(), xs, out.as_mut_ptr(), self.rows) }
        }
    }

    /// The product of all rows of `xs` with the matrix' rows of some panels, written to `out`: the place of the first row's
    /// output for row `16 * panels.start` of the matrix, with `stride` values from one row of activations to the next. Weights
    /// are fetched ahead up to panel `fetch_end`: those that the same thread reads next.
    ///
    /// # Safety
    /// The processor has the instructions of `kernels`; `out` is valid for writes of the panels' rows (those that the
    /// matrix has) at each row's stride, and nothing else uses them meanwhile.
    ///
    /// # Panics
    /// When the panels or the width do not fit.
    pub(in crate::quant) unsafe fn columns(
        &self,
        kernels: &Kernels,
        panels: Range<usize>,
        fetch_end: usize,
        xs: &[f32],
        out: *mut f32,
        stride: usize,
    ) {
        assert!(panels.start <= panels.end && panels.end <= self.panels(), "invariant: they are within the matrix");
        let rows = xs.len() / self.cols;
        assert_eq!(xs.len(), rows * self.cols, "invariant: activations are [rows, cols]");
        let whole = panels.start..panels.end.min(self.rows / TILE_ROWS).max(panels.start);
        let at = |panel: usize, out, stride| Operands {
            panels: Panels::Following {
                first: self.data[panel * self.panel_bytes()..].as_ptr(),
                fetch_end: self.data.as_ptr().wrapping_add(fetch_end.min(self.panels()) * self.panel_bytes()),
            },
            cols: self.cols,
            xs: xs.as_ptr(),
            rows,
            out,
            stride,
        };
        if !whole.is_empty() {
            // SAFETY: the panels are within the data, whose length was checked, and full; the rest is the caller's promise.
            unsafe { (kernels.panels)(self.element, at(whole.start, out, stride), whole.len()) }
        }
        if whole.end < panels.end {
            let (left, done) = (self.rows - whole.end * TILE_ROWS, (whole.end - panels.start) * TILE_ROWS);
            let mut padded = Room::new(rows * TILE_ROWS);
            // SAFETY: the last panel, with output into a buffer of full rows.
            unsafe { (kernels.panels)(self.element, at(whole.end, padded.as_mut_ptr(), TILE_ROWS), 1) }
            for (m, values) in padded.chunks_exact(TILE_ROWS).enumerate() {
                // SAFETY: the matrix has `left` rows in its last panel, for which the caller vouches.
                unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), out.add(m * stride + done), left) }
            }
        }
    }

    /// `out[m, n] = xs[m] . self[rows.start + n]` on the calling thread: a part of the rows of the matrix.
    ///
    /// # Panics
    /// When the part does not begin at a panel or end at one or at the matrix' end, or the lengths do not fit.
    pub fn multiply_rows(&self, rows: Range<usize>, xs: &[f32], out: &mut [f32]) {
        let (count, width) = (xs.len() / self.cols, rows.len());
        let ends = rows.end == self.rows || rows.end < self.rows && rows.end.is_multiple_of(TILE_ROWS);
        assert!(rows.start.is_multiple_of(TILE_ROWS) && ends, "invariant: whole panels");
        assert!(xs.len() == count * self.cols && out.len() == count * width, "invariant: whole rows");
        let panels = rows.start / TILE_ROWS..rows.end.div_ceil(TILE_ROWS);
        if count > 0 {
            // SAFETY: the selected kernels run here; `out` is borrowed mutably and has room for `count` rows of the part.
            unsafe { self.columns(kernels(), panels.clone(), panels.end, xs, out.as_mut_ptr(), width) }
        }
    }
}

/// `out[m, n] = xs[m] . panels[n]` on the calling thread, for panels that are no matrix of a model: `panels` is
/// `[out / 16, cols, 16]` of `kind`, `xs` is `[rows, cols]`, and row `m` of the output begins at `out[m * stride]`.
///
/// # Panics
/// When `kind` is no float, or the lengths do not fit.
pub(crate) fn multiply_panels(kind: BlockType, panels: &[u8], cols: usize, xs: &[f32], out: &mut [f32], stride: usize) {
    let element = Element::of(kind).expect("invariant: panels hold floats");
    let bytes = cols * TILE_ROWS * kind.block_bytes();
    let (count, rows) = (panels.len() / bytes, xs.len() / cols);
    assert!(panels.len() == count * bytes && xs.len() == rows * cols, "invariant: whole panels and whole rows");
    assert!(rows > 0 && count * TILE_ROWS <= stride && out.len() >= (rows - 1) * stride + count * TILE_ROWS);
    // Just written, or small enough to be near: nothing is to be fetched.
    let panels = Panels::Following { first: panels.as_ptr(), fetch_end: panels.as_ptr() };
    let at = Operands { panels, cols, xs: xs.as_ptr(), rows, out: out.as_mut_ptr(), stride };
    // SAFETY: the selected kernels run here, and the lengths were just checked.
    unsafe { (kernels().panels)(element, at, count) }
}
