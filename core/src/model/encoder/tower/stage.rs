//! One stage of a tower.

use super::config::StageConfig;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::graph::Window;
use crate::model::encoder::fields::{MAX_LAYERS, MAX_WIDTH};
use crate::model::layer::{
    Activation, Affine, Bias, BlockNames, BlockShape, Conv, ConvShape, Grid, Loader, Mask, Pass, TransformerBlock, add,
    shuffled,
};
use crate::quant::{Deltas, RowAdapters};

const FORMAT: &str = "config.json";
/// Values between two stages: 256 MB.
const MAX_VALUES: usize = 1 << 26;
/// Positions that attend to each other.
const MAX_TOKENS: usize = 1 << 14;
/// How much larger one stage makes a picture along an axis.
const MAX_FACTOR: usize = 8;
/// Norms of transformer blocks, PyTorch's default.
const NORM_EPS: f64 = 1e-5;
/// Of batch norms, PyTorch's default.
const BATCH_NORM_EPS: f64 = 1e-5;

/// Paths within a transformer block.
const BLOCK: BlockNames = BlockNames {
    attention_norm: "attention_norm",
    attention: ["query", "key", "value", "output"],
    mlp_norm: "mlp_norm",
    mlp: ["up", "down"],
    biases: [Bias::Required; 4],
};

/// What a stage reads or gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) channels: usize,
    pub(crate) grid: Grid,
}

/// A loaded stage.
pub(super) enum Stage {
    Conv(Conv),
    Norm(Affine),
    Activation(Activation),
    MaxPool(Window),
    Residual { body: Vec<Stage>, shortcut: Vec<Stage> },
    Upsample(usize),
    PixelShuffle(usize),
    Transformer { positions: Vec<f32>, window: Grid, blocks: Vec<TransformerBlock> },
}

fn wrong(path: &str, reason: impl std::fmt::Display) -> Error {
    Error::malformed("configuration", FORMAT, format!("{path}: {reason}"))
}

/// One number per axis as `[height, width]`; a series has height 1, and `missing` stands for none.
fn axes(path: &str, what: &str, values: &[usize], series: bool, missing: usize, limit: usize) -> Result<[usize; 2]> {
    let flat = if what == "padding" { 0 } else { 1 };
    let pair = match (series, values) {
        (true, []) => [flat, missing],
        (true, [width]) => [flat, *width],
        (false, []) => [missing, missing],
        (false, [height, width]) => [*height, *width],
        _ => return Err(wrong(path, format!("{what} {values:?}, expected one number per axis"))),
    };
    if pair.iter().any(|&n| n > limit || n < flat) {
        return Err(wrong(path, format!("{what} {values:?}, expected {flat} to {limit}")));
    }
    Ok(pair)
}

fn window(path: &str, kernel: &[usize], stride: &[usize], grid: Grid) -> Result<Window> {
    let series = grid.height == 1;
    Ok(Window {
        kernel: axes(path, "kernel", kernel, series, 1, 1 << 10)?,
        stride: axes(path, "stride", stride, series, 1, 1 << 10)?,
        padding: [0; 2],
        dilation: [1; 2],
    })
}

impl Stage {
    /// Loads the stage at module path `path`, and says what it gives.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the stage; [`Error::MissingTensor`] or [`Error::Shape`].
    pub(super) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        spec: &StageConfig,
        from: Extent,
    ) -> Result<(Self, Extent)> {
        let (stage, to) = match spec {
            StageConfig::Conv { outputs, kernel, stride, padding, bias } => {
                let window = window(path, kernel, stride, from.grid)?;
                if *outputs == 0 || *outputs > MAX_WIDTH {
                    return Err(wrong(path, format!("{outputs} outputs")));
                }
                let shape = ConvShape {
                    inputs: from.channels,
                    outputs: *outputs,
                    kernel: window.kernel,
                    stride: window.stride,
                    padding: axes(path, "padding", padding, from.grid.height == 1, 0, 1 << 10)?,
                    dilation: [1, 1],
                };
                let grid = shape.output(from.grid).ok_or_else(|| wrong(path, "its kernel exceeds its input"))?;
                let bias = if *bias { Bias::Required } else { Bias::Absent };
                (Self::Conv(loader.conv(path, shape, bias)?), Extent { channels: *outputs, grid })
            }
            StageConfig::BatchNorm => (Self::Norm(loader.batch_norm(path, from.channels, BATCH_NORM_EPS)?), from),
            StageConfig::Activation { kind } => (Self::Activation(Activation::parse(path, kind)?), from),
            StageConfig::MaxPool { kernel, stride } => {
                let window = window(path, kernel, stride, from.grid)?;
                let grid = slid(&window, from.grid).ok_or_else(|| wrong(path, "its window exceeds its input"))?;
                (Self::MaxPool(window), Extent { grid, ..from })
            }
            StageConfig::Residual { body, shortcut } => {
                let (body, to) = Self::list(loader, &format!("{path}.body"), body, from)?;
                let (shortcut, other) = Self::list(loader, &format!("{path}.shortcut"), shortcut, from)?;
                if (to.channels, to.grid) != (other.channels, other.grid) {
                    return Err(wrong(path, format!("body gives {to:?}, shortcut {other:?}")));
                }
                (Self::Residual { body, shortcut }, to)
            }
            StageConfig::Upsample { factor } => {
                let grid = check_factor(path, *factor, from)?;
                (Self::Upsample(*factor), Extent { grid, ..from })
            }
            StageConfig::PixelShuffle { factor } => {
                let grid = check_factor(path, *factor, from)?;
                if !from.channels.is_multiple_of(factor * factor) {
                    let reason = format!("{} channels do not divide into squares of {factor}", from.channels);
                    return Err(wrong(path, reason));
                }
                (Self::PixelShuffle(*factor), Extent { channels: from.channels / (factor * factor), grid })
            }
            StageConfig::Transformer { layers, heads, inner } => {
                let tokens = from.grid.count();
                if tokens > MAX_TOKENS || *layers > MAX_LAYERS || *inner == 0 || *inner > MAX_WIDTH {
                    return Err(wrong(path, format!("{layers} layers of {inner} over {tokens} positions")));
                }
                let shape = BlockShape {
                    width: from.channels,
                    inner: *inner,
                    heads: *heads,
                    eps: NORM_EPS,
                    activation: Activation::Gelu,
                };
                let positions = loader.values(&format!("{path}.positions"), &[tokens, from.channels])?;
                let blocks = (0..*layers)
                    .map(|i| TransformerBlock::load(loader, &format!("{path}.blocks.{i}"), &BLOCK, &shape))
                    .collect::<Result<_>>()?;
                (Self::Transformer { positions, window: from.grid, blocks }, from)
            }
        };
        match to.grid.count().checked_mul(to.channels).filter(|&count| count <= MAX_VALUES) {
            Some(_) => Ok((stage, to)),
            None => Err(wrong(path, format!("it gives more than {MAX_VALUES} values: {to:?}"))),
        }
    }

    fn list(loader: &mut Loader<'_>, path: &str, specs: &[StageConfig], from: Extent) -> Result<(Vec<Self>, Extent)> {
        let mut extent = from;
        let mut stages = Vec::new();
        for (i, spec) in specs.iter().enumerate() {
            let (stage, after) = Self::load(loader, &format!("{path}.{i}"), spec, extent)?;
            stages.push(stage);
            extent = after;
        }
        Ok((stages, extent))
    }

    /// Extent of the output for another extent of the input, `None` where there is none: for one that is smaller than a
    /// kernel, or that a stage's positions do not cover.
    pub(super) fn output(&self, grid: Grid) -> Option<Grid> {
        match self {
            Self::Conv(conv) => conv.shape().output(grid),
            Self::Norm(_) | Self::Activation(_) => Some(grid),
            Self::Upsample(factor) | Self::PixelShuffle(factor) => Some(larger(grid, *factor)),
            Self::MaxPool(window) => slid(window, grid),
            Self::Residual { body, shortcut } => {
                let along = |stages: &[Self]| stages.iter().try_fold(grid, |grid, stage| stage.output(grid));
                along(body).filter(|to| along(shortcut) == Some(*to))
            }
            Self::Transformer { window, .. } => {
                (grid.height == window.height && grid.width <= window.width).then_some(grid)
            }
        }
    }

    /// Positions along the last axis from one output to the next.
    pub(super) fn stride(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.shape().stride[1],
            Self::MaxPool(window) => window.stride[1],
            Self::Residual { body, .. } => body.iter().map(Self::stride).product(),
            // What makes pictures larger is refused where there is one axis alone.
            Self::Norm(_)
            | Self::Activation(_)
            | Self::Upsample(_)
            | Self::PixelShuffle(_)
            | Self::Transformer { .. } => 1,
        }
    }

    /// Runs the stage on one input, `[positions, channels]`.
    pub(super) fn forward(&self, mut x: Room, grid: Grid, deltas: Option<&Deltas>) -> (Room, Grid) {
        match self {
            Self::Conv(conv) => conv.forward(&x, grid, deltas),
            Self::Norm(norm) => {
                norm.apply(&mut x);
                (x, grid)
            }
            Self::Activation(activation) => {
                activation.apply(&mut x);
                (x, grid)
            }
            Self::MaxPool(window) => largest(window, &x, grid),
            Self::Residual { body, shortcut } => {
                let run = |stages: &[Self], x: Room| {
                    stages.iter().fold((x, grid), |(x, grid), stage| stage.forward(x, grid, deltas))
                };
                let (mut out, grid) = run(body, x.clone());
                let (kept, _) = run(shortcut, x);
                add(&mut out, &kept);
                (out, grid)
            }
            Self::Upsample(factor) => upsampled(*factor, &x, grid),
            Self::PixelShuffle(factor) => shuffled(*factor, &x, grid),
            Self::Transformer { positions, window, blocks } => {
                // A grid that is narrower than the window has the first positions of each row.
                let channels = x.len() / grid.count();
                let rows = positions.chunks_exact(window.width * channels);
                for (x, positions) in x.chunks_exact_mut(grid.width * channels).zip(rows) {
                    x.iter_mut().zip(positions).for_each(|(x, p)| *x += p);
                }
                let lengths = [grid.count()];
                let adapters = RowAdapters::same(grid.count(), deltas);
                let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
                blocks.iter().for_each(|block| block.forward(&pass, &mut x));
                (x, grid)
            }
        }
    }
}

/// Extent of what a window gives, `None` for a grid that is smaller.
fn slid(window: &Window, grid: Grid) -> Option<Grid> {
    window.output([grid.height, grid.width]).map(|[height, width]| Grid { height, width })
}

/// A grid `factor` times as large along both axes.
fn larger(grid: Grid, factor: usize) -> Grid {
    Grid { height: grid.height * factor, width: grid.width * factor }
}

/// The grid of a picture that becomes larger.
fn check_factor(path: &str, factor: usize, from: Extent) -> Result<Grid> {
    if !(2..=MAX_FACTOR).contains(&factor) || from.grid.height == 1 {
        let reason = format!("factor {factor} of {:?}, expected 2 to {MAX_FACTOR} of a picture", from.grid);
        return Err(wrong(path, reason));
    }
    Ok(larger(from.grid, factor))
}

/// Each position `factor` times along both axes.
fn upsampled(factor: usize, x: &[f32], grid: Grid) -> (Room, Grid) {
    let (to, channels) = (larger(grid, factor), x.len() / grid.count());
    let mut out = Room::new(to.count() * channels);
    for (at, row) in out.chunks_exact_mut(channels).enumerate() {
        let from = at / to.width / factor * grid.width + at % to.width / factor;
        row.copy_from_slice(&x[from * channels..(from + 1) * channels]);
    }
    (out, to)
}

/// The largest of each window, which reaches beyond no edge.
fn largest(window: &Window, x: &[f32], grid: Grid) -> (Room, Grid) {
    let to = slid(window, grid).expect("invariant: extents are checked on load");
    let channels = x.len() / grid.count();
    let mut out = Room::new(to.count() * channels);
    out.fill(f32::NEG_INFINITY);
    for (at, row) in out.chunks_exact_mut(channels).enumerate() {
        let (y0, x0) = (at / to.width * window.stride[0], at % to.width * window.stride[1]);
        for tap in 0..window.kernel[0] * window.kernel[1] {
            let position = (y0 + tap / window.kernel[1]) * grid.width + x0 + tap % window.kernel[1];
            let source = &x[position * channels..(position + 1) * channels];
            row.iter_mut().zip(source).for_each(|(o, v)| *o = o.max(*v));
        }
    }
    (out, to)
}
