//! ImageBind's IMU tower: accelerometer and gyroscope.

use super::super::contract::{Encoder, Features};
use super::super::fields::MAX_WIDTH;
use super::super::registry::Source;
use super::config::{Huge, TowerConfig};
use super::stem::{STEM_EPS, Stem};
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::{Error, Result};
use crate::input::Input;
use crate::model::layer::{Bias, Conv, ConvShape, Grid, Loader};
use crate::model::modality::Modality;

/// What ImageBind's IMU tower reads. The public code has no loader for it; the order of channels and the rate are those of
/// Ego4D, on which it was trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImuInput {
    /// Rows of a window.
    pub channels: [&'static str; 6],
    /// Samples per second.
    pub sample_rate: usize,
    /// Samples of a window.
    pub steps: usize,
}

/// ImageBind's constants: ten seconds.
pub const IMU: ImuInput = ImuInput {
    channels: ["accelerometer x", "accelerometer y", "accelerometer z", "gyroscope x", "gyroscope y", "gyroscope z"],
    sample_rate: 200,
    steps: 2000,
};

static PLAN: Plan = Plan {
    modality: Modality::IMU,
    name: "imu",
    huge: Huge { width: 512, layers: 6, heads: 8 },
    positions: "pos_embed",
    first_norm: None,
    keys: Keys::TokensAndOne,
    // A dropout stands before it.
    projection: "3",
    scale: Some("1.log_logit_scale"),
    prepare,
};

/// Opens the tower; features are a window `[channels, steps]`, or `[windows, channels, steps]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, stem)?))
}

/// A linear over the samples of all channels within a patch, channel by channel: a convolution along time.
fn stem(loader: &mut Loader<'_>, config: &TowerConfig<'_>, module: &str) -> Result<Stem> {
    let width = config.block.width;
    let channels = config.size("num_channels", IMU.channels.len(), 64)?;
    let steps = config.size("max_length", IMU.steps, MAX_WIDTH)?;
    let patch = [1, config.size("patch_size", 8, steps)?];
    let shape =
        ConvShape { inputs: channels, outputs: width, kernel: patch, stride: patch, padding: [0, 0], dilation: [1, 1] };
    let linear = loader.linear(&format!("{module}.imu_stem.proj"), width, shape.patch(), Bias::Absent)?;
    Ok(Stem {
        shape: vec![channels, steps],
        grid: Grid::series(steps),
        conv: Conv::new(shape, linear),
        norm: Some(loader.layer_norm(&format!("{module}.imu_stem.norm_layer"), width, STEM_EPS)?),
        frames: None,
    })
}

fn prepare(tower: &Tower, input: &Input) -> Result<Features> {
    let reason = format!("give windows of shape {:?} at {} Hz", tower.stem.shape, IMU.sample_rate);
    Err(Error::unsupported(format!("{} for the IMU encoder", input.kind()), reason))
}
