//! How tasks run.

use loam::engine;
use loam::model::encoder::modality;

use crate::error::Result;

/// What an input shows, where its kind does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Modality {
    /// Written language.
    Text,
    /// Pictures.
    Image,
    /// Background sound.
    Sound,
    /// Intelligible speech.
    Speech,
    /// Accelerometer and gyroscope.
    Imu,
    /// Depth maps, in grey pictures.
    Depth,
    /// Heat, in grey pictures.
    Thermal,
}

impl Modality {
    pub(crate) fn core(self) -> Result<loam::model::Modality> {
        let name = match self {
            Self::Text => return Ok(loam::model::Modality::TEXT),
            Self::Image => "image",
            Self::Sound => "sound",
            Self::Speech => "speech",
            Self::Imu => "imu",
            Self::Depth => "depth",
            Self::Thermal => "thermal",
        };
        modality(name).ok_or_else(|| crate::LoamError::MissingComponent {
            kind: format!("{name}-encoder"),
            reason: format!("this engine has no encoder of '{name}'"),
        })
    }
}

/// The engine's form of an optional modality.
pub(crate) fn core_modality(modality: Option<Modality>) -> Result<Option<loam::model::Modality>> {
    modality.map(Modality::core).transpose()
}

/// How tokens are chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Sampling {
    /// 0 is greedy; 1 samples from the model's own distribution.
    #[uniffi(default = 0.0)]
    pub temperature: f32,
    /// Keep the k most probable tokens; 0 keeps all.
    #[uniffi(default = 0)]
    pub top_k: u32,
    /// Keep the smallest set of tokens with at least this probability together; 1 keeps all.
    #[uniffi(default = 1.0)]
    pub top_p: f32,
    /// Drop tokens less probable than this share of the best one; 0 drops none.
    #[uniffi(default = 0.0)]
    pub min_p: f32,
    /// Divides the logits of tokens that occurred; 1 is off.
    #[uniffi(default = 1.0)]
    pub repetition_penalty: f32,
    /// Subtracted once from the logits of generated tokens; 0 is off.
    #[uniffi(default = 0.0)]
    pub presence_penalty: f32,
    /// Subtracted from the logits of generated tokens for each occurrence; 0 is off.
    #[uniffi(default = 0.0)]
    pub frequency_penalty: f32,
    /// Seed of the random choices.
    #[uniffi(default = 0)]
    pub seed: u64,
}

/// How a generation runs and ends.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct GenerateOptions {
    /// Tokens to generate at most.
    #[uniffi(default = 256)]
    pub max_tokens: u32,
    /// How tokens are chosen; greedy when absent.
    #[uniffi(default = None)]
    pub sampling: Option<Sampling>,
    /// Texts that end the generation; they are not part of the result.
    #[uniffi(default = [])]
    pub stop: Vec<String>,
    /// How urgent it is beside what other apps ask for; normal when absent.
    #[uniffi(default = None)]
    pub priority: Option<Priority>,
    /// How long it may wait for its turn, in ms; it fails with [`crate::LoamError::Refused`] when that has passed. It waits
    /// when absent.
    #[uniffi(default = None)]
    pub patience_ms: Option<u64>,
    /// When it is to be over, in ms from its arrival: it ends then with what there is, and says
    /// [`crate::FinishReason::Deadline`]; it fails with [`crate::LoamError::Refused`] where its turn has not come by then. No
    /// end when absent.
    #[uniffi(default = None)]
    pub deadline_ms: Option<u64>,
    /// How fast it is to be; [`crate::GenerateStats::achieved`] says whether it was.
    #[uniffi(default = None)]
    pub target: Option<Target>,
}

/// How fast a generation is to be. Nothing fails where it is slower.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Target {
    /// From its arrival to its first token, in ms. Of the requests of an app that are equally urgent, the one starts first
    /// that has the least of it left.
    #[uniffi(default = None)]
    pub time_to_first_token_ms: Option<f64>,
    /// Tokens per second after the first one.
    #[uniffi(default = None)]
    pub tokens_per_second: Option<f64>,
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Priority {
    /// Somebody looks at the screen.
    Interactive,
    /// Somebody waits, but not at every token.
    Normal,
    /// Nobody waits: it yields to others.
    Background,
}

impl GenerateOptions {
    pub(crate) fn service(self) -> loam_service::GenerateOptions {
        let sampling = self.sampling.map_or_else(engine::Sampling::default, |own| engine::Sampling {
            temperature: own.temperature,
            top_k: own.top_k as usize,
            top_p: own.top_p,
            min_p: own.min_p,
            repetition_penalty: own.repetition_penalty,
            presence_penalty: own.presence_penalty,
            frequency_penalty: own.frequency_penalty,
            seed: own.seed,
        });
        let priority = match self.priority {
            Some(Priority::Interactive) => engine::Priority::Interactive,
            None | Some(Priority::Normal) => engine::Priority::Normal,
            Some(Priority::Background) => engine::Priority::Background,
        };
        let target = self.target.map_or_else(engine::Target::default, |own| engine::Target {
            time_to_first_token_ms: own.time_to_first_token_ms,
            tokens_per_second: own.tokens_per_second,
        });
        loam_service::GenerateOptions {
            max_tokens: self.max_tokens,
            sampling,
            stop: self.stop,
            priority,
            patience_ms: self.patience_ms,
            deadline_ms: self.deadline_ms,
            target,
            ..loam_service::GenerateOptions::default()
        }
    }
}

/// What to compare an input with.
#[derive(Clone, Debug, Default, PartialEq, uniffi::Record)]
pub struct ClassifyOptions {
    /// Label names; may be empty when the adapter or the checkpoint brings its own.
    #[uniffi(default = [])]
    pub labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, `{}` standing for it.
    #[uniffi(default = None)]
    pub template: Option<String>,
    /// What the input shows, where its kind does not tell.
    #[uniffi(default = None)]
    pub modality: Option<Modality>,
}

impl ClassifyOptions {
    pub(crate) fn service(self) -> Result<loam_service::ClassifyOptions> {
        let Self { labels, template, modality } = self;
        Ok(loam_service::ClassifyOptions { labels, template, modality: core_modality(modality)? })
    }
}

/// What matters more: the text itself, or that it comes early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Pace {
    /// Wide windows: the least work and the most context.
    Thorough,
    /// Narrow steps: text comes about two seconds after the words.
    Live,
}

/// How speech is heard.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct TranscribeOptions {
    /// Code of the language, such as `en`; detected when absent, where the model knows several.
    #[uniffi(default = None)]
    pub language: Option<String>,
    /// Whether the text is a translation into English; Whisper only.
    #[uniffi(default = false)]
    pub translate: bool,
    /// Hypotheses side by side, 1 to 32; 1 is greedy.
    #[uniffi(default = 1)]
    pub beams: u32,
    /// Early text or less work; thorough when absent.
    #[uniffi(default = None)]
    pub pace: Option<Pace>,
}

impl TranscribeOptions {
    pub(crate) fn core(self) -> engine::ListenOptions {
        engine::ListenOptions {
            language: self.language,
            task: if self.translate { engine::SpeechTask::Translate } else { engine::SpeechTask::Transcribe },
            search: if self.beams == 1 { engine::Search::Greedy } else { engine::Search::Beam(self.beams as usize) },
            pace: match self.pace {
                None | Some(Pace::Thorough) => engine::Pace::Thorough,
                Some(Pace::Live) => engine::Pace::Live,
            },
            ..engine::ListenOptions::default()
        }
    }
}

/// How a text is spoken; what is absent is as the model's configuration says.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SpeakOptions {
    /// Seed of chance: equal seeds give equal speech.
    #[uniffi(default = 0)]
    pub seed: u64,
    /// 1 for the trained speed, more for faster speech.
    #[uniffi(default = None)]
    pub speaking_rate: Option<f32>,
    /// Index of the speaker, for models of several.
    #[uniffi(default = None)]
    pub speaker: Option<u32>,
}

impl SpeakOptions {
    pub(crate) fn service(self) -> loam_service::SpeakOptions {
        let Self { seed, speaking_rate, speaker } = self;
        loam_service::SpeakOptions { seed, speaking_rate, speaker }
    }
}
