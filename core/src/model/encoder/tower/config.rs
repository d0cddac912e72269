//! `config.json` of our own towers.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::MelConfig;
use crate::model::encoder::fields::MAX_WIDTH;
use crate::model::encoder::registry::modality;
use crate::model::layer::Grid;
use crate::model::modality::Modality;

const FORMAT: &str = "config.json";
/// Stages of a list.
const MAX_STAGES: usize = 256;
/// Residual stages within each other: each one keeps its input while its body runs.
const MAX_DEPTH: usize = 4;
/// Values of one input.
const MAX_INPUT: usize = 1 << 24;

/// One stage as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum StageConfig {
    /// A convolution; one number per axis.
    Conv {
        outputs: usize,
        kernel: Vec<usize>,
        #[serde(default)]
        stride: Vec<usize>,
        #[serde(default)]
        padding: Vec<usize>,
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A batch norm with running statistics.
    BatchNorm,
    /// A pointwise non-linearity.
    Activation { kind: String },
    /// The largest of each window.
    MaxPool { kernel: Vec<usize>, stride: Vec<usize> },
    /// `shortcut(x) + body(x)`; an empty shortcut is the input itself.
    Residual {
        body: Vec<StageConfig>,
        #[serde(default)]
        shortcut: Vec<StageConfig>,
    },
    /// Each position `factor` times along both axes of a picture.
    Upsample { factor: usize },
    /// `factor * factor` channels of each position as that many positions, as PyTorch's `PixelShuffle` orders them.
    PixelShuffle { factor: usize },
    /// Learned positions, then pre-norm transformer blocks over all positions.
    Transformer { layers: usize, heads: usize, inner: usize },
}

fn yes() -> bool {
    true
}

/// How rows become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TowerPooling {
    /// The average.
    Mean,
    /// The average, then the largest.
    MeanMax,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "model_type")]
    _model_type: String,
    modality: String,
    input: Vec<usize>,
    stages: Vec<StageConfig>,
    pooling: TowerPooling,
    dim: usize,
    logit_scale: Option<f32>,
    ctc: Option<WrittenCtc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCtc {
    mel: Value,
    #[serde(default)]
    vocabulary: Vec<String>,
    #[serde(default)]
    blank: usize,
}

/// How a tower hears speech frame by frame.
#[derive(Clone, Debug)]
pub(crate) struct CtcConfig {
    /// The spectrogram of sound of any length.
    pub(crate) mel: MelConfig,
    /// What each output of its head writes, `|` for the space between words; empty where an adapter brings the head.
    pub(crate) vocabulary: Vec<String>,
    /// The output that stands for nothing.
    pub(crate) blank: usize,
}

impl CtcConfig {
    fn parse(written: WrittenCtc) -> Result<Self> {
        let mel = MelConfig::parse(&written.mel)?;
        if mel.samples.is_some() || mel.frames.is_some() {
            let reason = "ctc: mel has a fixed length, speech has any".to_owned();
            return Err(Error::malformed("configuration", FORMAT, reason));
        }
        Ok(Self { mel, vocabulary: written.vocabulary, blank: written.blank })
    }
}

/// How deep residual stages lie within each other.
fn depth(stages: &[StageConfig]) -> usize {
    let of = |stage: &StageConfig| match stage {
        StageConfig::Residual { body, shortcut } => 1 + depth(body).max(depth(shortcut)),
        _ => 0,
    };
    stages.iter().map(of).max().unwrap_or(0)
}

/// Succeeds when stages are few enough and not too deep within each other.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn check_stages(stages: &[StageConfig]) -> std::result::Result<(), String> {
    if depth(stages) > MAX_DEPTH {
        return Err(format!("residual stages lie more than {MAX_DEPTH} deep"));
    }
    if stages.len() > MAX_STAGES {
        return Err(format!("{} stages, expected {MAX_STAGES} at most", stages.len()));
    }
    Ok(())
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(super) struct TowerConfig {
    pub(super) modality: Modality,
    /// `[channels, length]` or `[channels, height, width]`.
    pub(super) input: Vec<usize>,
    pub(super) stages: Vec<StageConfig>,
    pub(super) pooling: TowerPooling,
    pub(super) dim: usize,
    pub(super) logit_scale: Option<f32>,
    pub(super) ctc: Option<CtcConfig>,
}

impl TowerConfig {
    /// Reads and checks.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub(super) fn parse(json: &Value) -> Result<Self> {
        let wrong = |reason: String| Error::malformed("configuration", FORMAT, reason);
        let written: Written = serde_json::from_value(json.clone()).map_err(|e| wrong(e.to_string()))?;
        let modality =
            modality(&written.modality).ok_or_else(|| wrong(format!("modality '{}' is unknown", written.modality)))?;
        let values = written.input.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if !(2..=3).contains(&written.input.len()) || !values.is_some_and(|n| (1..=MAX_INPUT).contains(&n)) {
            return Err(wrong(format!(
                "input {:?}, expected two or three extents of at most {MAX_INPUT} values",
                written.input
            )));
        }
        check_stages(&written.stages).map_err(wrong)?;
        if written.dim == 0 || written.dim > MAX_WIDTH {
            return Err(wrong(format!("dim {}", written.dim)));
        }
        if written.logit_scale.is_some_and(|scale| !scale.is_finite() || scale <= 0.0) {
            return Err(wrong(format!("logit_scale {:?} is not positive", written.logit_scale)));
        }
        if written.ctc.is_some() && modality != Modality::SPEECH {
            return Err(wrong(format!("ctc: it is of speech towers, this one reads {modality}")));
        }
        let ctc = written.ctc.map(CtcConfig::parse).transpose()?;
        Ok(Self {
            ctc,
            modality,
            input: written.input,
            stages: written.stages,
            pooling: written.pooling,
            dim: written.dim,
            logit_scale: written.logit_scale,
        })
    }

    /// Extent of the input's positions.
    pub(super) fn grid(&self) -> Grid {
        match self.input[1..] {
            [height, width] => Grid { height, width },
            _ => Grid::series(self.input[1]),
        }
    }
}
