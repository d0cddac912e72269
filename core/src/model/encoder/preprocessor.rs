//! Preprocessing as data: what an adapter may bring in place of its encoder's own.

use serde_json::Value;

use super::contract::Features;
use crate::error::{Error, Result};
use crate::input::{FeatureExtractor, ImageProcessor, ImuConfig, Input, MelConfig};

/// From raw data to features, as one `preprocessor_config.json` says.
#[derive(Clone, Debug)]
pub enum Preprocessor {
    /// Pictures to `[channels, height, width]`.
    Image(ImageProcessor),
    /// Sound to what [`FeatureExtractor::extract`] gives.
    Sound(FeatureExtractor),
    /// Motion to `[channels, steps]`.
    Motion(ImuConfig),
}

impl Preprocessor {
    /// Reads a configuration. One with `rate` and `steps` is an [`ImuConfig`], one with `n_mels` a [`MelConfig`], one whose
    /// `feature_extractor_type` is of sound a [`FeatureExtractor`], and all others an [`ImageProcessor`].
    ///
    /// # Errors
    /// As the reader of that kind: [`Error::Malformed`] or [`Error::Unsupported`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        let has = |name: &str| json.get(name).is_some();
        let of_sound = ["WhisperFeatureExtractor", "ASTFeatureExtractor", "Wav2Vec2FeatureExtractor"];
        let kind = json.get("feature_extractor_type").and_then(Value::as_str).unwrap_or_default();
        if has("rate") && has("steps") {
            ImuConfig::parse(json).map(Self::Motion)
        } else if has("n_mels") {
            FeatureExtractor::log_mel(MelConfig::parse(json)?).map(Self::Sound)
        } else if of_sound.contains(&kind) {
            FeatureExtractor::parse(json).map(Self::Sound)
        } else {
            ImageProcessor::parse(json).map(Self::Image)
        }
    }

    /// The window that it prepares, for motion.
    #[must_use]
    pub fn motion(&self) -> Option<&ImuConfig> {
        match self {
            Self::Motion(config) => Some(config),
            Self::Image(_) | Self::Sound(_) => None,
        }
    }

    /// Height and width to which it stretches whole pictures; see [`ImageProcessor::stretched`].
    #[must_use]
    pub fn stretched(&self) -> Option<[usize; 2]> {
        match self {
            Self::Image(processor) => processor.stretched(),
            Self::Sound(_) | Self::Motion(_) => None,
        }
    }

    /// Shape of the features, where it does not depend on the data.
    #[must_use]
    pub fn output(&self) -> Option<Vec<usize>> {
        match self {
            Self::Image(processor) => {
                processor.output().map(|[height, width]| vec![processor.channels(), height, width])
            }
            Self::Sound(extractor) => extractor.output(),
            Self::Motion(config) => Some(vec![config.layout.channels(), config.steps]),
        }
    }

    /// Prepares one input.
    ///
    /// # Errors
    /// [`Error::Argument`] for another kind of data; as [`ImageProcessor::process`], [`FeatureExtractor::extract`] and
    /// [`ImuConfig::prepare`] otherwise.
    pub fn prepare(&self, input: &Input) -> Result<Features> {
        match (self, input) {
            (Self::Image(processor), Input::Image(image)) => {
                let pixels = processor.process(image)?;
                Features::new(pixels.values, vec![pixels.channels, pixels.height, pixels.width])
            }
            (Self::Sound(extractor), Input::Sound(audio)) => {
                let features = extractor.extract(audio)?;
                Features::new(features.values, features.shape)
            }
            (Self::Motion(config), Input::Motion { window, repair }) => {
                let values = config.prepare(window, *repair)?;
                Features::new(values, vec![config.layout.channels(), config.steps])
            }
            (_, other) => {
                let reads = match self {
                    Self::Image(_) => "images",
                    Self::Sound(_) => "sound",
                    Self::Motion(_) => "motion",
                };
                Err(Error::argument("input", format!("{}, the encoder reads {reads}", other.kind())))
            }
        }
    }
}
