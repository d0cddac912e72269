//! The feature extractor: samples to frames by convolutions alone.

use super::config::{ExtractorNorm, Wav2Vec2Config};
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Activation, Bias, Conv, Grid, LayerNorm, Loader};
use crate::quant::Deltas;

/// Frames computed at a time. The first convolutions give hundreds of values per sample, so that a whole window of them would
/// take hundreds of MB.
const FRAMES: usize = 128;
/// Added to variances of the extractor's norms, PyTorch's default; the configuration's is for the rest.
const EPS: f64 = 1e-5;

/// The norm after a convolution.
#[derive(Debug)]
enum Norm {
    None,
    Layer(LayerNorm),
    /// Each channel over all of its positions.
    Time(LayerNorm),
}

/// The extractor.
#[derive(Debug)]
pub(super) struct Extractor {
    layers: Vec<(Conv, Norm)>,
    activation: Activation,
    /// Samples from frame to frame.
    hop: usize,
    /// Samples that one frame sees.
    reach: usize,
}

/// Mean and scale of each channel over time.
struct Statistics {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Extractor {
    /// Loads it from `feature_extractor`.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load(loader: &mut Loader<'_>, config: &Wav2Vec2Config) -> Result<Self> {
        let mut layers = Vec::with_capacity(config.convolutions.len());
        let bias = if config.conv_bias { Bias::Required } else { Bias::Absent };
        for (i, shape) in config.convolutions.iter().enumerate() {
            let module = format!("feature_extractor.conv_layers.{i}");
            let conv = loader.conv(&format!("{module}.conv"), *shape, bias)?;
            let norm = || loader.layer_norm(&format!("{module}.layer_norm"), shape.outputs, EPS);
            let norm = match config.norm {
                ExtractorNorm::Layer => Norm::Layer(norm()?),
                ExtractorNorm::Group if i == 0 => Norm::Time(norm()?),
                ExtractorNorm::Group => Norm::None,
            };
            layers.push((conv, norm));
        }
        Ok(Self { layers, activation: config.activation, hop: config.hop(), reach: config.reach() })
    }

    /// `[samples]` to `[frames, width]`, for at least the samples of one frame. The first convolution runs twice where its
    /// norm is over time; that is cheap beside the second one and spares its whole output.
    pub(super) fn forward(&self, samples: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let frames = (samples.len() - self.reach) / self.hop + 1;
        let statistics = self.statistics(samples, deltas);
        let mut out = Vec::new();
        for first in (0..frames).step_by(FRAMES) {
            let last = (first + FRAMES).min(frames) - 1;
            let mut x = Room::copy(&samples[first * self.hop..last * self.hop + self.reach]);
            let mut grid = Grid::series(x.len());
            for (conv, norm) in &self.layers {
                (x, grid) = conv.forward(&x, grid, deltas);
                match norm {
                    Norm::None => {}
                    Norm::Layer(norm) => norm.apply(&mut x),
                    Norm::Time(norm) => statistics.iter().for_each(|statistics| statistics.apply(norm, &mut x)),
                }
                self.activation.apply(&mut x);
            }
            out.extend_from_slice(&x);
        }
        out
    }

    /// Of the first convolution over all samples, also over those at the end that do not fill a frame.
    fn statistics(&self, samples: &[f32], deltas: Option<&Deltas>) -> Option<Statistics> {
        let (conv, Norm::Time(norm)) = self.layers.first()? else { return None };
        let (kernel, stride) = (conv.shape().kernel[1], conv.shape().stride[1]);
        let positions = (samples.len() - kernel) / stride + 1;
        let width = conv.shape().outputs;
        let (mut sum, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        let step = FRAMES * self.hop / stride;
        for first in (0..positions).step_by(step.max(1)) {
            let last = (first + step.max(1)).min(positions) - 1;
            let part = &samples[first * stride..last * stride + kernel];
            let (x, _) = conv.forward(part, Grid::series(part.len()), deltas);
            for row in x.chunks_exact(width) {
                for ((sum, square), x) in sum.iter_mut().zip(&mut squares).zip(row) {
                    *sum += f64::from(*x);
                    *square += f64::from(*x) * f64::from(*x);
                }
            }
        }
        let count = positions as f64;
        let mean = sum.iter().map(|sum| (sum / count) as f32).collect();
        let variance = sum.iter().zip(&squares).map(|(sum, square)| (square / count - (sum / count).powi(2)).max(0.0));
        let scale = variance.map(|variance| (variance + f64::from(norm.eps)).sqrt().recip() as f32).collect();
        Some(Statistics { mean, scale })
    }
}

impl Statistics {
    fn apply(&self, norm: &LayerNorm, x: &mut [f32]) {
        for row in x.chunks_exact_mut(self.mean.len()) {
            for (channel, x) in row.iter_mut().enumerate() {
                *x = (*x - self.mean[channel]) * self.scale[channel] * norm.weight[channel] + norm.bias[channel];
            }
        }
    }
}
