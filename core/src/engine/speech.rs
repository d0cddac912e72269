//! A speech generator ready for text: network and tokenizer of one component.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::trace::{Part, Trace};
use crate::adapter::DataPath;
use crate::error::{Error, Result};
use crate::input::{CharacterTokenizer, Script};
use crate::model::generator::vits::{Noise, Vits, VitsConfig, Voice};
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// How a text is spoken; what is `None` is as the model's configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakOptions {
    /// The source of chance: equal sources give equal speech.
    pub noise: Noise,
    /// 1 for the trained speed, more for faster speech.
    pub speaking_rate: Option<f32>,
    /// How varied the sound is; 0 for no chance.
    pub noise_scale: Option<f32>,
    /// How varied the rhythm is; 0 for no chance.
    pub noise_scale_duration: Option<f32>,
    /// Index of the speaker, for models of several.
    pub speaker: Option<usize>,
}

impl Default for SpeakOptions {
    /// As the model's configuration says, from seed 0.
    fn default() -> Self {
        Self {
            noise: Noise::Seed(0),
            speaking_rate: None,
            noise_scale: None,
            noise_scale_duration: None,
            speaker: None,
        }
    }
}

/// What was spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speech {
    /// Mono samples, within -1 to 1.
    #[serde(skip)]
    pub samples: Vec<f32>,
    /// Samples per second.
    pub sample_rate: u32,
    /// What ran.
    pub trace: Trace,
}

/// A loaded speech generator. Immutable and shared.
#[derive(Debug)]
pub struct SpeechGenerator {
    part: Part,
    model: Vits,
    tokenizer: CharacterTokenizer,
}

impl SpeechGenerator {
    /// Opens a Hugging Face directory of a VITS model.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another model type; [`Error::Malformed`] for a vocabulary that exceeds the network's;
    /// as [`Vits::load`] and [`CharacterTokenizer::from_dir`] otherwise.
    pub fn open(part: Part, dir: &Path) -> Result<Self> {
        let file = dir.join("config.json");
        let json = read_json(&file, MAX_CONFIG)?;
        let config = VitsConfig::parse(&json)?;
        let tokenizer = CharacterTokenizer::from_dir(dir)?;
        let (known, rows) = (tokenizer.vocab_size(), config.vocabulary());
        if known > rows {
            let reason = format!("the tokenizer has {known} tokens, the model {rows}");
            return Err(Error::malformed(dir.display(), "speech generator", reason));
        }
        Ok(Self { part, model: Vits::load(&Checkpoint::open(dir)?, config)?, tokenizer })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Vits {
        &self.model
    }

    /// What it reads: text, or phonemes that the caller makes of text.
    #[must_use]
    pub fn script(&self) -> Script {
        self.tokenizer.script()
    }

    /// Speaks `text`.
    ///
    /// # Errors
    /// As [`CharacterTokenizer::encode`] and [`Vits::speak`].
    pub fn speak(&self, text: &str, options: &SpeakOptions) -> Result<Speech> {
        let start = Instant::now();
        let config = self.model.config();
        let voice = Voice {
            noise: options.noise.clone(),
            noise_scale: options.noise_scale.unwrap_or(config.noise_scale),
            noise_scale_duration: options.noise_scale_duration.unwrap_or(config.noise_scale_duration),
            speaking_rate: options.speaking_rate.unwrap_or(config.speaking_rate),
            speaker: options.speaker,
        };
        let samples = self.model.speak(&self.tokenizer.encode(text)?, &voice)?;
        let sample_rate = u32::try_from(config.sampling_rate).expect("invariant: configs bound the sampling rate");
        let trace = Trace::new(DataPath::Generator, vec![self.part.step(start)]);
        Ok(Speech { samples, sample_rate, trace })
    }
}
