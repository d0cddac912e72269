//! How tasks run.

use std::time::Duration;

use loam::engine::{Caller, Overflow, Priority, Sampling, Speculation, Target};
use loam::model::Modality;
use serde::{Deserialize, Serialize};

use crate::media;

/// What to compare an input with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifyOptions {
    /// Label names; may be empty when the adapter or the checkpoint brings its own.
    #[serde(with = "media::texts")]
    pub labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, `{}` standing for it.
    pub template: Option<String>,
    /// What the input shows, where its kind does not tell.
    #[serde(with = "media::any_modality")]
    pub modality: Option<Modality>,
}

impl ClassifyOptions {
    pub(crate) fn core(self, adapter: Option<std::sync::Arc<loam::adapter::Adapter>>) -> loam::task::ClassifyOptions {
        let Self { labels, template, modality } = self;
        loam::task::ClassifyOptions { labels, template, adapter, modality }
    }
}

/// How a generation runs and ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateOptions {
    /// Tokens to generate at most.
    pub max_tokens: u32,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the generation; they are not part of the result.
    #[serde(with = "media::texts")]
    pub stop: Vec<String>,
    /// How urgent it is beside what other apps ask for.
    pub priority: Priority,
    /// How long it may wait for its turn, in ms; it is refused when that has passed. `None` waits.
    pub patience_ms: Option<u64>,
    /// When it is to be over, in ms from its arrival: it ends then with what there is.
    pub deadline_ms: Option<u64>,
    /// How fast it is to be; its result says whether it was.
    pub target: Target,
    /// What happens where it does not fit into the window.
    pub overflow: Overflow,
}

impl Default for GenerateOptions {
    /// Greedy, up to 256 tokens.
    fn default() -> Self {
        Self {
            max_tokens: 256,
            sampling: Sampling::default(),
            stop: Vec::new(),
            priority: Priority::default(),
            patience_ms: None,
            deadline_ms: None,
            target: Target::default(),
            overflow: Overflow::Fail,
        }
    }
}

impl GenerateOptions {
    /// The options of a request on behalf of the app `id`.
    pub(crate) fn core(self, id: &str) -> loam::engine::GenerateOptions {
        let (patience, deadline) =
            (self.patience_ms.map(Duration::from_millis), self.deadline_ms.map(Duration::from_millis));
        let caller = Caller { app: Some(id.into()), priority: self.priority, patience, deadline, target: self.target };
        loam::engine::GenerateOptions {
            max_tokens: self.max_tokens as usize,
            sampling: self.sampling,
            stop: self.stop,
            speculation: Speculation::Off,
            overflow: self.overflow,
            caller,
        }
    }
}

/// How a text is spoken; what is absent is as the model's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakOptions {
    /// Seed of chance: equal seeds give equal speech.
    pub seed: u64,
    /// 1 for the trained speed, more for faster speech.
    pub speaking_rate: Option<f32>,
    /// Index of the speaker, for models of several.
    pub speaker: Option<u32>,
}

impl SpeakOptions {
    pub(crate) fn core(self) -> loam::engine::SpeakOptions {
        loam::engine::SpeakOptions {
            noise: loam::model::generator::vits::Noise::Seed(self.seed),
            speaking_rate: self.speaking_rate,
            speaker: self.speaker.map(|speaker| speaker as usize),
            ..loam::engine::SpeakOptions::default()
        }
    }
}

/// What to do when an alias is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallPolicy {
    /// Refuse.
    Create,
    /// Replace whatever is there.
    Upsert,
    /// Replace only this generation.
    CompareAndSwap(u64),
}
