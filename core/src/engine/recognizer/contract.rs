//! What every speech recogniser offers, whatever its network.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapter::Adapter;
use crate::dispatch::Ran;
use crate::engine::trace::Part;
use crate::error::{Error, Result};
use crate::input::SampleRate;
use crate::model::LinearTable;
use crate::model::recognizer::ctc::CtcNetwork;

/// What becomes of the words that are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechTask {
    /// They are written down in their language.
    #[default]
    Transcribe,
    /// They are translated into English; multilingual Whisper models only.
    Translate,
}

/// How the most probable text is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// The best token at each step.
    #[default]
    Greedy,
    /// So many hypotheses side by side, 1 to 32.
    Beam(usize),
}

/// What matters more: the text itself, or that it comes early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Wide windows: the least work and the most context per second of sound.
    #[default]
    Thorough,
    /// Narrow steps: text comes about two seconds after the words, for several times the work.
    Live,
}

/// How speech is heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenOptions {
    /// Code of the language, such as `en`; detected from the first window where it is `None` and the model knows several.
    pub language: Option<String>,
    /// Write down or translate.
    pub task: SpeechTask,
    /// How texts are searched.
    pub search: Search,
    /// Early text or less work. Where windows are fixed, as Whisper's, early text costs repeated glances at a window that is
    /// still filling, and ties its final text to what was shown.
    pub pace: Pace,
    /// Seed of the sampling that a temperature above 0 does when a text looks wrong.
    pub seed: u64,
}

/// A stretch of speech and its text; final once it is handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins, in seconds from the start of the stream.
    pub start: f64,
    /// Where it ends, in seconds from the start of the stream.
    pub end: f64,
    /// What was said. The texts of all segments, one after another, are the transcript.
    pub text: String,
    /// Token ids of the text.
    pub tokens: Vec<u32>,
    /// Mean natural logarithm of the tokens' probabilities.
    pub log_probability: f32,
    /// Probability that nobody speaks, where the model tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_speech_probability: Option<f32>,
    /// Temperature that the text was found at; 0 for search without chance.
    pub temperature: f32,
}

/// A loaded speech recogniser. Immutable and shared.
pub trait Recognizer: std::fmt::Debug + Send + Sync {
    /// Its component, as traces name it.
    fn part(&self) -> &Part;

    /// The rate that it hears at; sound of other rates is resampled by the caller.
    fn rate(&self) -> SampleRate;

    /// The layers that adapters may act on.
    fn linears(&self) -> &LinearTable;

    /// Values of the states that an adapter's CTC head reads, `None` where it reads none.
    fn state_width(&self) -> Option<usize>;

    /// The network that hears frame by frame; `None` for one that writes what it hears by itself.
    fn network(&self) -> Option<&dyn CtcNetwork> {
        None
    }

    /// Languages that it can be told to expect, by code; empty where there is no choice.
    fn languages(&self) -> Vec<String>;

    /// Begins to listen to one stream, under `adapter` if given. The listener keeps recogniser and adapter alive.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter of another component, or with a head or preprocessing that does not fit;
    /// [`crate::Error::Argument`] for an unknown language or a beam out of range; [`crate::Error::Unsupported`] for a task
    /// that the model cannot do.
    fn listen(
        self: Arc<Self>,
        options: &ListenOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Box<dyn Listener + Send>>;
}

/// A recogniser's own preprocessing is part of how it cuts a stream; an adapter that brings another one is refused.
///
/// # Errors
/// [`Error::Adapter`].
pub(super) fn refuse_preprocessing(adapter: Option<&Adapter>) -> Result<()> {
    match adapter.filter(|adapter| adapter.bound.preprocessor.is_some()) {
        None => Ok(()),
        Some(adapter) => Err(Error::adapter(&adapter.alias, "it brings preprocessing, recognisers keep to their own")),
    }
}

/// One stream of speech. Holds a window of samples at most, however long the stream is.
pub trait Listener {
    /// Takes samples at the recogniser's rate, any number of them, and returns the segments that became final.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for samples that are not finite, naming the index.
    fn push(&mut self, samples: &[f32]) -> Result<Vec<Segment>>;

    /// The text after the last final segment that later sound will not take back. It only grows until a segment becomes
    /// final, and that segment's text begins with it.
    fn partial(&self) -> &str;

    /// Ends the stream and returns what is left.
    ///
    /// # Errors
    /// As [`Listener::push`]; [`crate::Error::Argument`] for a stream without a sample.
    fn finish(&mut self) -> Result<Vec<Segment>>;

    /// What has heard so far.
    fn ran(&self) -> Ran {
        Ran::default()
    }

    /// The language that is spoken, once it is known.
    fn language(&self) -> Option<&str>;
}
