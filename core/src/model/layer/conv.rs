//! Convolutions over one or two axes, as products of gathered patches: a frozen linear like any other, so adapters act on
//! them too.

use crate::arena::Room;
use crate::graph::Window;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};

/// Patches gathered at a time: bounds the memory to this many rows of `channels * kernel` values.
const PATCHES: usize = 1024;
/// Values gathered at a time, where a patch is large: 64 MB.
const MAX_GATHERED: usize = 1 << 24;

/// Extent of an input or output; a series has height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Rows.
    pub(crate) height: usize,
    /// Columns.
    pub(crate) width: usize,
}

impl Grid {
    /// A series of `length` positions.
    pub(crate) fn series(length: usize) -> Self {
        Self { height: 1, width: length }
    }

    /// Positions.
    pub(crate) fn count(self) -> usize {
        self.height * self.width
    }
}

/// Shape of a convolution, `[height, width]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Input channels.
    pub(crate) inputs: usize,
    /// Output channels.
    pub(crate) outputs: usize,
    /// Taps.
    pub(crate) kernel: [usize; 2],
    /// Step between outputs.
    pub(crate) stride: [usize; 2],
    /// Zeros around the input.
    pub(crate) padding: [usize; 2],
    /// Step between taps.
    pub(crate) dilation: [usize; 2],
}

impl ConvShape {
    /// A convolution over one axis.
    pub(crate) fn series(inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        Self { inputs, outputs, kernel: [1, kernel], stride: [1, stride], padding: [0, padding], dilation: [1, 1] }
    }

    /// A square convolution over two axes.
    pub(crate) fn square(inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        Self { inputs, outputs, kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], dilation: [1, 1] }
    }

    /// Values of one patch.
    pub(crate) fn patch(&self) -> usize {
        self.inputs * self.kernel[0] * self.kernel[1]
    }

    /// Extent of the output, `None` when the input is smaller than the kernel.
    pub(crate) fn output(&self, input: Grid) -> Option<Grid> {
        self.window().output([input.height, input.width]).map(|[height, width]| Grid { height, width })
    }

    /// How it slides.
    pub(crate) fn window(&self) -> Window {
        let Self { kernel, stride, padding, dilation, .. } = *self;
        Window { kernel, stride, padding, dilation }
    }
}

/// A frozen convolution. Inputs and outputs are `[positions, channels]`, row by row of the grid.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    shape: ConvShape,
    linear: Linear,
}

impl Conv {
    /// `linear` is the weight as `[outputs, inputs * kernel height * kernel width]`.
    pub(crate) fn new(shape: ConvShape, linear: Linear) -> Self {
        Self { shape, linear }
    }

    /// Its shape.
    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Its weight, and what adapters are bound to.
    pub(crate) fn linear(&self) -> &Linear {
        &self.linear
    }

    /// Convolves one input under one adapter; the output's extent is [`ConvShape::output`], which the caller has checked
    /// to exist.
    pub(crate) fn forward(&self, xs: &[f32], grid: Grid, deltas: Option<&Deltas>) -> (Room, Grid) {
        let out_grid = self.shape.output(grid).expect("invariant: callers check the extent first");
        let (patch, outputs) = (self.shape.patch(), self.shape.outputs);
        let mut out = Room::new(out_grid.count() * outputs);
        let rows = PATCHES.min(MAX_GATHERED / patch).max(1);
        let mut patches = Room::new(rows.min(out_grid.count()) * patch);
        for (chunk, out) in out.chunks_mut(rows * outputs).enumerate() {
            let count = out.len() / outputs;
            let patches = &mut patches[..count * patch];
            pool::rows(patches, patch, |i, row| self.gather(xs, grid, out_grid, chunk * rows + i, row));
            self.linear.forward(patches, &RowAdapters::same(count, deltas), out);
        }
        (out, out_grid)
    }

    /// The patch of output position `at`: channel by channel, as PyTorch stores the weight.
    fn gather(&self, xs: &[f32], grid: Grid, out_grid: Grid, at: usize, row: &mut [f32]) {
        let shape = &self.shape;
        let [kernel_height, kernel_width] = shape.kernel;
        let taps = kernel_height * kernel_width;
        let (y0, x0) = (at / out_grid.width * shape.stride[0], at % out_grid.width * shape.stride[1]);
        for tap in 0..taps {
            let y = (y0 + tap / kernel_width * shape.dilation[0]).checked_sub(shape.padding[0]);
            let x = (x0 + tap % kernel_width * shape.dilation[1]).checked_sub(shape.padding[1]);
            let inside = y.zip(x).filter(|&(y, x)| y < grid.height && x < grid.width);
            let taken = row[tap..].iter_mut().step_by(taps);
            match inside {
                None => taken.for_each(|value| *value = 0.0),
                Some((y, x)) => {
                    let start = (y * grid.width + x) * shape.inputs;
                    taken.zip(&xs[start..start + shape.inputs]).for_each(|(value, x)| *value = *x);
                }
            }
        }
    }
}
