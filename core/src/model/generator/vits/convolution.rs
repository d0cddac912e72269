//! Convolutions that only VITS has: weight-normed, transposed and per channel.

use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Bias, Conv, ConvShape, Grid, Loader};
use crate::pool;
use crate::quant::{Linear, Matrix, RowAdapters};
use crate::weights::TensorView;

/// Input positions of a transposed convolution at a time: bounds the memory of their products.
const POSITIONS: usize = 1024;

/// A convolution over one axis that keeps the length.
#[derive(Debug)]
pub(super) struct Series(Conv);

impl Series {
    /// The convolution `module`, its weight stored whole or as magnitude and direction.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load(
        loader: &mut Loader<'_>,
        module: &str,
        [inputs, outputs]: [usize; 2],
        [kernel, dilation]: [usize; 2],
        bias: Bias,
    ) -> Result<Self> {
        let mut shape = ConvShape::series(inputs, outputs, kernel, 1, (kernel - 1) * dilation / 2);
        shape.dilation = [1, dilation];
        let Some(weight) = normed(loader, module, &[outputs, inputs, kernel])? else {
            return Ok(Self(loader.conv(module, shape, bias)?));
        };
        let weight = Matrix::from_f32(&weight, outputs, inputs * kernel);
        let bias = if bias == Bias::Absent { None } else { Some(loader.tensor(&format!("{module}.bias"))?) };
        Ok(Self(Conv::new(shape, loader.linear_of(module, weight, bias)?)))
    }

    /// `[length, inputs]` to `[length, outputs]`.
    pub(super) fn forward(&self, xs: &[f32]) -> Room {
        self.0.forward(xs, Grid::series(xs.len() / self.0.shape().inputs), None).0
    }
}

/// The weight of a weight-normed layer, `g * v / |v|` with the norm over all but the first axis, or `None` where the
/// file holds the weight itself. The names are those of torch's hooks and of its parametrizations.
fn normed(loader: &Loader<'_>, module: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
    for [g, v] in [["parametrizations.weight.original0", "parametrizations.weight.original1"], ["weight_g", "weight_v"]]
    {
        let Some(magnitude) = loader.optional(&format!("{module}.{g}"))? else { continue };
        let mut flat = vec![1; shape.len()];
        flat[0] = shape[0];
        magnitude.expect_shape(&flat)?;
        let mut weight = loader.values(&format!("{module}.{v}"), shape)?;
        let row = weight.len() / shape[0];
        for (weights, g) in weight.chunks_exact_mut(row).zip(magnitude.to_f32()) {
            let norm = weights.iter().map(|w| f64::from(*w) * f64::from(*w)).sum::<f64>().sqrt();
            let scale = (f64::from(g) / norm) as f32;
            weights.iter_mut().for_each(|w| *w *= scale);
        }
        return Ok(Some(weight));
    }
    Ok(None)
}

/// A transposed convolution over one axis: `rate` outputs per input.
#[derive(Debug)]
pub(super) struct Transposed {
    /// `[kernel * outputs, inputs]`.
    linear: Linear,
    bias: Vec<f32>,
    rate: usize,
    padding: usize,
}

impl Transposed {
    /// The transposed convolution `module`; its weight is `[inputs, outputs, kernel]`.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load(
        loader: &mut Loader<'_>,
        module: &str,
        [inputs, outputs]: [usize; 2],
        [rate, kernel]: [usize; 2],
    ) -> Result<Self> {
        let shape = [inputs, outputs, kernel];
        let weight = match normed(loader, module, &shape)? {
            Some(weight) => weight,
            None => loader.values(&format!("{module}.weight"), &shape)?,
        };
        let mut rows = vec![0.0; weight.len()];
        for (at, value) in weight.iter().enumerate() {
            let (input, output, tap) = (at / (outputs * kernel), at / kernel % outputs, at % kernel);
            rows[(tap * outputs + output) * inputs + input] = *value;
        }
        let bias = loader.values(&format!("{module}.bias"), &[outputs])?;
        let weight = Matrix::from_f32(&rows, kernel * outputs, inputs);
        let linear = loader.linear_of(module, weight, None::<TensorView>)?;
        Ok(Self { linear, bias, rate, padding: (kernel - rate) / 2 })
    }

    /// `[length, inputs]` to `[length * rate, outputs]`.
    pub(super) fn forward(&self, xs: &[f32]) -> Room {
        let (inputs, outputs) = (self.linear.weight().cols(), self.bias.len());
        let kernel = self.linear.outputs() / outputs;
        let length = xs.len() / inputs;
        let mut out = repeated(&self.bias, length * self.rate);
        for (chunk, xs) in xs.chunks(POSITIONS * inputs).enumerate() {
            let (first, count) = (chunk * POSITIONS, xs.len() / inputs);
            let mut products = Room::new(count * kernel * outputs);
            self.linear.forward(xs, &RowAdapters::same(count, None), &mut products);
            // Input `i` adds its tap `k` to output `i * rate + k - padding`.
            let from = (first * self.rate).saturating_sub(self.padding);
            let to = ((first + count - 1) * self.rate + kernel - self.padding).min(length * self.rate);
            pool::rows(&mut out[from * outputs..to * outputs], outputs, |at, row| {
                let position = from + at + self.padding;
                for tap in (position % self.rate..kernel.min(position + 1)).step_by(self.rate) {
                    let Some(input) = ((position - tap) / self.rate).checked_sub(first).filter(|i| *i < count) else {
                        continue;
                    };
                    let start = (input * kernel + tap) * outputs;
                    row.iter_mut().zip(&products[start..start + outputs]).for_each(|(y, x)| *y += x);
                }
            });
        }
        out
    }
}

/// `count` copies of `row`.
fn repeated(row: &[f32], count: usize) -> Room {
    let mut out = Room::new(row.len() * count);
    out.chunks_exact_mut(row.len()).for_each(|out| out.copy_from_slice(row));
    out
}

/// A convolution of each channel on its own.
#[derive(Debug)]
pub(super) struct Depthwise {
    /// `[channels, kernel]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    dilation: usize,
}

impl Depthwise {
    /// The convolution `module`; its weight is `[channels, 1, kernel]`.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load(
        loader: &Loader<'_>,
        module: &str,
        channels: usize,
        [kernel, dilation]: [usize; 2],
    ) -> Result<Self> {
        let weight = loader.values(&format!("{module}.weight"), &[channels, 1, kernel])?;
        Ok(Self { weight, bias: loader.values(&format!("{module}.bias"), &[channels])?, dilation })
    }

    /// `[length, channels]`, as long as the input.
    pub(super) fn forward(&self, xs: &[f32]) -> Room {
        let channels = self.bias.len();
        let kernel = self.weight.len() / channels;
        let (length, padding) = (xs.len() / channels, (kernel - 1) * self.dilation / 2);
        let mut out = repeated(&self.bias, length);
        pool::rows(&mut out, channels, |t, row| {
            for tap in 0..kernel {
                let at = (t + tap * self.dilation).checked_sub(padding).filter(|at| *at < length);
                let Some(at) = at else { continue };
                let x = &xs[at * channels..(at + 1) * channels];
                for (channel, (y, x)) in row.iter_mut().zip(x).enumerate() {
                    *y += self.weight[channel * kernel + tap] * x;
                }
            }
        });
        out
    }
}
