//! ImageBind's IMU tower: accelerometer and gyroscope.

use super::super::contract::Encoder;
use super::super::fields::MAX_WIDTH;
use super::super::preprocessor::Preprocessor;
use super::super::registry::Source;
use super::config::{Huge, TowerConfig};
use super::stem::{STEM_EPS, Stem};
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::Result;
use crate::input::{Acceleration, AngularRate, Gravity, ImuConfig, ImuLayout, LongWindow, ShortWindow};
use crate::model::layer::{Bias, Conv, ConvShape, Grid, Loader};
use crate::model::modality::Modality;

/// Sensors' rows: accelerometer x, y, z, then gyroscope x, y, z, as Ego4D orders them.
const CHANNELS: usize = 6;
const STEPS: usize = 2000;
/// In Hz; 2000 steps are ten seconds then.
const RATE: f64 = 200.0;

/// How motion becomes a window of `imagebind_huge`: six channels in m/s^2 and rad/s with gravity, 200 Hz, 2000 steps, without
/// standardisation.
///
/// The public code fixes channels and steps only and has no loader; units, order and rate are those of Ego4D, on which the
/// tower was trained.
#[must_use]
pub fn input() -> ImuConfig {
    ImuConfig {
        rate: RATE,
        steps: STEPS,
        layout: ImuLayout::AccelerometerGyroscope,
        acceleration: Acceleration::MetersPerSecondSquared,
        rotation: AngularRate::RadiansPerSecond,
        gravity: Gravity::Included,
        mean: vec![0.0; CHANNELS],
        std: vec![1.0; CHANNELS],
        short: ShortWindow::Refuse,
        long: LongWindow::Refuse,
    }
}

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
    preprocessing,
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
    let channels = config.size("num_channels", CHANNELS, 64)?;
    let steps = config.size("max_length", STEPS, MAX_WIDTH)?;
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

fn preprocessing(stem: &Stem) -> Result<Preprocessor> {
    Ok(Preprocessor::Motion(ImuConfig { steps: stem.grid.width, ..input() }))
}
