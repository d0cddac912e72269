//! Whisper at work: from sound to text and times, window by window.
//!
//! A stream is heard in windows of 30 s. Each one's spectrogram is made and normalised for itself, so that memory does not
//! grow with the stream; its text is divided by the times that the model writes, and the next window begins where the last
//! complete segment ended, at least a thirtieth of a window further: at most 30 windows are decoded per window of sound.

mod beam;
mod division;
mod listener;
mod options;
mod rules;
mod search;
mod vocabulary;
mod window;

pub use options::{MAX_BEAMS, WhisperOptions};
pub use rules::Timestamps;
pub use window::WindowText;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::contract::{ListenOptions, Listener, Recognizer, SpeechTask, refuse_preprocessing};
use crate::adapter::Adapter;
use crate::engine::trace::Part;
use crate::error::{Error, Result};
use crate::input::{FeatureExtractor, SampleRate, Tokenizer};
use crate::model::LinearTable;
use crate::model::recognizer::whisper::{Whisper, WhisperConfig};
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};
use listener::WhisperListener;
use vocabulary::Vocabulary;

/// A loaded Whisper model with its tokenizer and preprocessing. Immutable and shared.
#[derive(Debug)]
pub struct WhisperRecognizer {
    part: Part,
    network: Whisper,
    extractor: FeatureExtractor,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    /// Samples of a window.
    window: usize,
    /// Samples of a state.
    state: usize,
}

/// Whether a configuration is of a whole model: not of the encoder that was saved alone or under a classifier.
pub(super) fn writes(config: &Value) -> bool {
    let architectures = config.get("architectures").and_then(Value::as_array);
    let mut names = architectures.into_iter().flatten().filter_map(Value::as_str);
    !names.any(|name| matches!(name, "WhisperEncoder" | "WhisperForAudioClassification"))
}

/// Opens a recogniser for the table of them.
///
/// # Errors
/// As [`WhisperRecognizer::open`].
pub(super) fn open(part: Part, dir: &Path) -> Result<Arc<dyn Recognizer>> {
    Ok(Arc::new(WhisperRecognizer::open(part, dir)?))
}

impl WhisperRecognizer {
    /// Opens a Hugging Face directory: `config.json`, `preprocessor_config.json`, weights, a tokenizer, and
    /// `generation_config.json` where there is one.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Unsupported`] or [`Error::Malformed`] naming the field; as [`Whisper::load`] and
    /// [`Tokenizer::from_dir`] otherwise.
    pub fn open(part: Part, dir: &Path) -> Result<Self> {
        let json = read_json(&dir.join("config.json"), MAX_CONFIG)?;
        let config = WhisperConfig::parse(&json)?;
        let extractor = FeatureExtractor::parse(&read_json(&dir.join("preprocessor_config.json"), MAX_CONFIG)?)?;
        config.check_features(&extractor)?;
        let generation = dir.join("generation_config.json");
        let generation = if generation.is_file() { read_json(&generation, MAX_CONFIG)? } else { Value::Null };
        let tokenizer = Tokenizer::from_dir(dir)?;
        let vocabulary = Vocabulary::read(&generation, &json, &tokenizer, &config, dir)?;
        // The prompt has four tokens, and half of the positions are for text.
        if config.target_positions() < 16 {
            let reason = format!("max_target_positions is {}, expected 16 or more", config.target_positions());
            return Err(Error::malformed(dir.display(), "config.json", reason));
        }
        let network = Whisper::load(&Checkpoint::open(dir)?, config)?;
        let mel = extractor.mel().expect("invariant: the extractor makes what the network reads");
        let state = mel.hop * network.config().frames_per_state();
        let window = state * network.config().source_positions();
        Ok(Self { part, network, extractor, tokenizer, vocabulary, window, state })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Whisper {
        &self.network
    }

    /// Samples of a window.
    #[must_use]
    pub fn window_samples(&self) -> usize {
        self.window
    }

    /// The text of tokens; times and other special tokens are left out.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn text(&self, tokens: &[u32]) -> Result<String> {
        self.tokenizer.decode(&self.words(tokens))
    }

    /// Those tokens that are text.
    fn words(&self, tokens: &[u32]) -> Vec<u32> {
        tokens.iter().copied().filter(|&id| id < self.vocabulary.end).collect()
    }

    /// As [`Recognizer::listen`], with all options.
    ///
    /// # Errors
    /// As [`Recognizer::listen`].
    pub fn listen_with(
        self: Arc<Self>,
        options: WhisperOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Box<dyn Listener + Send>> {
        let language = self.check(&options)?;
        self.part.deltas(adapter.as_deref())?;
        refuse_preprocessing(adapter.as_deref())?;
        if let Some(adapter) = adapter.as_deref().filter(|adapter| adapter.bound.head.is_some()) {
            return Err(Error::adapter(&adapter.alias, "it brings a head, and Whisper's decoder writes the text"));
        }
        Ok(Box::new(WhisperListener::new(self, options, language, adapter)))
    }

    /// Checks options; the id of the language that they name.
    fn check(&self, options: &WhisperOptions) -> Result<Option<u32>> {
        options.check()?;
        let several = self.vocabulary.tasks.is_some();
        if options.listen.task == SpeechTask::Translate && !several {
            let reason = "the model knows English only; multilingual models translate";
            return Err(Error::unsupported("translation", reason));
        }
        match options.listen.language.as_deref() {
            None => Ok(None),
            Some("en") if !several => Ok(None),
            Some(code) => match self.vocabulary.language(code) {
                Some(id) => Ok(Some(id)),
                None => {
                    let known = if several { self.languages().join(", ") } else { "en".to_owned() };
                    Err(Error::argument("language", format!("'{code}', the model knows {known}")))
                }
            },
        }
    }
}

impl Recognizer for WhisperRecognizer {
    fn part(&self) -> &Part {
        &self.part
    }

    fn rate(&self) -> SampleRate {
        self.extractor.rate()
    }

    fn linears(&self) -> &LinearTable {
        self.network.linears()
    }

    fn state_width(&self) -> Option<usize> {
        None
    }

    fn languages(&self) -> Vec<String> {
        self.vocabulary.languages.iter().map(|(code, _)| code.clone()).collect()
    }

    fn listen(
        self: Arc<Self>,
        options: &ListenOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Box<dyn Listener + Send>> {
        self.listen_with(WhisperOptions { listen: options.clone(), ..WhisperOptions::default() }, adapter)
    }
}
