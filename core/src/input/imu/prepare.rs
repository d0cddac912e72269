//! From a window to what a tower reads.

use super::config::{ImuConfig, LongWindow, ShortWindow};
use super::rate::{regular, resampled, samples_for, steps_at};
use super::repair::{Repair, check_times, filled};
use super::units::{Gravity, ImuLayout};
use super::window::{ImuWindow, MAX_STEPS};
use crate::error::{Error, Result};

/// Corner of the filter that separates gravity, in Hz. Anguita et al. ("A public domain dataset for human activity
/// recognition using smartphones", ESANN 2013) take gravity to lie below 0.3 Hz; their filter is of a higher order, this
/// one is the first-order recursion that Android's documentation of `SensorEvent` gives.
const GRAVITY_HERTZ: f64 = 0.3;

impl ImuConfig {
    /// The window as `[channels, steps]`: repaired, evenly spaced, in the tower's frame and units, at its rate, without
    /// gravity where it expects none, standardised, cut or filled to its length.
    ///
    /// Where the tower expects no gravity and the window has it, what a first-order low-pass filter of 0.3 Hz leaves is
    /// subtracted; the filter begins at the first sample, so that the first second holds a remainder of motion.
    ///
    /// Cost: about `16 * max(steps, samples)` multiplications per channel where the rate changes; memory: some copies of
    /// the window.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the index of a value that is not finite, of a gap or of a timestamp that does not rise,
    /// unless `repair` allows it; for a window without the gyroscope or the gravity that the tower expects; for one that is
    /// too short, or too long by more than a sample that ends between two steps, unless the configuration allows it.
    /// [`Error::Malformed`] for a configuration out of range.
    pub fn prepare(&self, window: &ImuWindow, repair: Repair) -> Result<Vec<f32>> {
        let long = window.long().unwrap_or(self.long);
        self.check()?;
        repair.check()?;
        self.check_source(window)?;
        let source = window.source();
        if let Some(times) = window.timestamps() {
            check_times(times, repair.gap(source.rate), 0)?;
            let span = (window.time(window.steps() - 1) - window.time(0)) * source.rate;
            if span >= MAX_STEPS as f64 {
                return Err(Error::argument("timestamps", format!("they span {span} samples, at most {MAX_STEPS}")));
            }
            if span < 1.0 - 1e-6 {
                let reason = format!("they span {span} samples at {} Hz; are they seconds?", source.rate);
                return Err(Error::argument("timestamps", reason));
            }
        }
        let samples = filled(window, repair)?;
        let width = source.layout.channels();
        let mut out = Vec::with_capacity(self.layout.channels() * self.steps);
        let map = source.axes.channels(source.layout)?;
        for (channel, &(from, sign)) in map.iter().enumerate().take(self.layout.channels()) {
            let scale = if channel < 3 {
                source.acceleration.factor(self.acceleration)
            } else {
                source.rotation.factor(self.rotation)
            };
            let factor = (scale * f64::from(sign)) as f32;
            let mut values: Vec<f32> = samples.iter().skip(from).step_by(width).map(|v| v * factor).collect();
            if let Some(times) = window.timestamps() {
                values = regular(&values, times, source.rate);
            }
            if channel < 3 && (source.gravity, self.gravity) == (Gravity::Included, Gravity::Removed) {
                remove_gravity(&mut values, source.rate);
            }
            self.check_length(values.len(), source.rate, long)?;
            let values = resampled(&values, source.rate, self.rate);
            out.extend(self.fitted(&values, channel, long));
        }
        Ok(out)
    }

    fn check_source(&self, window: &ImuWindow) -> Result<()> {
        let source = window.source();
        if self.layout == ImuLayout::AccelerometerGyroscope && source.layout == ImuLayout::Accelerometer {
            return Err(Error::argument("imu window", "it has no gyroscope, and the tower reads one"));
        }
        if (source.gravity, self.gravity) == (Gravity::Removed, Gravity::Included) {
            return Err(Error::argument("imu window", "its gravity was removed, and the tower expects gravity"));
        }
        Ok(())
    }

    /// One sample more than a window needs is no reason to refuse it: at another rate its end lies between two.
    fn check_length(&self, samples: usize, rate: f64, long: LongWindow) -> Result<()> {
        let steps = steps_at(samples, rate, self.rate);
        let short = steps < self.steps && self.short == ShortWindow::Refuse;
        let needed = samples_for(self.steps, rate, self.rate);
        let spare = usize::from(needed != self.steps);
        if steps < 2 || short || samples > needed + spare && long == LongWindow::Refuse {
            let reason = format!("{steps} steps at {} Hz, the tower reads {}", self.rate, self.steps);
            return Err(Error::argument("imu window", reason));
        }
        Ok(())
    }

    /// One channel, standardised and of the tower's length.
    fn fitted(&self, values: &[f32], channel: usize, long: LongWindow) -> Vec<f32> {
        let excess = values.len().saturating_sub(self.steps);
        let values = match long {
            LongWindow::Refuse | LongWindow::KeepFirst => &values[..values.len() - excess],
            LongWindow::KeepLast => &values[excess..],
        };
        let mut out: Vec<f32> = values.iter().map(|v| (v - self.mean[channel]) / self.std[channel]).collect();
        let filler = match self.short {
            ShortWindow::Refuse | ShortWindow::Zeros => 0.0,
            ShortWindow::RepeatLast => out.last().copied().unwrap_or(0.0),
        };
        out.resize(self.steps, filler);
        out
    }
}

/// Subtracts what the low-pass filter leaves: `gravity += (value - gravity) * dt / (1 / (2 pi f) + dt)`.
fn remove_gravity(values: &mut [f32], rate: f64) {
    let share = 1.0 / (1.0 + rate / (std::f64::consts::TAU * GRAVITY_HERTZ));
    let mut gravity = values.first().map_or(0.0, |&v| f64::from(v));
    for value in values {
        gravity += (f64::from(*value) - gravity) * share;
        *value = (f64::from(*value) - gravity) as f32;
    }
}
