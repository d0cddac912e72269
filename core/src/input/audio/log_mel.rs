//! Log-mel spectrograms.

use super::mel_bank::MelBank;
use super::mel_config::{Cut, MelConfig, SpectrogramEnds};
use super::pcm::Audio;
use super::spectrogram::Spectrogram;
use super::stft::{PowerSpectrum, hann};
use crate::error::{Error, Result};

/// A log-mel spectrogram of one configuration: squared magnitudes of windowed transforms, mel filters, logarithm,
/// normalisation. Whisper's is [`MelConfig::whisper`].
#[derive(Clone)]
pub struct LogMel {
    config: MelConfig,
    bank: MelBank,
    spectrum: PowerSpectrum,
}

impl std::fmt::Debug for LogMel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogMel").field(&self.config).finish()
    }
}

impl LogMel {
    /// Plans the transform and computes the filters.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the value that is out of its range.
    pub fn new(config: MelConfig) -> Result<Self> {
        let rate = f64::from(config.check()?.hertz());
        let band = [config.f_min, config.f_max];
        let bank = MelBank::in_hertz(config.n_mels, config.n_fft, rate, band, config.scale);
        let spectrum = PowerSpectrum::new(hann(config.n_fft, config.n_fft), config.n_fft);
        Ok(Self { config, bank, spectrum })
    }

    /// What decides the result.
    #[must_use]
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// The spectrogram, `[n_mels, frames]`. Cost: a transform per frame; memory: the result and a copy of the sound where
    /// the configuration fills it up.
    ///
    /// # Errors
    /// [`Error::Argument`] for another sample rate, for sound that is too short for one frame (or for mirroring its ends)
    /// or longer than the configuration's `samples`, and above 64 Mi values.
    pub fn compute(&self, audio: &Audio) -> Result<Spectrogram> {
        let config = &self.config;
        if audio.rate().hertz() != config.sample_rate {
            let reason = format!("{} Hz, the spectrogram is made at {} Hz", audio.rate().hertz(), config.sample_rate);
            return Err(Error::argument("audio", reason));
        }
        let filled = self.filled(audio.samples())?;
        let samples = filled.as_deref().unwrap_or(audio.samples());
        let frames = self.frames(samples.len())?;
        let mut out = self.kept(samples, frames)?;
        config.normalize.apply(&mut out);
        match config.frames {
            Some(wanted) if wanted > out.frames() => out.resized(wanted),
            _ => Ok(out),
        }
    }

    /// Frames of a sound of so many samples; none for one that is too short.
    #[must_use]
    pub fn frames_in(&self, samples: usize) -> usize {
        self.frames(samples).unwrap_or(0)
    }

    /// The sound with zeros up to the fixed length.
    fn filled(&self, samples: &[f32]) -> Result<Option<Vec<f32>>> {
        let Some(length) = self.config.samples else { return Ok(None) };
        if samples.len() > length {
            let reason = format!("{} samples, a window has {length}; read longer sound in windows", samples.len());
            return Err(Error::argument("audio", reason));
        }
        let mut filled = samples.to_vec();
        filled.resize(length, 0.0);
        Ok(Some(filled))
    }

    /// Frames of a sound of `count` samples.
    fn frames(&self, count: usize) -> Result<usize> {
        let MelConfig { n_fft, hop, .. } = self.config;
        let least = match self.config.ends {
            SpectrogramEnds::Centered => n_fft / 2 + 1,
            SpectrogramEnds::CenteredDropLast => hop.max(n_fft / 2 + 1),
            SpectrogramEnds::Inside => n_fft,
        };
        if count < least {
            return Err(Error::argument("audio", format!("{count} samples, the spectrogram needs {least}")));
        }
        Ok(self.config.frames_of(count))
    }

    /// Logarithms of the frames that a cut keeps.
    fn kept(&self, samples: &[f32], frames: usize) -> Result<Spectrogram> {
        let MelConfig { n_fft, hop, n_mels, .. } = self.config;
        let count = self.config.frames.map_or(frames, |wanted| wanted.min(frames));
        // A window that is cut to length has a frame more than it needs.
        if count + 1 < frames {
            log::warn!("a sound of {frames} frames is cut to {count}");
        }
        let first = match self.config.cut {
            Cut::Begin => 0,
            Cut::Center => (frames - count) / 2,
        };
        let before = match self.config.ends {
            SpectrogramEnds::Centered | SpectrogramEnds::CenteredDropLast => n_fft / 2,
            SpectrogramEnds::Inside => 0,
        };
        let mut out = Spectrogram::zeros(n_mels, count)?;
        let mut spectrum = self.spectrum.clone();
        let mut values = vec![0.0; n_fft];
        for frame in 0..count {
            let start = (first + frame) * hop;
            match start.checked_sub(before).and_then(|start| samples.get(start..start + n_fft)) {
                Some(inside) => values.iter_mut().zip(inside).for_each(|(to, &sample)| *to = f64::from(sample)),
                None => values
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, to)| *to = f64::from(samples[mirror(start + i, before, samples.len())])),
            }
            let power = spectrum.run(&values);
            for (bin, energy) in self.bank.apply(power).enumerate() {
                out.set(bin, frame, self.config.log.of(energy));
            }
        }
        Ok(out)
    }
}

/// Where position `at - before` lies when the sound is mirrored at its first and last sample, which appear once. The
/// sound is longer than `before`, so one reflection suffices.
fn mirror(at: usize, before: usize, count: usize) -> usize {
    let position = at.abs_diff(before);
    if position < count { position } else { 2 * (count - 1) - position }
}
