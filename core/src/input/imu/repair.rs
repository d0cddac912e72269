//! Missing samples.

use serde::{Deserialize, Serialize};

use super::window::ImuWindow;
use crate::error::{Error, Result};

/// What is done about samples that are not finite, and about gaps between timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// They are refused by index.
    Refuse,
    /// They are interpolated between their neighbours.
    Interpolate {
        /// Longest time between two good samples, in ms, 0 to 10000. A longer gap is refused.
        max_gap_ms: f64,
    },
}

/// Longest gap that may be asked for.
const MAX_GAP_MS: f64 = 10_000.0;
/// Timestamps jitter; from this many periods on, a sample is missing.
const GAP_PERIODS: f64 = 1.5;

impl Repair {
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Interpolate { max_gap_ms } if !(0.0..=MAX_GAP_MS).contains(&max_gap_ms) => {
                Err(Error::argument("repair", format!("max_gap_ms is {max_gap_ms}, accepted are 0 to {MAX_GAP_MS}")))
            }
            _ => Ok(()),
        }
    }

    /// Longest time between two samples, in seconds.
    pub(super) fn gap(self, rate: f64) -> f64 {
        let regular = GAP_PERIODS / rate;
        match self {
            Self::Refuse => regular,
            Self::Interpolate { max_gap_ms } => regular.max(max_gap_ms / 1000.0),
        }
    }
}

/// Succeeds when `timestamps` rise by no more than `gap` seconds; `start` is the index of the first one.
///
/// # Errors
/// [`Error::Argument`] naming the index.
pub(super) fn check_times(timestamps: &[f64], gap: f64, start: usize) -> Result<()> {
    for (i, pair) in timestamps.windows(2).enumerate() {
        let step = pair[1] - pair[0];
        if step <= 0.0 {
            let reason = format!("{} at index {} does not follow {}", pair[1], start + i + 1, pair[0]);
            return Err(Error::argument("timestamps", reason));
        }
        if step > gap {
            let reason = format!("a gap of {step} s before index {}, accepted are {gap} s", start + i + 1);
            return Err(Error::argument("timestamps", reason));
        }
    }
    Ok(())
}

/// The samples of a window with every value finite.
///
/// # Errors
/// [`Error::Argument`] naming step and channel of a value that is not finite and may not be repaired: under
/// [`Repair::Refuse`], at either end, or in a gap that is too long.
pub(super) fn filled(window: &ImuWindow, repair: Repair) -> Result<Vec<f32>> {
    let channels = window.source().layout.channels();
    let mut samples = window.samples().to_vec();
    for channel in 0..channels {
        let mut last: Option<usize> = None;
        let steps = window.steps();
        for step in 0..steps {
            let value = samples[step * channels + channel];
            if !value.is_finite() {
                continue;
            }
            let from = last.map_or(0, |l| l + 1);
            if from < step {
                let refused = || bad(from, channel, samples[from * channels + channel]);
                let (Repair::Interpolate { .. }, Some(last)) = (repair, last) else { return Err(refused()) };
                let (begin, end) = (window.time(last), window.time(step));
                if end - begin > repair.gap(window.source().rate) {
                    return Err(refused());
                }
                let before = samples[last * channels + channel];
                for inner in from..step {
                    let share = ((window.time(inner) - begin) / (end - begin)) as f32;
                    samples[inner * channels + channel] = before + (value - before) * share;
                }
            }
            last = Some(step);
        }
        let rest = last.map_or(0, |l| l + 1);
        if rest < steps {
            return Err(bad(rest, channel, samples[rest * channels + channel]));
        }
    }
    Ok(samples)
}

fn bad(step: usize, channel: usize, value: f32) -> Error {
    Error::argument("imu window", format!("sample {step}, channel {channel} is {value} and cannot be repaired"))
}
