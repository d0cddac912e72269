//! Mono sound in memory.

use crate::error::{Error, Result};

/// Most samples of one [`Audio`]: 24 hours at 16 kHz. Longer recordings are read through [`super::AudioWindows`].
const MAX_SAMPLES: usize = 24 * 3600 * 16_000;
/// Most channels that are mixed: beyond every file format that the command line reads in practice.
const MAX_CHANNELS: u16 = 32;
/// Largest magnitude of a sample. Lossy decoders overshoot full scale by a little; a value beyond 18 dB is no sample
/// in -1 to 1 but an integer that was never scaled.
const MAX_MAGNITUDE: f32 = 8.0;

/// Samples per second, in Hz: 4000 to 192000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleRate(u32);

impl SampleRate {
    /// What speech networks read.
    pub const SPEECH: Self = Self(16_000);

    /// A rate in Hz.
    ///
    /// # Errors
    /// [`Error::Argument`] outside of 4000 to 192000.
    pub fn new(hertz: u32) -> Result<Self> {
        if !(4_000..=192_000).contains(&hertz) {
            return Err(Error::argument("sample rate", format!("{hertz} Hz, accepted are 4000 to 192000")));
        }
        Ok(Self(hertz))
    }

    /// The rate in Hz.
    #[must_use]
    pub fn hertz(self) -> u32 {
        self.0
    }
}

/// Interleaved channels, 1 to 32. They are mixed to one by their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels(u16);

impl Channels {
    /// One channel.
    pub const MONO: Self = Self(1);
    /// Left and right.
    pub const STEREO: Self = Self(2);

    /// A number of channels.
    ///
    /// # Errors
    /// [`Error::Argument`] outside of 1 to 32.
    pub fn new(count: u16) -> Result<Self> {
        if !(1..=MAX_CHANNELS).contains(&count) {
            return Err(Error::argument("channels", format!("{count}, accepted are 1 to {MAX_CHANNELS}")));
        }
        Ok(Self(count))
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.into()
    }
}

/// How the bytes of a sample are read; all are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcmFormat {
    /// Unsigned bytes around 128.
    U8,
    /// Signed 16 bit, what microphones give.
    I16,
    /// Signed 24 bit in three bytes.
    I24,
    /// Signed 32 bit.
    I32,
    /// 32-bit floating point in -1 to 1.
    F32,
}

impl PcmFormat {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
        }
    }

    /// One sample from exactly [`PcmFormat::bytes`] bytes; integers are divided by 2 to the power of their bits less one.
    #[inline]
    fn decode(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32768.0,
            // Put into the upper bytes, so that the sign comes by itself.
            (Self::I24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            _ => unreachable!("samples are cut to the format's size"),
        }
    }
}

impl PcmFormat {
    /// Whole samples. The format is chosen outside of the loop, which then runs at the speed of memory.
    fn decode_all(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::U8 => bytes.iter().map(|&byte| Self::U8.decode(&[byte])).collect(),
            Self::I16 => bytes.chunks_exact(2).map(|b| Self::I16.decode(b)).collect(),
            Self::I24 => bytes.chunks_exact(3).map(|b| Self::I24.decode(b)).collect(),
            Self::I32 => bytes.chunks_exact(4).map(|b| Self::I32.decode(b)).collect(),
            Self::F32 => bytes.chunks_exact(4).map(|b| Self::F32.decode(b)).collect(),
        }
    }
}

/// Mono samples in -1 to 1 at a rate. At least one sample, at most 24 hours at 16 kHz; all are finite.
#[derive(Clone, PartialEq)]
pub struct Audio {
    samples: Vec<f32>,
    rate: SampleRate,
}

impl std::fmt::Debug for Audio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Audio({} samples at {} Hz)", self.samples.len(), self.rate.0)
    }
}

impl Audio {
    /// Interleaved 16-bit samples, scaled by 1/32768.
    ///
    /// # Errors
    /// [`Error::Argument`] for no samples, too many, or a number that is no multiple of the channels.
    pub fn from_i16(samples: &[i16], channels: Channels, rate: SampleRate) -> Result<Self> {
        Self::mixed(samples.len(), channels, rate, |i| f32::from(samples[i]) / 32768.0)
    }

    /// Interleaved samples in -1 to 1. Overshoot up to 8 is kept, as lossy decoders produce it.
    ///
    /// # Errors
    /// As [`Audio::from_i16`]; also for a sample that is not finite or beyond 8, naming its index.
    pub fn from_f32(samples: &[f32], channels: Channels, rate: SampleRate) -> Result<Self> {
        check(samples, 0)?;
        Self::mixed(samples.len(), channels, rate, |i| samples[i])
    }

    /// Interleaved samples as bytes; the slice need not be aligned.
    ///
    /// # Errors
    /// As [`Audio::from_f32`]; also when the bytes are no whole number of samples.
    pub fn from_bytes(bytes: &[u8], format: PcmFormat, channels: Channels, rate: SampleRate) -> Result<Self> {
        let size = format.bytes();
        if !bytes.len().is_multiple_of(size) {
            return Err(Error::argument("audio", format!("{} bytes of samples of {size} bytes", bytes.len())));
        }
        if channels == Channels::MONO {
            let samples = format.decode_all(bytes);
            check(&samples, 0)?;
            check_length(samples.len())?;
            return Ok(Self { samples, rate });
        }
        let sample = |i: usize| format.decode(&bytes[i * size..][..size]);
        let count = bytes.len() / size;
        if let Some(index) = (0..count).find(|&i| !accepted(sample(i))) {
            return Err(refused(index, sample(index)));
        }
        Self::mixed(count, channels, rate, sample)
    }

    /// The mean of the channels, in the caller's precision and without a second copy of the input.
    fn mixed(count: usize, channels: Channels, rate: SampleRate, sample: impl Fn(usize) -> f32) -> Result<Self> {
        let width = channels.count();
        if !count.is_multiple_of(width) {
            return Err(Error::argument("audio", format!("{count} samples in {width} channels")));
        }
        let frames = count / width;
        check_length(frames)?;
        let scale = 1.0 / width as f32;
        let mix = |frame: usize| (frame * width..(frame + 1) * width).map(&sample).sum::<f32>() * scale;
        Ok(Self { samples: (0..frames).map(mix).collect(), rate })
    }

    /// The samples.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Samples per second.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.0)
    }

    /// The same sound at another rate: `round(samples * to / from)` samples, at least one. See [`super::Resampler`] for
    /// method and cost; unchanged when the rate is already `rate`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the result would be longer than an [`Audio`] may be.
    pub fn resampled(&self, rate: SampleRate) -> Result<Self> {
        let count = super::resample::output_length(self.samples.len(), self.rate, rate);
        if count > MAX_SAMPLES {
            return Err(Error::argument("audio", format!("{count} samples at the new rate, at most {MAX_SAMPLES}")));
        }
        let mut resampler = super::Resampler::new(self.rate, rate)?;
        let mut samples = Vec::with_capacity(count);
        resampler.push(&self.samples, &mut samples)?;
        resampler.finish(&mut samples)?;
        Ok(Self { samples, rate })
    }
}

fn check_length(frames: usize) -> Result<()> {
    if (1..=MAX_SAMPLES).contains(&frames) {
        return Ok(());
    }
    Err(Error::argument("audio", format!("{frames} samples, accepted are 1 to {MAX_SAMPLES}")))
}

fn accepted(sample: f32) -> bool {
    sample.abs() <= MAX_MAGNITUDE
}

fn refused(index: usize, sample: f32) -> Error {
    Error::argument("audio", format!("sample {index} is {sample}, accepted are finite samples in -1 to 1"))
}

/// Refuses samples that are not finite or far beyond full scale; `start` is the index of the first one in its stream.
///
/// # Errors
/// [`Error::Argument`] naming the index.
pub(crate) fn check(samples: &[f32], start: usize) -> Result<()> {
    match samples.iter().position(|&s| !accepted(s)) {
        Some(index) => Err(refused(start.saturating_add(index), samples[index])),
        None => Ok(()),
    }
}
