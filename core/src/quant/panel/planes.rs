//! Products with planes that lie all over memory, such as the blocks of a cache of keys and values.

use super::blend::Blend;
use super::tile::{Element, Operands, Panels};
use crate::quant::kernel::{Kernels, kernels};
use crate::quant::packed::TILE_ROWS;

/// Most planes of one call.
pub(crate) const MAX_PLANES: usize = 32;

/// PlaneList of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaneList<'a> {
    planes: [&'a [u8]; MAX_PLANES],
    count: usize,
}

impl<'a> PlaneList<'a> {
    /// The planes that `plane` gives for `0..count`.
    ///
    /// # Panics
    /// When there are more than [`MAX_PLANES`], or their sizes differ.
    pub(crate) fn new(count: usize, plane: impl Fn(usize) -> &'a [u8]) -> Self {
        assert!(count <= MAX_PLANES, "invariant: callers cut their work");
        let mut planes: [&[u8]; MAX_PLANES] = [&[]; MAX_PLANES];
        planes[..count].iter_mut().enumerate().for_each(|(index, place)| *place = plane(index));
        assert!(planes[..count].iter().all(|plane| plane.len() == planes[0].len()), "invariant: one size");
        Self { planes, count }
    }

    fn addresses(&self) -> [*const u8; MAX_PLANES] {
        self.planes.map(<[u8]>::as_ptr)
    }

    /// `out[m, 16 p + n] = xs[m] . planes[p][n]`: each plane is `[cols, 16]` of `element`, `xs` is `[rows, cols]`, and row `m` of the
    /// output begins at `out[m * stride]`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn score(&self, element: Element, cols: usize, xs: &[f32], out: &mut [f32], stride: usize) {
        self.score_by(kernels(), element, cols, xs, out, stride);
    }

    pub(in crate::quant) fn score_by(
        &self,
        kernels: &Kernels,
        element: Element,
        cols: usize,
        xs: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        let rows = xs.len() / cols;
        if rows == 0 || self.count == 0 {
            return;
        }
        let width = self.count * TILE_ROWS;
        assert!(xs.len() == rows * cols && self.planes[0].len() == element.panel_bytes(cols), "invariant: they fit");
        assert!(width <= stride && out.len() >= (rows - 1) * stride + width, "invariant: the output has room");
        let addresses = self.addresses();
        let panels = Panels::Listed { list: addresses.as_ptr(), count: self.count };
        let at = Operands { panels, cols, xs: xs.as_ptr(), rows, out: out.as_mut_ptr(), stride };
        // SAFETY: the kernels run here, and the lengths were just checked.
        unsafe { (kernels.panels)(element, at, self.count) }
    }

    /// `out[m, ..] = sum over planes p and inputs t of weights[m, p * cols + t] * planes[p][.., t, ..]`: each plane is
    /// `[panels, cols, 16]` of `element`, row `m` of the weights begins at `weights[m * weight_stride]`, and row `m` of the output,
    /// `16 * panels` values, at `out[m * stride]`. Without planes nothing is written.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn blend(&self, element: Element, cols: usize, weights: Rows<'_>, out: &mut [f32], stride: usize) {
        self.blend_by(kernels(), element, cols, weights, out, stride);
    }

    pub(in crate::quant) fn blend_by(
        &self,
        kernels: &Kernels,
        element: Element,
        cols: usize,
        weights: Rows<'_>,
        out: &mut [f32],
        stride: usize,
    ) {
        let Rows { values, count: rows, stride: weight_stride } = weights;
        if rows == 0 || self.count == 0 {
            return;
        }
        let panels = self.planes[0].len() / element.panel_bytes(cols);
        assert!(self.planes[0].len() == panels * element.panel_bytes(cols), "invariant: whole panels");
        assert!(self.count * cols <= weight_stride && values.len() >= (rows - 1) * weight_stride + self.count * cols);
        assert!(panels * TILE_ROWS <= stride && out.len() >= (rows - 1) * stride + panels * TILE_ROWS);
        let addresses = self.addresses();
        let (planes, weights, out) = (addresses.as_ptr(), values.as_ptr(), out.as_mut_ptr());
        let at = Blend { planes, count: self.count, panels, cols, weights, weight_stride, rows, out, stride };
        // SAFETY: the kernels run here, and the lengths were just checked.
        unsafe { (kernels.blend)(element, at) }
    }
}

/// Rows at a distance from each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// The first row, and what follows it.
    pub(crate) values: &'a [f32],
    /// How many there are.
    pub(crate) count: usize,
    /// Values from one to the next.
    pub(crate) stride: usize,
}
