//! How many frames each token lasts: a regression, or a normalising flow that turns noise into log durations.

use super::config::{DurationShape, VitsConfig};
use super::convolution::{Depthwise, Series};
use super::spline;
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Activation, Bias, LayerNorm, Loader, add};

const MODULE: &str = "duration_predictor";
/// Of layers without an own one, PyTorch's default.
const EPS: f64 = 1e-5;

/// What predicts log durations.
#[derive(Debug)]
pub(super) enum DurationPredictor {
    /// Two convolutions and a projection.
    Regression(Box<Regression>),
    /// Spline flows, conditioned on the text.
    Flow(Box<StochasticPredictor>),
}

#[derive(Debug)]
pub(super) struct Regression {
    convolutions: [Series; 2],
    norms: [LayerNorm; 2],
    projection: Series,
    speaker: Option<Series>,
}

#[derive(Debug)]
pub(super) struct StochasticPredictor {
    pre: Series,
    separable: Separable,
    projection: Series,
    speaker: Option<Series>,
    /// Log scale and shift of both values.
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// In the order in which they were trained, which is the reverse of how they run.
    flows: Vec<ConvolutionFlow>,
    width: usize,
}

impl DurationPredictor {
    pub(super) fn load(loader: &mut Loader<'_>, config: &VitsConfig) -> Result<Self> {
        let DurationShape { kernel, filters, .. } = config.duration;
        let width = config.width;
        let speaker = if config.speaker_width == 0 {
            None
        } else {
            Some(Series::load(
                loader,
                &format!("{MODULE}.cond"),
                [config.speaker_width, width],
                [1, 1],
                Bias::Required,
            )?)
        };
        if config.stochastic {
            return Ok(Self::Flow(Box::new(StochasticPredictor::load(loader, config, speaker)?)));
        }
        let mut convolution = |part: &str, channels, taps| {
            Series::load(loader, &format!("{MODULE}.{part}"), channels, [taps, 1], Bias::Required)
        };
        let convolutions =
            [convolution("conv_1", [width, filters], kernel)?, convolution("conv_2", [filters; 2], kernel)?];
        let projection = convolution("proj", [filters, 1], 1)?;
        let norm = |part: &str| loader.layer_norm(&format!("{MODULE}.{part}"), filters, config.eps);
        let norms = [norm("norm_1")?, norm("norm_2")?];
        Ok(Self::Regression(Box::new(Regression { convolutions, norms, projection, speaker })))
    }

    /// Whether [`DurationPredictor::forward`] reads noise.
    pub(super) fn reads_noise(&self) -> bool {
        matches!(self, Self::Flow(_))
    }

    /// Log durations of tokens with states `[tokens, width]`; `noise` is `[tokens, 2]`, scaled.
    pub(super) fn forward(&self, states: &[f32], speaker: Option<&[f32]>, noise: &[f32]) -> Vec<f32> {
        match self {
            Self::Flow(flow) => flow.forward(states, speaker, noise),
            Self::Regression(regression) => regression.forward(states, speaker),
        }
    }
}

impl Regression {
    fn forward(&self, states: &[f32], speaker: Option<&[f32]>) -> Vec<f32> {
        let mut x = Room::copy(states);
        add_condition(&mut x, self.speaker.as_ref(), speaker);
        for (convolution, norm) in self.convolutions.iter().zip(&self.norms) {
            x = convolution.forward(&x);
            Activation::Relu.apply(&mut x);
            norm.apply(&mut x);
        }
        self.projection.forward(&x).to_vec()
    }
}

/// Adds the projection of a speaker's embedding to each row.
pub(super) fn add_condition(x: &mut [f32], condition: Option<&Series>, speaker: Option<&[f32]>) {
    if let (Some(condition), Some(speaker)) = (condition, speaker) {
        let row = condition.forward(speaker);
        x.chunks_exact_mut(row.len()).for_each(|x| add(x, &row));
    }
}

impl StochasticPredictor {
    fn load(loader: &mut Loader<'_>, config: &VitsConfig, speaker: Option<Series>) -> Result<Self> {
        let width = config.width;
        let point = |loader: &mut Loader<'_>, part: &str| {
            Series::load(loader, &format!("{MODULE}.{part}"), [width; 2], [1, 1], Bias::Required)
        };
        // Flow 0 is the affine one. The first spline is trained but left out when speaking, as in the original.
        let flows = (2..=config.duration.flows)
            .map(|i| ConvolutionFlow::load(loader, &format!("{MODULE}.flows.{i}"), config))
            .collect::<Result<_>>()?;
        Ok(Self {
            pre: point(loader, "conv_pre")?,
            separable: Separable::load(loader, &format!("{MODULE}.conv_dds"), config)?,
            projection: point(loader, "conv_proj")?,
            speaker,
            scale: loader.values(&format!("{MODULE}.flows.0.log_scale"), &[2, 1])?,
            shift: loader.values(&format!("{MODULE}.flows.0.translate"), &[2, 1])?,
            flows,
            width,
        })
    }

    fn forward(&self, states: &[f32], speaker: Option<&[f32]>, noise: &[f32]) -> Vec<f32> {
        let mut condition = self.pre.forward(states);
        add_condition(&mut condition, self.speaker.as_ref(), speaker);
        let condition = self.projection.forward(&self.separable.forward(condition));
        debug_assert_eq!(condition.len() / self.width * 2, noise.len());
        // The two values of each token, which trade places before every flow.
        let mut pairs: Vec<[f32; 2]> = noise.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        for flow in self.flows.iter().rev() {
            pairs.iter_mut().for_each(|pair| pair.reverse());
            flow.invert(&mut pairs, &condition);
        }
        pairs.iter().map(|pair| (pair[1] - self.shift[0]) * (-self.scale[0]).exp()).collect()
    }
}

/// A spline on the second value of each pair, with parameters from the first.
#[derive(Debug)]
struct ConvolutionFlow {
    pre: Series,
    separable: Separable,
    projection: Series,
    bins: usize,
    tail: f32,
    width: usize,
}

impl ConvolutionFlow {
    fn load(loader: &mut Loader<'_>, module: &str, config: &VitsConfig) -> Result<Self> {
        let (width, DurationShape { bins, tail, .. }) = (config.width, config.duration);
        let mut point =
            |part: &str, channels| Series::load(loader, &format!("{module}.{part}"), channels, [1, 1], Bias::Required);
        let (pre, projection) = (point("conv_pre", [1, width])?, point("conv_proj", [width, 3 * bins - 1])?);
        let separable = Separable::load(loader, &format!("{module}.conv_dds"), config)?;
        Ok(Self { pre, separable, projection, bins, tail, width })
    }

    fn invert(&self, pairs: &mut [[f32; 2]], condition: &[f32]) {
        let first: Vec<f32> = pairs.iter().map(|pair| pair[0]).collect();
        let mut x = self.pre.forward(&first);
        add(&mut x, condition);
        let mut parameters = self.projection.forward(&self.separable.forward(x));
        let scale = (self.width as f32).sqrt();
        for (pair, parameters) in pairs.iter_mut().zip(parameters.chunks_exact_mut(3 * self.bins - 1)) {
            parameters[..2 * self.bins].iter_mut().for_each(|p| *p /= scale);
            pair[1] = spline::inverse(pair[1], parameters, self.bins, self.tail);
        }
    }
}

/// Residual layers of a dilated convolution per channel and one across channels.
#[derive(Debug)]
struct Separable(Vec<SeparableLayer>);

#[derive(Debug)]
struct SeparableLayer {
    dilated: Depthwise,
    norm: LayerNorm,
    pointwise: Series,
    final_norm: LayerNorm,
}

impl Separable {
    fn load(loader: &mut Loader<'_>, module: &str, config: &VitsConfig) -> Result<Self> {
        let (width, kernel) = (config.width, config.duration.kernel);
        let layer = |i: usize| {
            let power = u32::try_from(i).expect("invariant: counts are bounded");
            let path = |part: &str| format!("{module}.{part}.{i}");
            Ok(SeparableLayer {
                dilated: Depthwise::load(loader, &path("convs_dilated"), width, [kernel, kernel.pow(power)])?,
                norm: loader.layer_norm(&path("norms_1"), width, EPS)?,
                pointwise: Series::load(loader, &path("convs_pointwise"), [width; 2], [1, 1], Bias::Required)?,
                final_norm: loader.layer_norm(&path("norms_2"), width, EPS)?,
            })
        };
        (0..config.duration.separable_layers).map(layer).collect::<Result<_>>().map(Self)
    }

    fn forward(&self, mut x: Room) -> Room {
        for layer in &self.0 {
            let mut inner = layer.dilated.forward(&x);
            layer.norm.apply(&mut inner);
            Activation::Gelu.apply(&mut inner);
            let mut inner = layer.pointwise.forward(&inner);
            layer.final_norm.apply(&mut inner);
            Activation::Gelu.apply(&mut inner);
            add(&mut x, &inner);
        }
        x
    }
}
