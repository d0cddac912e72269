//! The decoder: HiFi-GAN (Kong et al. 2020, arXiv 2010.05646), from latents to a waveform.

use super::config::{ResidualBlock, VitsConfig};
use super::convolution::{Series, Transposed};
use super::duration::add_condition;
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Bias, Loader};
use crate::pool;
use crate::quant::kernels;

/// Slope of the last leaky rectifier, PyTorch's default.
const LAST_SLOPE: f32 = 0.01;
/// Taps of the first and the last convolution.
const OUTER_TAPS: [usize; 2] = [7, 1];

#[derive(Debug)]
pub(super) struct Decoder {
    pre: Series,
    speaker: Option<Series>,
    stages: Vec<Stage>,
    post: Series,
    slope: f32,
}

#[derive(Debug)]
struct Stage {
    upsampler: Transposed,
    blocks: Vec<Residual>,
}

/// Pairs of a dilated and a plain convolution.
#[derive(Debug)]
struct Residual(Vec<[Series; 2]>);

impl Decoder {
    pub(super) fn load(loader: &mut Loader<'_>, config: &VitsConfig) -> Result<Self> {
        let width = config.decoder_width;
        let pre = Series::load(loader, "decoder.conv_pre", [config.latents, width], OUTER_TAPS, Bias::Required)?;
        let speaker = if config.speaker_width == 0 {
            None
        } else {
            Some(Series::load(loader, "decoder.cond", [config.speaker_width, width], [1, 1], Bias::Required)?)
        };
        let mut stages = Vec::with_capacity(config.upsampling.len());
        for (i, stage) in config.upsampling.iter().enumerate() {
            let (inputs, outputs) = (width >> i, width >> (i + 1));
            let upsampler = format!("decoder.upsampler.{i}");
            let upsampler = Transposed::load(loader, &upsampler, [inputs, outputs], [stage.rate, stage.kernel])?;
            let first = i * config.residual.len();
            let blocks = config.residual.iter().enumerate();
            let blocks = blocks.map(|(j, shape)| Residual::load(loader, first + j, outputs, shape));
            let blocks = blocks.collect::<Result<_>>()?;
            stages.push(Stage { upsampler, blocks });
        }
        let last = width >> config.upsampling.len();
        let post = Series::load(loader, "decoder.conv_post", [last, 1], OUTER_TAPS, Bias::Absent)?;
        Ok(Self { pre, speaker, stages, post, slope: config.slope })
    }

    /// `[frames, latents]` to samples.
    pub(super) fn forward(&self, latents: &[f32], speaker: Option<&[f32]>) -> Vec<f32> {
        let mut x = self.pre.forward(latents);
        add_condition(&mut x, self.speaker.as_ref(), speaker);
        for stage in &self.stages {
            rectify(&mut x, self.slope);
            x = stage.upsampler.forward(&x);
            let mut sum = Room::zeros(x.len());
            for block in &stage.blocks {
                let y = block.forward(x.clone(), self.slope);
                add(&mut sum, &y);
            }
            let count = stage.blocks.len() as f32;
            pool::chunks(&mut sum, SHARE, |_, values| values.iter_mut().for_each(|value| *value /= count));
            x = sum;
        }
        rectify(&mut x, LAST_SLOPE);
        let mut samples = self.post.forward(&x);
        samples.iter_mut().for_each(|sample| *sample = sample.tanh());
        samples.to_vec()
    }
}

impl Residual {
    fn load(loader: &mut Loader<'_>, index: usize, width: usize, shape: &ResidualBlock) -> Result<Self> {
        let mut convolution = |part: &str, i: usize, dilation: usize| {
            let module = format!("decoder.resblocks.{index}.{part}.{i}");
            Series::load(loader, &module, [width; 2], [shape.kernel, dilation], Bias::Required)
        };
        let pairs = shape.dilations.iter().enumerate();
        let pairs = pairs.map(|(i, &dilation)| Ok([convolution("convs1", i, dilation)?, convolution("convs2", i, 1)?]));
        pairs.collect::<Result<_>>().map(Self)
    }

    fn forward(&self, mut x: Room, slope: f32) -> Room {
        for pair in &self.0 {
            let mut y = x.clone();
            for convolution in pair {
                rectify(&mut y, slope);
                y = convolution.forward(&y);
            }
            add(&mut x, &y);
        }
        x
    }
}

/// Values per share of what is done to each value.
const SHARE: usize = 1 << 14;

/// `x += y`.
fn add(x: &mut [f32], y: &[f32]) {
    pool::chunks(x, SHARE, |share, x| (kernels().rows.add)(x, &y[share * SHARE..][..x.len()]));
}

/// The leaky rectifier.
fn rectify(x: &mut [f32], slope: f32) {
    pool::chunks(x, SHARE, |_, x| x.iter_mut().for_each(|x| *x = if *x >= 0.0 { *x } else { *x * slope }));
}
