//! Normalisation of a spectrogram.

use serde::{Deserialize, Serialize};

use super::spectrogram::Spectrogram;
use crate::error::{Error, Result};

/// Added to a variance, so that a constant band divides by something.
const VARIANCE_FLOOR: f64 = 1e-5;

/// What is done to the logarithms of one sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalize {
    /// Nothing.
    None,
    /// `(x - mean) / std` with constants of the training data.
    Affine {
        /// Subtracted.
        mean: f32,
        /// Divided by; not 0.
        std: f32,
    },
    /// `(x - mean of the sound) / scale`: removes the gain of the microphone.
    ClipMean {
        /// Divided by; not 0.
        scale: f32,
    },
    /// Each bin has mean 0 and variance 1 over the sound (`1e-5` is added to the variance).
    Bins,
    /// `(max(x, largest of the sound - range) + offset) / scale`, as Whisper does.
    DynamicRange {
        /// Kept below the largest value.
        range: f32,
        /// Added.
        offset: f32,
        /// Divided by; not 0.
        scale: f32,
    },
}

impl Normalize {
    pub(super) fn check(&self) -> Result<()> {
        let (constants, divisor) = match *self {
            Self::None | Self::Bins => return Ok(()),
            Self::Affine { mean, std } => ([mean, 0.0], std),
            Self::ClipMean { scale } => ([0.0; 2], scale),
            Self::DynamicRange { range, offset, scale } => ([range, offset], scale),
        };
        // A divisor near zero would make infinities.
        if !constants.iter().all(|c| c.abs() <= 1e6) || !(1e-6..=1e6).contains(&divisor.abs()) {
            let reason = format!("normalize is {self:?}, accepted are divisors of 1e-6 to 1e6, constants up to 1e6");
            return Err(Error::malformed("mel", "configuration", reason));
        }
        Ok(())
    }

    pub(super) fn apply(&self, spectrogram: &mut Spectrogram) {
        let frames = spectrogram.frames().max(1);
        let values = spectrogram.values_mut();
        let map = |values: &mut [f32], f: &dyn Fn(f32) -> f32| values.iter_mut().for_each(|v| *v = f(*v));
        match *self {
            Self::None => {}
            Self::Affine { mean, std } => map(values, &|v| (v - mean) / std),
            Self::ClipMean { scale } => {
                let mean = mean(values) as f32;
                map(values, &|v| (v - mean) / scale);
            }
            Self::Bins => {
                for row in values.chunks_mut(frames) {
                    let mean = mean(row);
                    let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / row.len() as f64;
                    let deviation = (variance + VARIANCE_FLOOR).sqrt();
                    map(row, &|v| ((f64::from(v) - mean) / deviation) as f32);
                }
            }
            Self::DynamicRange { range, offset, scale } => {
                let floor = values.iter().copied().fold(f32::MIN, f32::max) - range;
                map(values, &|v| (v.max(floor) + offset) / scale);
            }
        }
    }
}

/// In double precision: a sound has many values.
pub(super) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}
