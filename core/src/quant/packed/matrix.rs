//! A packed matrix and its product with a few columns of output at a time.

use std::ops::Range;

use super::activations::CodeRows;
use super::even::EvenOperands;
use super::format::{Format, GROUP, TILE_ROWS};
use super::pack::{pack_tile, unpack_row};
use super::row_codes::RowCodes;
use super::tile::Operands;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::pool;
use crate::quant::kernel::{Kernels, kernels};
use crate::weights::{BlockType, Bytes};

/// A `[out, in]` matrix of a block type, in tiles.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    kind: BlockType,
    format: Format,
    rows: usize,
    cols: usize,
    /// Whether each row has one scale.
    even: bool,
    data: Bytes,
}

impl PackedMatrix {
    /// Bytes that a matrix takes when it is packed; `None` for types and shapes that are not.
    #[must_use]
    pub fn packed_bytes(kind: BlockType, rows: usize, cols: usize) -> Option<usize> {
        let format = Format::of(kind)?;
        if rows == 0 || cols == 0 || !cols.is_multiple_of(kind.block_elements()) {
            return None;
        }
        format.tile_bytes(cols / GROUP).checked_mul(rows.div_ceil(TILE_ROWS))
    }

    /// Packs rows of blocks into `out`, on all threads.
    ///
    /// # Panics
    /// When the lengths are not those of `rows` rows of `cols` values, and of [`PackedMatrix::packed_bytes`].
    pub fn pack(kind: BlockType, blocks: &[u8], rows: usize, cols: usize, out: &mut [u8]) {
        let format = Format::of(kind).expect("invariant: the caller asked for the packed size");
        assert_eq!(blocks.len(), rows * kind.bytes(cols), "invariant: whole rows of blocks");
        assert_eq!(Some(out.len()), Self::packed_bytes(kind, rows, cols), "invariant: whole tiles");
        let per_tile = TILE_ROWS * kind.bytes(cols);
        pool::chunks(out, format.tile_bytes(cols / GROUP), |tile, out| {
            let blocks = &blocks[tile * per_tile..rows.min((tile + 1) * TILE_ROWS) * kind.bytes(cols)];
            pack_tile(kind, format, blocks, TILE_ROWS, cols, out);
        });
    }

    /// Takes bytes that [`PackedMatrix::pack`] wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the type is not packed, or there are more or fewer bytes than the shape needs.
    pub fn new(name: &str, kind: BlockType, rows: usize, cols: usize, data: Bytes) -> Result<Self> {
        let expected = Self::packed_bytes(kind, rows, cols);
        match (Format::of(kind), expected) {
            (Some(format), Some(bytes)) if bytes == data.len() => {
                let even = kind == BlockType::Q8_0 && is_even(format, cols / GROUP, &data);
                Ok(Self { kind, format, rows, cols, even, data })
            }
            _ => {
                let reason = format!("{} bytes for [{rows}, {cols}] of {kind}, expected {expected:?}", data.len());
                Err(Error::malformed(format!("packed tensor '{name}'"), "packed weights", reason))
            }
        }
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

    /// The type of the blocks that were packed.
    #[must_use]
    pub fn kind(&self) -> BlockType {
        self.kind
    }

    /// Whether each row has one scale: then the product reads [`RowCodes`].
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.even
    }

    /// The packed bytes.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
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

    /// Tiles of [`TILE_ROWS`] rows, the last one perhaps not full.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE_ROWS)
    }

    fn tile_bytes(&self) -> usize {
        self.format.tile_bytes(self.cols / GROUP)
    }

    /// The address up to which weights are fetched. None is too far for a thread that reads to the end: in a store, the
    /// matrix that is read next follows.
    fn fetch_limit(&self, tile: usize) -> *const u8 {
        if tile < self.tiles() {
            self.data[tile * self.tile_bytes()..].as_ptr()
        } else {
            std::ptr::without_provenance(usize::MAX)
        }
    }

    /// Decodes one row.
    ///
    /// # Panics
    /// When `row >= rows` or `out.len() != cols`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "invariant: ids are checked against the matrix");
        let bytes = self.tile_bytes();
        unpack_row(self.format, &self.data[row / TILE_ROWS * bytes..][..bytes], row % TILE_ROWS, out);
    }

    /// `out[m, n] = xs[m] . self[n]` on the calling thread: for matrices so small that sharing would cost more.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn multiply(&self, xs: CodeRows<'_>, out: &mut [f32]) {
        assert_eq!(out.len(), xs.rows * self.rows, "invariant: output is [rows, outputs]");
        // SAFETY: the selected kernels run here; `out` is borrowed mutably and holds `rows` rows of output.
        unsafe { self.columns(kernels(), 0..self.tiles(), self.tiles(), xs, out.as_mut_ptr(), self.rows) }
    }

    /// The product of all rows of `xs` with the matrix' rows of some tiles, written to `out`: the place of the first row's
    /// output for row `16 * tiles.start` of the matrix, with `stride` values from one row of activations to the next.
    ///
    /// A row's result does not depend on the other rows of `xs`. Weights are fetched ahead up to tile `fetch_end`: those that
    /// the same thread reads next.
    ///
    /// # Safety
    /// The processor has the instructions of `kernels`; `out` is valid for writes of the tiles' rows (those that the
    /// matrix has) at each of `xs.rows` strides, and nothing else uses them meanwhile.
    ///
    /// # Panics
    /// When the tiles or the width do not fit.
    pub(in crate::quant) unsafe fn columns(
        &self,
        kernels: &Kernels,
        tiles: Range<usize>,
        fetch_end: usize,
        xs: CodeRows<'_>,
        out: *mut f32,
        stride: usize,
    ) {
        assert!(xs.cols == self.cols, "invariant: they fit");
        let run = |first: *const u8, count, out, stride| {
            let at = Operands {
                tiles: first,
                groups: self.cols / GROUP,
                codes: xs.codes.as_ptr(),
                scales: xs.scales.as_ptr(),
                sums: xs.sums.as_ptr(),
                counts: xs.counts.as_ptr(),
                rows: xs.rows,
                fetch_end: self.fetch_limit(fetch_end),
                out,
                stride,
            };
            // SAFETY: `over` calls with tiles of the matrix and room for their output; the rest is the caller's promise.
            unsafe { (kernels.tiles)(self.kind, at, count) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.over(tiles, xs.rows, out, stride, run) }
    }

    /// As [`PackedMatrix::columns`], for a matrix that is even.
    ///
    /// # Safety
    /// As [`PackedMatrix::columns`].
    ///
    /// # Panics
    /// When the matrix is not even, or the tiles or the width do not fit.
    pub(in crate::quant) unsafe fn even_columns(
        &self,
        kernels: &Kernels,
        tiles: Range<usize>,
        fetch_end: usize,
        xs: &RowCodes,
        out: *mut f32,
        stride: usize,
    ) {
        assert!(self.even && xs.width() == self.cols, "invariant: they fit");
        if xs.rows() == 0 {
            return;
        }
        let run = |first: *const u8, count, out, stride| {
            let at = EvenOperands {
                tiles: first,
                groups: self.cols / GROUP,
                codes: xs.codes(0).as_ptr(),
                scales: xs.scales().as_ptr(),
                counts: xs.counts().as_ptr(),
                rows: xs.rows(),
                fetch_end: self.fetch_limit(fetch_end),
                out,
                stride,
            };
            // SAFETY: `over` calls with tiles of the matrix and room for their output; the rest is the caller's promise.
            unsafe { (kernels.even)(at, count) }
        };
        // SAFETY: the caller's promise.
        unsafe { self.over(tiles, xs.rows(), out, stride, run) }
    }

    /// Calls `run` with the first of some whole tiles, how many there are, where the output goes and its stride: for those of
    /// `tiles` that are full, and for a last one that is not, by way of a buffer of full rows.
    ///
    /// # Safety
    /// As [`PackedMatrix::columns`], for `rows` rows of activations.
    ///
    /// # Panics
    /// When the tiles do not fit.
    unsafe fn over(
        &self,
        tiles: Range<usize>,
        rows: usize,
        out: *mut f32,
        stride: usize,
        run: impl Fn(*const u8, usize, *mut f32, usize),
    ) {
        assert!(tiles.start <= tiles.end && tiles.end <= self.tiles(), "invariant: tiles of the matrix");
        let tile = |number: usize| self.data[number * self.tile_bytes()..].as_ptr();
        let whole = tiles.start..tiles.end.min(self.rows / TILE_ROWS).max(tiles.start);
        if !whole.is_empty() {
            run(tile(whole.start), whole.len(), out, stride);
        }
        if whole.end < tiles.end {
            let (left, done) = (self.rows - whole.end * TILE_ROWS, (whole.end - tiles.start) * TILE_ROWS);
            let mut padded = Room::new(rows * TILE_ROWS);
            run(tile(whole.end), 1, padded.as_mut_ptr(), TILE_ROWS);
            for (m, values) in padded.chunks_exact(TILE_ROWS).enumerate() {
                // SAFETY: the matrix has `left` rows in its last tile, for which the caller vouches.
                unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), out.add(m * stride + done), left) }
            }
        }
    }
}

/// Whether every row of every tile has the same scale in all groups. Ends at the first that has not.
fn is_even(format: Format, groups: usize, data: &[u8]) -> bool {
    data.chunks_exact(format.tile_bytes(groups)).all(|tile| {
        let mut scales = tile[format.scales_at(groups)..][..groups * format.scale_bytes()].chunks(format.scale_bytes());
        scales.next().is_none_or(|first| scales.all(|group| group == first))
    })
}
