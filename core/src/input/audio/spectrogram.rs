//! What a spectrogram is made into.

use crate::error::{Error, Result};

/// Most values of one spectrogram: 256 MB. A longer recording is read in windows.
const MAX_VALUES: usize = 64 << 20;

/// Values over frequency and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram {
    values: Vec<f32>,
    bins: usize,
    frames: usize,
}

impl Spectrogram {
    /// Zeros.
    ///
    /// # Errors
    /// [`Error::Argument`] above 64 Mi values; nothing is allocated then.
    pub(super) fn zeros(bins: usize, frames: usize) -> Result<Self> {
        match bins.checked_mul(frames) {
            Some(count) if count <= MAX_VALUES => Ok(Self { values: vec![0.0; count], bins, frames }),
            _ => Err(Error::argument("audio", format!("{bins} bins x {frames} frames; read it in windows"))),
        }
    }

    /// Values, `[bins, frames]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Values, `[bins, frames]`.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Values, `[frames, bins]`.
    #[must_use]
    pub fn by_frame(&self) -> Vec<f32> {
        let value = |i: usize| self.values[i % self.bins * self.frames + i / self.bins];
        (0..self.values.len()).map(value).collect()
    }

    /// Bands of frequency.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Steps in time.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// One value.
    pub(super) fn set(&mut self, bin: usize, frame: usize, value: f32) {
        self.values[bin * self.frames + frame] = value;
    }

    /// The first `frames` columns; zeros where there are fewer.
    ///
    /// # Errors
    /// As [`Spectrogram::zeros`].
    pub(super) fn resized(&self, frames: usize) -> Result<Self> {
        let mut out = Self::zeros(self.bins, frames)?;
        let kept = frames.min(self.frames);
        for bin in 0..self.bins {
            out.values[bin * frames..][..kept].copy_from_slice(&self.values[bin * self.frames..][..kept]);
        }
        Ok(out)
    }
}
