//! What a sensor gave.

use serde::{Deserialize, Serialize};

use super::axes::Axes;
use super::config::LongWindow;
use super::units::{Acceleration, AngularRate, Gravity, ImuLayout};
use crate::error::{Error, Result};

/// Most samples of a window: nearly three hours at 100 Hz.
pub(super) const MAX_STEPS: usize = 1 << 20;
/// Rates of sensors in Hz.
pub(super) const RATES: std::ops::RangeInclusive<f64> = 1.0..=10_000.0;
/// Largest magnitude of a sample in its unit: far beyond every sensor, and small enough that no conversion overflows.
const MAX_MAGNITUDE: f32 = 1e6;

/// How samples were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImuSource {
    /// Samples per second, 1 to 10000.
    pub rate: f64,
    /// Channels of a sample.
    pub layout: ImuLayout,
    /// Unit of the accelerometer.
    pub acceleration: Acceleration,
    /// Unit of the gyroscope, if there is one.
    pub rotation: AngularRate,
    /// Whether acceleration holds gravity.
    pub gravity: Gravity,
    /// Frame and sign convention.
    pub axes: Axes,
}

impl ImuSource {
    /// Android's sensors: m/s^2, rad/s, its device frame, gravity included.
    #[must_use]
    pub fn android(rate: f64, layout: ImuLayout) -> Self {
        Self {
            rate,
            layout,
            acceleration: Acceleration::MetersPerSecondSquared,
            rotation: AngularRate::RadiansPerSecond,
            gravity: Gravity::Included,
            axes: Axes::Android,
        }
    }

    /// iOS's raw sensors: g, rad/s, its device frame and sign, gravity included.
    #[must_use]
    pub fn ios(rate: f64, layout: ImuLayout) -> Self {
        Self { acceleration: Acceleration::G, axes: Axes::Ios, ..Self::android(rate, layout) }
    }

    pub(super) fn check(&self) -> Result<()> {
        if !RATES.contains(&self.rate) {
            return Err(Error::argument("sample rate", format!("{} Hz, accepted are 1 to 10000", self.rate)));
        }
        self.axes.channels(self.layout)?;
        Ok(())
    }
}

/// Samples of one stretch of time. They may hold values that are not finite: what is done about them is chosen in
/// [`super::ImuConfig::prepare`].
#[derive(Clone, Debug, PartialEq)]
pub struct ImuWindow {
    source: ImuSource,
    samples: Vec<f32>,
    timestamps: Option<Vec<f64>>,
    /// What is done when it is too long, where that is not for the tower to say.
    long: Option<LongWindow>,
}

impl ImuWindow {
    /// `samples` is `[steps, channels]`; `timestamps` are seconds from any origin, one per step. Without them the samples
    /// are evenly spaced.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two or more than 2^20 steps, a number of samples that is no multiple of the
    /// channels, a value beyond 1e6 in its unit (by index), another number of timestamps than steps or one that is not
    /// finite (by index), and a source out of its ranges.
    pub fn new(source: ImuSource, samples: Vec<f32>, timestamps: Option<Vec<f64>>) -> Result<Self> {
        source.check()?;
        let steps = whole_steps(&source, &samples, 0)?;
        if !(2..=MAX_STEPS).contains(&steps) {
            return Err(Error::argument("imu window", format!("{steps} samples, accepted are 2 to {MAX_STEPS}")));
        }
        check_count(timestamps.as_deref(), steps)?;
        Ok(Self { source, samples, timestamps, long: None })
    }

    /// A window that was cut from a stream: with the jitter of timestamps it may reach beyond its last step.
    pub(super) fn of_stream(self) -> Self {
        Self { long: Some(LongWindow::KeepFirst), ..self }
    }

    pub(super) fn long(&self) -> Option<LongWindow> {
        self.long
    }

    /// How it was recorded.
    #[must_use]
    pub fn source(&self) -> &ImuSource {
        &self.source
    }

    /// Values, `[steps, channels]`.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Seconds, one per step.
    #[must_use]
    pub fn timestamps(&self) -> Option<&[f64]> {
        self.timestamps.as_deref()
    }

    /// Samples in time.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.samples.len() / self.source.layout.channels()
    }

    /// When a step was measured, in seconds.
    pub(super) fn time(&self, step: usize) -> f64 {
        self.timestamps.as_ref().map_or_else(|| step as f64 / self.source.rate, |times| times[step])
    }
}

/// Steps in `samples`, whose values are within bounds; `start` is the index of the first step.
pub(super) fn whole_steps(source: &ImuSource, samples: &[f32], start: usize) -> Result<usize> {
    let channels = source.layout.channels();
    if !samples.len().is_multiple_of(channels) {
        return Err(Error::argument("imu window", format!("{} values in {channels} channels", samples.len())));
    }
    // Infinities and NaN pass: they are gaps.
    if let Some(index) = samples.iter().position(|v| v.is_finite() && v.abs() > MAX_MAGNITUDE) {
        let (step, channel) = (start + index / channels, index % channels);
        let reason = format!("sample {step}, channel {channel} is {}, accepted are up to 1e6", samples[index]);
        return Err(Error::argument("imu window", reason));
    }
    Ok(samples.len() / channels)
}

pub(super) fn check_count(timestamps: Option<&[f64]>, steps: usize) -> Result<()> {
    let Some(times) = timestamps else { return Ok(()) };
    if times.len() != steps {
        return Err(Error::argument("timestamps", format!("{} for {steps} samples", times.len())));
    }
    match times.iter().position(|t| !t.is_finite()) {
        Some(index) => Err(Error::argument("timestamps", format!("{} at index {index}", times[index]))),
        None => Ok(()),
    }
}
