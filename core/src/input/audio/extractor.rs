//! From sound to what a network reads, as a checkpoint's `preprocessor_config.json` says.

use serde_json::Value;

use super::fbank::{Fbank, FbankConfig, FbankWindow};
use super::log_mel::LogMel;
use super::mel_config::MelConfig;
use super::normalize::{Normalize, mean};
use super::pcm::{Audio, SampleRate};
use crate::error::{Error, Result};

const FORMAT: &str = "preprocessor_config.json";
/// Added to the variance of raw samples, as transformers does.
const RAW_VARIANCE_FLOOR: f64 = 1e-7;
/// Most frames of a fixed length.
const MAX_FRAMES: u64 = 1 << 16;
/// ImageBind reads three clips of two seconds.
const IMAGEBIND_CLIPS: usize = 3;
const IMAGEBIND_CLIP_SAMPLES: usize = 2 * 16_000;
/// Of AudioSet, from ImageBind's data loader.
const IMAGEBIND_NORM: Normalize = Normalize::Affine { mean: -4.268, std: 9.138 };

/// What a network reads, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioFeatures {
    /// Values.
    pub values: Vec<f32>,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Kind {
    LogMel(LogMel),
    /// Frames of a filter bank, cut or filled to a number of them, then normalised.
    Frames {
        fbank: Fbank,
        frames: usize,
        normalize: Normalize,
    },
    /// Clips spread over the sound.
    Clips {
        fbank: Fbank,
        frames: usize,
    },
    Raw(RawScale),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RawScale {
    Unchanged,
    Standardized,
}

/// Preprocessing of one sound network. Sound at another rate is resampled.
#[derive(Clone, Debug)]
pub struct FeatureExtractor {
    rate: SampleRate,
    kind: Kind,
}

impl FeatureExtractor {
    /// Reads the configuration of Whisper's, AST's or Wav2Vec2's feature extractor. A field that is missing has the value
    /// that transformers documents.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another extractor, or for dither, which would make results random;
    /// [`Error::Malformed`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        match json.get("feature_extractor_type").and_then(Value::as_str) {
            Some("WhisperFeatureExtractor") => Self::whisper(json),
            Some("ASTFeatureExtractor") => Self::ast(json),
            Some("Wav2Vec2FeatureExtractor") => Self::raw(json),
            kind => {
                let known = "supported are WhisperFeatureExtractor, ASTFeatureExtractor and Wav2Vec2FeatureExtractor";
                Err(Error::unsupported(format!("feature extractor {}", kind.unwrap_or("without a type")), known))
            }
        }
    }

    /// A log-mel spectrogram, `[n_mels, frames]`.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the value that is out of its range.
    pub fn log_mel(config: MelConfig) -> Result<Self> {
        Ok(Self { rate: config.check()?, kind: Kind::LogMel(LogMel::new(config)?) })
    }

    /// ImageBind's: three clips of two seconds that are evenly spread over the sound (its beginning, middle and end), constants
    /// of AudioSet. The released network reads 128 `bins` and 204 `frames`, of which two seconds fill 198.
    ///
    /// # Errors
    /// [`Error::Argument`] for a number of bins or frames that is out of range.
    pub fn imagebind(bins: usize, frames: usize) -> Result<Self> {
        if !(4..=512).contains(&bins) || !(1..=MAX_FRAMES).contains(&(frames as u64)) {
            let reason = format!("{bins} bins and {frames} frames, accepted are 4 to 512 and 1 to {MAX_FRAMES}");
            return Err(Error::argument("clips", reason));
        }
        let fbank = hanning(SampleRate::SPEECH, bins)?;
        Ok(Self { rate: SampleRate::SPEECH, kind: Kind::Clips { fbank, frames } })
    }

    /// The rate that the network hears.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Extents of what comes out, outermost first, where they do not depend on the sound: `[mel bins, frames]` of log-mel
    /// extractors with a window, AST's `[frames, bins]` and ImageBind's `[clips, bins, frames]`.
    #[must_use]
    pub fn output(&self) -> Option<Vec<usize>> {
        match &self.kind {
            Kind::LogMel(log_mel) => Some(vec![log_mel.config().n_mels, log_mel.config().window_frames()?]),
            Kind::Frames { fbank, frames, .. } => Some(vec![*frames, fbank.config().bins]),
            Kind::Clips { fbank, frames } => Some(vec![IMAGEBIND_CLIPS, fbank.config().bins, *frames]),
            Kind::Raw(_) => None,
        }
    }

    /// Constants of the log-mel spectrogram that it makes, if it makes one.
    #[must_use]
    pub fn mel(&self) -> Option<&MelConfig> {
        match &self.kind {
            Kind::LogMel(log_mel) => Some(log_mel.config()),
            _ => None,
        }
    }

    /// Whether the network reads samples, `[samples]`, rather than a spectrogram.
    #[must_use]
    pub fn reads_samples(&self) -> bool {
        matches!(self.kind, Kind::Raw(_))
    }

    /// The features: `[n_mels, frames]` of log-mel extractors such as Whisper's, `[frames, bins]` of AST's,
    /// `[clips, bins, frames]` of ImageBind's, `[samples]` of Wav2Vec2's.
    ///
    /// # Errors
    /// [`Error::Argument`] for sound that is too short for one frame, or longer than a window where the extractor has one
    /// (Whisper: 30 s; [`super::AudioWindows`] cuts longer sound).
    pub fn extract(&self, audio: &Audio) -> Result<AudioFeatures> {
        let resampled = if audio.rate() == self.rate { None } else { Some(audio.resampled(self.rate)?) };
        let audio = resampled.as_ref().unwrap_or(audio);
        match &self.kind {
            Kind::LogMel(log_mel) => {
                let mel = log_mel.compute(audio)?;
                let shape = vec![mel.bins(), mel.frames()];
                Ok(AudioFeatures { values: mel.into_values(), shape })
            }
            Kind::Frames { fbank, frames, normalize } => {
                let whole = fbank.frames_of(audio.samples().len());
                if whole > *frames {
                    log::warn!("a sound of {whole} frames is cut to {frames}");
                }
                let mut mel = fbank.frames(audio.samples(), *frames)?.resized(*frames)?;
                normalize.apply(&mut mel);
                Ok(AudioFeatures { values: mel.by_frame(), shape: vec![mel.frames(), mel.bins()] })
            }
            Kind::Clips { fbank, frames } => clips(fbank, *frames, audio.samples()),
            Kind::Raw(scale) => Ok(scaled(*scale, audio.samples())),
        }
    }

    fn whisper(json: &Value) -> Result<Self> {
        let rate = size(json, "sampling_rate", 16_000, 4_000, 192_000)?;
        let seconds = size(json, "chunk_length", 30, 1, 600)?;
        if !matches!(number(json, "dither", 0.0)?, 0.0) {
            return Err(Error::unsupported("dither", "it makes results random; only 0 is run"));
        }
        if !matches!(number(json, "padding_value", 0.0)?, 0.0) {
            return Err(Error::unsupported("padding_value", "only 0 is run"));
        }
        let config = MelConfig {
            sample_rate: u32::try_from(rate).expect("invariant: at most 192000"),
            n_fft: size(json, "n_fft", 400, 16, 1 << 14)?,
            hop: size(json, "hop_length", 160, 1, 1 << 14)?,
            samples: Some(rate.saturating_mul(seconds)),
            ..MelConfig::whisper(size(json, "feature_size", 80, 1, 512)?)
        };
        Self::log_mel(config)
    }

    fn ast(json: &Value) -> Result<Self> {
        let rate = rate(json)?;
        let fbank = hanning(rate, size(json, "num_mel_bins", 128, 4, 512)?)?;
        let frames = size(json, "max_length", 1024, 1, MAX_FRAMES)?;
        let normalize = if switched_on(json, "do_normalize")? {
            let [mean, std] = [number(json, "mean", -4.267_739_3)?, number(json, "std", 4.568_997_4)?];
            // The published constant is half of what is divided by.
            Normalize::Affine { mean: mean as f32, std: (2.0 * std) as f32 }
        } else {
            Normalize::None
        };
        normalize.check()?;
        Ok(Self { rate, kind: Kind::Frames { fbank, frames, normalize } })
    }

    fn raw(json: &Value) -> Result<Self> {
        size(json, "feature_size", 1, 1, 1)?;
        let standardized = switched_on(json, "do_normalize")?;
        let scale = if standardized { RawScale::Standardized } else { RawScale::Unchanged };
        Ok(Self { rate: rate(json)?, kind: Kind::Raw(scale) })
    }
}

fn hanning(rate: SampleRate, bins: usize) -> Result<Fbank> {
    Fbank::new(FbankConfig { rate, bins, window: FbankWindow::Hanning })
}

/// The clips begin at exact fractions of the room that they have. The original computes the same in floating point, where
/// the length in seconds is rounded, and may begin a clip one sample earlier. It also removes
/// the mean of a clip; the filter bank removes that of each frame, which leaves nothing of the former.
fn clips(fbank: &Fbank, frames: usize, samples: &[f32]) -> Result<AudioFeatures> {
    let (mut values, mut bins) = (Vec::new(), 0);
    let room = samples.len().saturating_sub(IMAGEBIND_CLIP_SAMPLES);
    for clip in 0..IMAGEBIND_CLIPS {
        let start = room * clip / (IMAGEBIND_CLIPS - 1);
        let end = samples.len().min(start + IMAGEBIND_CLIP_SAMPLES);
        let mut mel = fbank.frames(&samples[start..end], frames)?.resized(frames)?;
        IMAGEBIND_NORM.apply(&mut mel);
        bins = mel.bins();
        values.extend(mel.into_values());
    }
    Ok(AudioFeatures { values, shape: vec![IMAGEBIND_CLIPS, bins, frames] })
}

fn scaled(scale: RawScale, samples: &[f32]) -> AudioFeatures {
    let values = match scale {
        RawScale::Unchanged => samples.to_vec(),
        RawScale::Standardized => {
            let mean = mean(samples);
            let variance = samples.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / samples.len() as f64;
            let deviation = (variance + RAW_VARIANCE_FLOOR).sqrt();
            samples.iter().map(|&s| ((f64::from(s) - mean) / deviation) as f32).collect()
        }
    };
    AudioFeatures { shape: vec![values.len()], values }
}

fn rate(json: &Value) -> Result<SampleRate> {
    let hertz = size(json, "sampling_rate", 16_000, 4_000, 192_000)?;
    SampleRate::new(u32::try_from(hertz).expect("invariant: at most 192000"))
}

fn field<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    json.get(name).filter(|value| !value.is_null())
}

fn wrong(name: &str, value: &Value, expected: &str) -> Error {
    let found: String = value.to_string().chars().take(200).collect();
    Error::malformed(name, FORMAT, format!("it is {found}, expected {expected}"))
}

fn size(json: &Value, name: &str, default: usize, low: u64, high: u64) -> Result<usize> {
    let Some(value) = field(json, name) else { return Ok(default) };
    let number = value.as_u64().filter(|v| (low..=high).contains(v)).and_then(|v| usize::try_from(v).ok());
    number.ok_or_else(|| wrong(name, value, &format!("{low} to {high}")))
}

fn number(json: &Value, name: &str, default: f64) -> Result<f64> {
    let Some(value) = field(json, name) else { return Ok(default) };
    value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| wrong(name, value, "a finite number"))
}

/// A flag that is set where it is missing.
fn switched_on(json: &Value, name: &str) -> Result<bool> {
    let Some(value) = field(json, name) else { return Ok(true) };
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}
