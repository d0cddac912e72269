//! What a tower reads.

use serde::{Deserialize, Serialize};

use super::units::{Acceleration, AngularRate, Gravity, ImuLayout};
use super::window::{MAX_STEPS, RATES};
use crate::error::{Error, Result};

/// What is done about a window with fewer steps than the tower reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortWindow {
    /// It is refused.
    #[default]
    Refuse,
    /// Zeros follow, after standardisation.
    Zeros,
    /// Its last sample is repeated.
    RepeatLast,
}

/// What is done about a window with more steps than the tower reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongWindow {
    /// It is refused.
    #[default]
    Refuse,
    /// Its first steps are kept.
    KeepFirst,
    /// Its last steps are kept.
    KeepLast,
}

/// Input of a tower, as JSON beside its weights. The frame is always Android's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImuConfig {
    /// Steps per second, 1 to 10000.
    pub rate: f64,
    /// Steps of a window, 2 to 2^20.
    pub steps: usize,
    /// Channels of a step.
    pub layout: ImuLayout,
    /// Unit of acceleration.
    pub acceleration: Acceleration,
    /// Unit of angular rate; without meaning for an accelerometer alone.
    pub rotation: AngularRate,
    /// Whether the tower expects gravity.
    pub gravity: Gravity,
    /// Subtracted from each channel, in the units above; one value per channel.
    pub mean: Vec<f32>,
    /// Divides each channel; one value per channel, at least 1e-6.
    pub std: Vec<f32>,
    /// What is done about windows that are too short.
    #[serde(default)]
    pub short: ShortWindow,
    /// What is done about windows that are too long.
    #[serde(default)]
    pub long: LongWindow,
}

impl ImuConfig {
    /// Reads and checks JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub fn parse(json: &serde_json::Value) -> Result<Self> {
        let config = Self::deserialize(json).map_err(wrong)?;
        config.check()?;
        Ok(config)
    }

    /// Succeeds when every value is in its range.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub fn check(&self) -> Result<()> {
        if !RATES.contains(&self.rate) {
            return Err(wrong(format!("rate is {}, accepted are 1 to 10000", self.rate)));
        }
        if !(2..=MAX_STEPS).contains(&self.steps) {
            return Err(wrong(format!("steps is {}, accepted are 2 to {MAX_STEPS}", self.steps)));
        }
        let channels = self.layout.channels();
        if self.mean.len() != channels || self.std.len() != channels {
            let reason = format!("{} mean and {} std for {channels} channels", self.mean.len(), self.std.len());
            return Err(wrong(reason));
        }
        if let Some(value) = self.mean.iter().find(|v| !(-1e6..=1e6).contains(*v)) {
            return Err(wrong(format!("mean has {value}, accepted are -1e6 to 1e6")));
        }
        match self.std.iter().find(|v| !(1e-6..=1e6).contains(*v)) {
            Some(value) => Err(wrong(format!("std has {value}, accepted are 1e-6 to 1e6"))),
            None => Ok(()),
        }
    }
}

fn wrong(reason: impl ToString) -> Error {
    Error::malformed("imu", "configuration", reason)
}
