//! A weight matrix, packed or as its file has it, and its product with rows of activations.

use std::ops::Range;
use std::path::Path;

use crate::arena::Room;
use crate::error::{Error, Result};
use crate::pool;
use crate::quant::columns::Columns;
use crate::quant::kernel::{Kernels, PANEL, kernels};
use crate::quant::packed::{Activations, PackedMatrix, RowCodes, TILE_ROWS};
use crate::quant::panel::PanelMatrix;
use crate::quant::store;
use crate::weights::{BlockType, Bytes, TensorView};

/// How far ahead of the decoder weights are fetched, in bytes. Rows are short and lie in 4 KiB pages of a file mapping,
/// where the processor's own prefetching stops; without this a decode step waits for memory most of its time.
const FETCH_AHEAD: usize = 6 << 10;
/// Weights per share of a product: long enough to hide the hand-over, short enough to balance cores of unequal speed.
const WEIGHTS_PER_SHARE: usize = 1 << 17;

/// A `[out, in]` matrix.
#[derive(Clone, Debug)]
pub struct Matrix {
    kind: BlockType,
    rows: usize,
    cols: usize,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    /// As in the file: decoded a few rows at a time while they are multiplied, in f32.
    Blocks(Bytes),
    /// In the order of the integer kernels, which quantize activations to eight bits.
    Packed(PackedMatrix),
    /// Floats, in the order of the float kernels.
    Panels(PanelMatrix),
}

/// The form in which a matrix reads activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// As they are.
    Values,
    /// Rounded to eight bits, with a scale for each 32.
    Codes,
    /// Rounded to eight bits, with a scale for each row.
    RowCodes,
}

/// Rows of activations in the forms that matrices read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    /// `[rows, cols]`.
    pub(crate) values: &'a [f32],
    /// The same rows as codes, where a reader reads them.
    pub(crate) codes: &'a Activations,
    /// The same rows as codes with one scale each, where a reader reads them.
    pub(crate) row_codes: &'a RowCodes,
    /// Rows.
    pub(crate) rows: usize,
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
        Ok(Self { kind: tensor.kind, rows, cols, store: Store::Blocks(tensor.data) })
    }

    /// A matrix of f32 values made in memory.
    ///
    /// # Panics
    /// When `values` does not hold `rows * cols` values.
    #[must_use]
    pub fn from_f32(values: &[f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "invariant: the caller has checked the shape");
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { kind: BlockType::F32, rows, cols, store: Store::Blocks(bytes.into()) }
    }

    /// Bytes that the matrix takes in the order of its kernels; `None` where there is no such order for its type, or it is in
    /// that order already.
    #[must_use]
    pub fn packed_bytes(&self) -> Option<usize> {
        let Store::Blocks(_) = &self.store else { return None };
        PackedMatrix::packed_bytes(self.kind, self.rows, self.cols)
            .or_else(|| PanelMatrix::packed_bytes(self.kind, self.rows, self.cols))
    }

    /// Writes the matrix in the order of its kernels. Costs one pass over it, on all threads.
    ///
    /// # Panics
    /// When `out` does not have [`Matrix::packed_bytes`].
    pub fn pack(&self, out: &mut [u8]) {
        assert_eq!(Some(out.len()), self.packed_bytes(), "invariant: the size that was asked for");
        let Store::Blocks(blocks) = &self.store else { return };
        if PackedMatrix::packed_bytes(self.kind, self.rows, self.cols).is_some() {
            PackedMatrix::pack(self.kind, blocks, self.rows, self.cols, out);
        } else {
            PanelMatrix::pack(self.kind, blocks, self.rows, self.cols, out);
        }
    }

    /// The same matrix with `data`, which [`Matrix::pack`] wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming `name` when the bytes are not as many as it needs.
    pub fn with_packed(&self, name: &str, data: Bytes) -> Result<Self> {
        let store = if PackedMatrix::packed_bytes(self.kind, self.rows, self.cols).is_some() {
            Store::Packed(PackedMatrix::new(name, self.kind, self.rows, self.cols, data)?)
        } else {
            Store::Panels(PanelMatrix::new(name, self.kind, self.rows, self.cols, data)?)
        };
        Ok(Self { store, ..self.clone() })
    }

    /// Where an unpacked matrix lies in its file.
    pub(in crate::quant) fn place(&self) -> Option<(&Path, usize)> {
        match &self.store {
            Store::Blocks(data) => data.place(),
            Store::Packed(_) | Store::Panels(_) => None,
        }
    }

    /// The matrix in the order of its kernels: from the store of the component that is being loaded, else in anonymous
    /// memory. Itself where it has no such order.
    #[must_use]
    pub fn packed(&self) -> Self {
        let Some(bytes) = self.packed_bytes() else { return self.clone() };
        if let Some(stored) = store::packed(self) {
            return stored;
        }
        let packed = self.with_packed("in memory", Bytes::aligned(bytes, |out| self.pack(out)));
        packed.expect("invariant: packed to the size that was asked for")
    }

    /// The panels, of a packed float matrix.
    pub(in crate::quant) fn into_panels(self) -> Option<PanelMatrix> {
        match self.store {
            Store::Panels(panels) => Some(panels),
            Store::Blocks(_) | Store::Packed(_) => None,
        }
    }

    /// Rows `start..start + count`, sharing the bytes: one of several matrices that a checkpoint stores on top of each
    /// other.
    ///
    /// # Errors
    /// [`Error::Argument`] when they are not within the matrix, [`Error::Unsupported`] for a packed one.
    pub fn slice_rows(&self, start: usize, count: usize) -> Result<Self> {
        let end = start.checked_add(count).filter(|&end| count > 0 && end <= self.rows);
        let Some(end) = end else {
            return Err(Error::argument("rows", format!("{start} and {count} more, of {}", self.rows)));
        };
        let Store::Blocks(data) = &self.store else {
            return Err(Error::unsupported("rows of a packed matrix", "matrices are cut before they are packed"));
        };
        let row = self.kind.bytes(self.cols);
        Ok(Self { rows: count, store: Store::Blocks(data.slice(start * row, end * row)), ..self.clone() })
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

    /// In which form it reads activations.
    #[must_use]
    pub(crate) fn reads(&self) -> Reads {
        match &self.store {
            Store::Packed(packed) if packed.is_even() => Reads::RowCodes,
            Store::Packed(_) => Reads::Codes,
            Store::Blocks(_) | Store::Panels(_) => Reads::Values,
        }
    }

    /// Bytes of weights, and how many of them are anonymous memory.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let data = match &self.store {
            Store::Blocks(data) => data,
            Store::Packed(packed) => packed.data(),
            Store::Panels(panels) => panels.data(),
        };
        (data.len(), data.anonymous_len())
    }

    /// Up to `most` bytes of weights from tile `tile` on.
    pub(crate) fn bytes_from(&self, tile: usize, most: usize) -> &[u8] {
        let data: &[u8] = match &self.store {
            Store::Blocks(data) => data,
            Store::Packed(packed) => packed.data(),
            Store::Panels(panels) => panels.data(),
        };
        let start = (data.len() / self.tiles() * tile).min(data.len());
        &data[start..(start + most).min(data.len())]
    }

    /// Decodes one row: an embedding lookup.
    ///
    /// # Panics
    /// When `row >= rows` or `out.len() != cols`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "invariant: ids are checked against the vocabulary");
        match &self.store {
            Store::Blocks(data) => decode(self.kind, data, row, self.cols, out),
            Store::Packed(packed) => packed.row(row, out),
            Store::Panels(panels) => panels.row(row, out),
        }
    }

    /// All values, row by row.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.cols];
        crate::pool::rows(&mut values, self.cols, |row, out| self.row(row, out));
        values
    }

    /// `out[m, n] = xs[m] . self[n]` for `count` activation rows: `xs` is `[count, cols]`, `out` is `[count, rows]`.
    ///
    /// A row's result does not depend on `count`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn multiply(&self, xs: &[f32], count: usize, out: &mut [f32]) {
        assert_eq!(xs.len(), count * self.cols, "invariant: activations are [count, cols]");
        assert_eq!(out.len(), count * self.rows, "invariant: output is [count, rows]");
        if count == 0 {
            return;
        }
        let (mut codes, mut row_codes) = (Activations::default(), RowCodes::default());
        match self.reads() {
            Reads::Values => {}
            Reads::Codes => codes.quantize(xs, self.cols),
            Reads::RowCodes => row_codes.quantize(xs, self.cols),
        }
        let input = Input { values: xs, codes: &codes, row_codes: &row_codes, rows: count };
        let columns = Columns::new(out, self.rows, count);
        let tiles = (WEIGHTS_PER_SHARE / (TILE_ROWS * self.cols)).max(1);
        pool::run(self.tiles().div_ceil(tiles), |share| {
            let range = share * tiles..((share + 1) * tiles).min(self.tiles());
            // SAFETY: shares are disjoint, so each column of the output has one writer.
            unsafe { self.columns(kernels(), range.clone(), range.end, &input, &columns) }
        });
    }

    /// Tiles of 16 rows, in which products are cut.
    pub(crate) fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE_ROWS)
    }

    /// The product's columns that belong to `tiles`, for all rows of `input`. The thread goes on to tile `fetch_end` after them,
    /// so weights are fetched ahead up to there.
    ///
    /// # Safety
    /// Nothing else reads or writes those columns of `out` meanwhile.
    pub(crate) unsafe fn columns(
        &self,
        kernels: &Kernels,
        tiles: Range<usize>,
        fetch_end: usize,
        input: &Input<'_>,
        out: &Columns<'_>,
    ) {
        let first = tiles.start * TILE_ROWS;
        let last = (tiles.end * TILE_ROWS).min(self.rows);
        match &self.store {
            // SAFETY: `kernels` was selected for this processor, and the columns are the caller's alone.
            Store::Packed(packed) if packed.is_even() => unsafe {
                packed.even_columns(kernels, tiles, fetch_end, input.row_codes, out.at(0, first), out.stride());
            },
            // SAFETY: as above.
            Store::Packed(packed) => unsafe {
                packed.columns(kernels, tiles, fetch_end, input.codes.all(), out.at(0, first), out.stride());
            },
            Store::Panels(panels) => {
                assert_eq!(input.values.len(), input.rows * self.cols, "invariant: activations are [rows, inputs]");
                // SAFETY: as above.
                unsafe { panels.columns(kernels, tiles, fetch_end, input.values, out.at(0, first), out.stride()) }
            }
            Store::Blocks(data) => {
                let mut weights = Room::new(PANEL * self.cols);
                let mut dots = Room::new(PANEL * input.rows);
                for from in (first..last).step_by(PANEL) {
                    let rows = PANEL.min(last - from);
                    let (weights, dots) = (&mut weights[..rows * self.cols], &mut dots[..rows * input.rows]);
                    decode(self.kind, data, from, self.cols, weights);
                    (kernels.dots)(weights, input.values, self.cols, input.rows, dots);
                    for (n, dots) in dots.chunks_exact(input.rows).enumerate() {
                        for (m, &dot) in dots.iter().enumerate() {
                            // SAFETY: a column of this share, in a row of the output.
                            unsafe { *out.at(m, from + n) = dot }
                        }
                    }
                }
            }
        }
    }
}

/// Decodes rows `from..from + out.len() / cols` of blocks into `out`.
fn decode(kind: BlockType, data: &Bytes, from: usize, cols: usize, out: &mut [f32]) {
    let row = kind.bytes(cols);
    let (start, end) = (from * row, from * row + out.len() / cols * row);
    let ahead = |at: usize| (at + FETCH_AHEAD).min(data.len());
    (kernels().prefetch)(&data[ahead(start)..ahead(end)]);
    (kernels().dequantize)(kind, &data[start..end], out);
}
