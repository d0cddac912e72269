//! Kaldi's filter-bank energies.

use super::mel_bank::MelBank;
use super::normalize::mean;
use super::pcm::{Audio, SampleRate};
use super::spectrogram::Spectrogram;
use super::stft::{PowerSpectrum, hann};
use crate::error::{Error, Result};

/// Kaldi's defaults: frames of 25 ms every 10 ms.
const FRAME_MS: u32 = 25;
const HOP_MS: u32 = 10;
const PREEMPHASIS: f64 = 0.97;
/// Lowest frequency of the filters in Hz; the highest is half the rate.
const LOWEST: f64 = 20.0;
/// Energies below this one become it.
const FLOOR: f32 = f32::EPSILON;
/// Most filters, and the least with which Kaldi runs.
const MAX_BINS: usize = 512;
const MIN_BINS: usize = 4;

/// Window of a frame, without the final zero's period (Kaldi's are symmetric).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FbankWindow {
    /// Raised cosine, as AST and ImageBind use.
    Hanning,
    /// The same to the power of 0.85, Kaldi's own default.
    Povey,
}

/// What decides a filter bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FbankConfig {
    /// Rate of the sound.
    pub rate: SampleRate,
    /// Filters, 4 to 512.
    pub bins: usize,
    /// Window of a frame.
    pub window: FbankWindow,
}

/// Logarithms of mel energies as `torchaudio.compliance.kaldi.fbank` computes them without dither and energy: frames of
/// 25 ms every 10 ms that lie inside of the sound, the mean of a frame removed, preemphasis 0.97, a transform of the next
/// power of two, power, triangles on HTK's scale from 20 Hz to half the rate, `ln(max(energy, 1.19e-7))`.
#[derive(Clone)]
pub struct Fbank {
    config: FbankConfig,
    bank: MelBank,
    spectrum: PowerSpectrum,
}

impl std::fmt::Debug for Fbank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fbank").field(&self.config).finish()
    }
}

impl Fbank {
    /// Plans the transform and computes the filters.
    ///
    /// # Errors
    /// [`Error::Argument`] for other than 4 to 512 bins.
    pub fn new(config: FbankConfig) -> Result<Self> {
        if !(MIN_BINS..=MAX_BINS).contains(&config.bins) {
            let reason = format!("{}, accepted are {MIN_BINS} to {MAX_BINS}", config.bins);
            return Err(Error::argument("mel bins", reason));
        }
        let frame = samples(config.rate, FRAME_MS);
        let mut window = hann(frame, frame - 1);
        match config.window {
            FbankWindow::Hanning => {}
            FbankWindow::Povey => window.iter_mut().for_each(|w| *w = w.powf(0.85)),
        }
        let size = frame.next_power_of_two();
        let rate = f64::from(config.rate.hertz());
        let bank = MelBank::in_mel(config.bins, size, rate, [LOWEST, rate / 2.0]);
        Ok(Self { config, bank, spectrum: PowerSpectrum::new(window, size) })
    }

    /// What decides the result.
    #[must_use]
    pub fn config(&self) -> FbankConfig {
        self.config
    }

    /// The energies, `[bins, 1 + (samples - frame) / hop]`. Cost: a transform per frame; memory: the result.
    ///
    /// # Errors
    /// [`Error::Argument`] for another sample rate, sound shorter than 25 ms, and above 64 Mi values.
    pub fn compute(&self, audio: &Audio) -> Result<Spectrogram> {
        if audio.rate() != self.config.rate {
            let reason = format!("{} Hz, the filter bank is for {} Hz", audio.rate().hertz(), self.config.rate.hertz());
            return Err(Error::argument("audio", reason));
        }
        self.frames(audio.samples(), usize::MAX)
    }

    /// Frames of so many samples.
    pub(super) fn frames_of(&self, count: usize) -> usize {
        count.checked_sub(self.spectrum.frame()).map_or(0, |rest| 1 + rest / samples(self.config.rate, HOP_MS))
    }

    /// At most the first `limit` frames.
    pub(super) fn frames(&self, audio: &[f32], limit: usize) -> Result<Spectrogram> {
        let mut spectrum = self.spectrum.clone();
        let (length, hop) = (spectrum.frame(), samples(self.config.rate, HOP_MS));
        if audio.len() < length {
            return Err(Error::argument("audio", format!("{} samples, one frame has {length}", audio.len())));
        }
        let count = (1 + (audio.len() - length) / hop).min(limit);
        let mut out = Spectrogram::zeros(self.config.bins, count)?;
        let mut frame = vec![0.0; length];
        for index in 0..count {
            let source = &audio[index * hop..][..length];
            let offset = mean(source);
            // The sample before the first one is taken to be the same.
            let mut last = f64::from(source[0]) - offset;
            for (to, &sample) in frame.iter_mut().zip(source) {
                let centred = f64::from(sample) - offset;
                *to = centred - PREEMPHASIS * last;
                last = centred;
            }
            for (bin, energy) in self.bank.apply(spectrum.run(&frame)).enumerate() {
                out.set(bin, index, energy.max(FLOOR).ln());
            }
        }
        Ok(out)
    }
}

/// Whole samples in a time, rounded down as Kaldi does.
fn samples(rate: SampleRate, milliseconds: u32) -> usize {
    (u64::from(rate.hertz()) * u64::from(milliseconds) / 1000) as usize
}
