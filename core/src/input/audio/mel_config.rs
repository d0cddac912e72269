//! How a log-mel spectrogram is made.

use serde::{Deserialize, Serialize};

use super::normalize::Normalize;
use super::pcm::SampleRate;
use crate::error::{Error, Result};

/// Longest transform: a second at the rates of speech.
const MAX_TRANSFORM: usize = 1 << 14;
/// Most filters.
const MAX_BINS: usize = 512;
/// Longest fixed length, in samples: ten minutes at 16 kHz.
const MAX_SAMPLES: usize = 600 * 16_000;
/// Most frames of a fixed length.
const MAX_FRAMES: usize = 1 << 16;

/// A mel scale, with the height of its triangles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox: linear below 1 kHz, triangles of equal area. Whisper's and librosa's.
    Slaney,
    /// HTK's `2595 log10(1 + f/700)`, triangles of equal height. torchaudio's default.
    Htk,
}

/// Logarithm of an energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Log {
    /// `log10(max(energy, floor))`.
    Log10 {
        /// Above 0.
        floor: f32,
    },
    /// `ln(max(energy, floor))`.
    Ln {
        /// Above 0.
        floor: f32,
    },
    /// `ln(energy + offset)`.
    LnPlus {
        /// Above 0.
        offset: f32,
    },
}

impl Log {
    pub(super) fn of(self, energy: f32) -> f32 {
        match self {
            Self::Log10 { floor } => energy.max(floor).log10(),
            Self::Ln { floor } => energy.max(floor).ln(),
            Self::LnPlus { offset } => (energy + offset).ln(),
        }
    }

    fn constant(self) -> f32 {
        match self {
            Self::Log10 { floor } | Self::Ln { floor } => floor,
            Self::LnPlus { offset } => offset,
        }
    }
}

/// Which frames there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpectrogramEnds {
    /// Frame `k` is centred on sample `k * hop`; the ends are mirrored: `1 + samples / hop` frames, as torch.stft.
    Centered,
    /// The same without the last frame, as Whisper.
    CenteredDropLast,
    /// Only frames that lie inside of the sound: `1 + (samples - n_fft) / hop`.
    Inside,
}

/// Which part of a sound that is too long is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The first frames.
    #[default]
    Begin,
    /// The middle.
    Center,
}

/// Everything that decides a log-mel spectrogram; a tower carries it as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelConfig {
    /// Hz, 4000 to 192000.
    pub sample_rate: u32,
    /// Samples of a frame under a periodic Hann window: even, 16 to 16384.
    pub n_fft: usize,
    /// Samples from frame to frame, 1 to `n_fft`.
    pub hop: usize,
    /// Filters, 1 to 512.
    pub n_mels: usize,
    /// Lowest frequency in Hz.
    pub f_min: f64,
    /// Highest frequency in Hz, at most half the rate.
    pub f_max: f64,
    /// Scale of the filters.
    pub scale: MelScale,
    /// Logarithm of their energies.
    pub log: Log,
    /// Which frames there are.
    pub ends: SpectrogramEnds,
    /// Normalisation of the logarithms.
    pub normalize: Normalize,
    /// Sound is filled with zeros to this many samples; longer sound is refused. Up to ten minutes at 16 kHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Frames are cut to this many before normalising, or filled with zeros after it. Up to 65536.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Which frames a cut keeps.
    #[serde(default)]
    pub cut: Cut,
}

impl MelConfig {
    /// Whisper's input: 30 seconds at 16 kHz, 3000 frames. `n_mels` is 80, and 128 since large-v3.
    #[must_use]
    pub fn whisper(n_mels: usize) -> Self {
        Self {
            sample_rate: SampleRate::SPEECH.hertz(),
            n_fft: 400,
            hop: 160,
            n_mels,
            f_min: 0.0,
            f_max: 8000.0,
            scale: MelScale::Slaney,
            log: Log::Log10 { floor: 1e-10 },
            ends: SpectrogramEnds::CenteredDropLast,
            normalize: Normalize::DynamicRange { range: 8.0, offset: 4.0, scale: 4.0 },
            samples: Some(480_000),
            frames: None,
            cut: Cut::Begin,
        }
    }

    /// Frames of every spectrogram, where that does not depend on the sound.
    #[must_use]
    pub fn window_frames(&self) -> Option<usize> {
        self.frames.or_else(|| self.samples.map(|samples| self.frames_of(samples)))
    }

    /// Frames of a sound of so many samples, before it is cut or filled.
    pub(super) fn frames_of(&self, samples: usize) -> usize {
        match self.ends {
            SpectrogramEnds::Centered => 1 + samples / self.hop,
            SpectrogramEnds::CenteredDropLast => samples / self.hop,
            SpectrogramEnds::Inside => 1 + samples.saturating_sub(self.n_fft) / self.hop,
        }
    }

    /// Reads and checks JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub fn parse(json: &serde_json::Value) -> Result<Self> {
        let config = Self::deserialize(json).map_err(|reason| Error::malformed("mel", "configuration", reason))?;
        config.check()?;
        Ok(config)
    }

    /// Succeeds when every value is in its range.
    pub(super) fn check(&self) -> Result<SampleRate> {
        let wrong = |reason: String| Error::malformed("mel", "configuration", reason);
        let within = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(wrong(format!("{name} is {value}, accepted are {low} to {high}")))
            }
        };
        let Ok(rate) = SampleRate::new(self.sample_rate) else {
            return Err(wrong(format!("sample_rate is {}, accepted are 4000 to 192000", self.sample_rate)));
        };
        within("n_fft", self.n_fft, 16, MAX_TRANSFORM)?;
        if !self.n_fft.is_multiple_of(2) {
            return Err(wrong(format!("n_fft is {}, accepted are even numbers", self.n_fft)));
        }
        within("hop", self.hop, 1, self.n_fft)?;
        within("n_mels", self.n_mels, 1, MAX_BINS)?;
        within("samples", self.samples.unwrap_or(1), 1, MAX_SAMPLES)?;
        within("frames", self.frames.unwrap_or(1), 1, MAX_FRAMES)?;
        let top = f64::from(self.sample_rate) / 2.0;
        // Written so that NaN fails.
        if !(self.f_min >= 0.0 && self.f_min < self.f_max && self.f_max <= top) {
            return Err(wrong(format!(
                "f_min {} and f_max {}, accepted are 0 <= f_min < f_max <= {top}",
                self.f_min, self.f_max
            )));
        }
        let constant = self.log.constant();
        if !(constant.is_normal() && constant > 0.0) {
            return Err(wrong(format!("log has {constant}, accepted are numbers above 0")));
        }
        self.normalize.check()?;
        Ok(rate)
    }
}
