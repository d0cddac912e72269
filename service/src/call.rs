//! The one table of what can be asked of an app, and what it gives. Near and far calls are the same.

use loam::engine::{
    App, AppStatus, EngineStatus, GenerateStats, ListenOptions, Mismatch, PlaceStatus, Quotas, TrimLevel, Trimmed,
};
use loam::input::{Image, ImuSource, Input, Message, Repair};
use loam::model::Modality;
use loam::task::{
    Classification, Embedding, Regression, Sensed, Spelling, Tagging, Transcript, TranscriptEvent, TranscriptSummary,
};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::media;
use crate::options::{ClassifyOptions, GenerateOptions, InstallPolicy, SpeakOptions};

/// Spans of a timeline that are kept at most: some MB.
const MAX_SPANS: usize = 1 << 16;

/// A generation of an adapter, as calls name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdapterKey {
    pub(crate) alias: String,
    pub(crate) generation: u64,
}

/// What an adapter is and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// The name it is called by.
    pub alias: String,
    /// Its number, which grows with each installation and is never used twice in an app.
    pub generation: u64,
    /// What it does, where its author says so.
    pub description: Option<String>,
    /// The task that it is for, where its author says so.
    pub task: Option<String>,
    /// Component of the foundation that it acts on.
    pub component: String,
    /// System message that it was trained with. A session that is given this adapter begins with it.
    pub instructions: Option<String>,
    /// Its class names.
    pub labels: Vec<String>,
    /// Bytes of its matrices.
    pub bytes: u64,
    /// Number of the key that signed it, as was verified; `None` where no signature was asked for.
    #[serde(default)]
    pub signer: Option<String>,
    /// What is released when it is let go.
    pub(crate) hold: Opened,
}

/// A part of a foundation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentInfo {
    /// Its name.
    pub name: String,
    /// What it does, such as `text-encoder`.
    pub kind: String,
    /// Whether it is loaded.
    pub loaded: bool,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundationInfo {
    /// Its name.
    pub id: String,
    /// Its version; absent for a bare model.
    pub version: Option<String>,
    /// Its parts.
    pub components: Vec<ComponentInfo>,
}

impl FoundationInfo {
    pub(crate) fn of(engine: &loam::Engine) -> Self {
        let loaded = engine.loaded();
        let opened = engine.foundation();
        let components = opened.components().iter().map(|component| ComponentInfo {
            name: component.name().to_owned(),
            kind: component.kind().to_string(),
            loaded: loaded.iter().any(|one| one.name == component.name()),
        });
        Self {
            id: opened.id().to_owned(),
            version: opened.version().map(str::to_owned),
            components: components.collect(),
        }
    }
}

/// A file of an adapter, in the order in which descriptors are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdapterFile {
    /// The one-file package.
    Package,
    /// `adapter_config.json` of a PEFT directory.
    Config,
    /// `adapter_model.safetensors` of a PEFT directory.
    Weights,
    /// `task.json` of a PEFT directory.
    Task,
    /// The signature of the one-file package.
    Signature,
}

/// Something that was begun and is kept where the engine is: a conversation, a transcription, a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opened(pub(crate) u64);

/// What a client lets go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Thing {
    /// One hold on the generation of this number.
    Adapter(Opened),
    Session(Opened),
    Transcriber(Opened),
    Sensor(Opened),
}

/// What is asked of the engine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Control {
    /// What it is doing, for all apps.
    Status,
    Trim(TrimLevel),
    /// What an app may ask for and hold.
    Quotas {
        app: String,
    },
    SetQuotas {
        app: String,
        quotas: Quotas,
    },
    /// Keep so many spans of what runs.
    Record(u64),
    Timeline,
    /// Where components run that delegates were asked for.
    Places,
}

impl Control {
    /// # Errors
    /// [`crate::Error::Argument`] for an app's name.
    pub(crate) fn perform(self, engine: &loam::Engine) -> Result<Reply> {
        Ok(match self {
            Self::Status => Reply::Status(Box::new(engine.status())),
            Self::Trim(level) => Reply::Trimmed(engine.trim(level)),
            Self::Quotas { app } => {
                App::check_id(&app)?;
                Reply::Quotas(engine.quotas(&app))
            }
            Self::SetQuotas { app, quotas } => {
                App::check_id(&app)?;
                engine.set_quotas(&app, quotas);
                Reply::Done
            }
            Self::Record(spans) => {
                engine.record(usize::try_from(spans).unwrap_or(usize::MAX).min(MAX_SPANS));
                Reply::Done
            }
            Self::Timeline => Reply::Timeline(engine.timeline()),
            Self::Places => Reply::Places(engine.places()),
        })
    }
}

/// What is asked of an app.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    Foundation,
    Install {
        alias: String,
        policy: InstallPolicy,
        files: Vec<AdapterFile>,
    },
    Adapter {
        alias: String,
    },
    Adapters,
    Remove {
        alias: String,
    },
    Classify {
        #[serde(with = "media::input")]
        input: Input,
        options: ClassifyOptions,
        adapter: Option<AdapterKey>,
    },
    Embed {
        #[serde(with = "media::input")]
        input: Input,
        #[serde(with = "media::any_modality")]
        modality: Option<Modality>,
        adapter: Option<AdapterKey>,
    },
    Query {
        #[serde(with = "media::input")]
        input: Input,
        #[serde(with = "media::modality")]
        entries: Modality,
    },
    Regress {
        #[serde(with = "media::input")]
        input: Input,
        #[serde(with = "media::any_modality")]
        modality: Option<Modality>,
        adapter: Option<AdapterKey>,
    },
    Tag {
        text: String,
        adapter: AdapterKey,
    },
    Spell {
        #[serde(with = "media::input")]
        input: Input,
        #[serde(with = "media::any_modality")]
        modality: Option<Modality>,
        adapter: AdapterKey,
    },
    Transcribe {
        #[serde(with = "media::input")]
        input: Input,
        options: ListenOptions,
        adapter: Option<AdapterKey>,
    },
    Speak {
        #[serde(deserialize_with = "media::text::deserialize")]
        text: String,
        options: SpeakOptions,
    },
    Upscale {
        #[serde(with = "media::input")]
        input: Input,
        adapter: Option<AdapterKey>,
    },
    Generate {
        #[serde(deserialize_with = "media::text::deserialize")]
        prompt: String,
        options: GenerateOptions,
        adapter: Option<AdapterKey>,
    },
    Answer {
        #[serde(with = "media::inputs")]
        inputs: Vec<Input>,
        #[serde(deserialize_with = "media::text::deserialize")]
        question: String,
        options: GenerateOptions,
        adapter: Option<AdapterKey>,
    },
    Caption {
        #[serde(with = "media::input")]
        input: Input,
        options: GenerateOptions,
        adapter: Option<AdapterKey>,
    },
    TranscribeStream {
        #[serde(with = "media::input")]
        input: Input,
        options: ListenOptions,
        adapter: Option<AdapterKey>,
    },
    Chat {
        #[serde(deserialize_with = "media::any_text::deserialize")]
        instructions: Option<String>,
        adapter: Option<AdapterKey>,
    },
    Respond {
        session: Opened,
        #[serde(deserialize_with = "media::text::deserialize")]
        text: String,
        options: GenerateOptions,
    },
    Messages {
        session: Opened,
    },
    SetAdapter {
        session: Opened,
        adapter: Option<AdapterKey>,
    },
    SetInstructions {
        session: Opened,
        #[serde(deserialize_with = "media::any_text::deserialize")]
        instructions: Option<String>,
    },
    Clear {
        session: Opened,
    },
    /// Into the one attached file.
    Save {
        session: Opened,
    },
    /// From the one attached file.
    Restore {
        adapter: Option<AdapterKey>,
        mismatch: Mismatch,
    },
    /// What the app itself is doing.
    Usage,
    /// For whoever runs the service.
    Control(Control),
    Transcriber {
        rate: u32,
        options: ListenOptions,
        adapter: Option<AdapterKey>,
    },
    PushSound {
        transcriber: Opened,
        #[serde(with = "media::floats")]
        samples: Vec<f32>,
    },
    FinishSound {
        transcriber: Opened,
    },
    Sensor {
        source: ImuSource,
        repair: Repair,
        hop_seconds: Option<f64>,
        options: ClassifyOptions,
        adapter: Option<AdapterKey>,
    },
    PushMotion {
        sensor: Opened,
        #[serde(with = "media::floats")]
        samples: Vec<f32>,
        #[serde(with = "media::times")]
        times: Option<Vec<f64>>,
    },
    RestartSensor {
        sensor: Opened,
    },
}

impl Call {
    /// Its name, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Foundation => "foundation",
            Self::Install { .. } => "install",
            Self::Adapter { .. } => "adapter",
            Self::Adapters => "adapters",
            Self::Remove { .. } => "remove",
            Self::Classify { .. } => "classify",
            Self::Embed { .. } => "embed",
            Self::Query { .. } => "query",
            Self::Regress { .. } => "regress",
            Self::Tag { .. } => "tag",
            Self::Spell { .. } => "spell",
            Self::Transcribe { .. } | Self::TranscribeStream { .. } => "transcribe",
            Self::Speak { .. } => "speak",
            Self::Upscale { .. } => "upscale",
            Self::Generate { .. } => "generate",
            Self::Answer { .. } => "answer",
            Self::Caption { .. } => "caption",
            Self::Chat { .. } => "chat",
            Self::Respond { .. } => "respond",
            Self::Messages { .. } => "messages",
            Self::SetAdapter { .. } => "set the adapter",
            Self::SetInstructions { .. } => "set the instructions",
            Self::Clear { .. } => "clear",
            Self::Save { .. } => "save",
            Self::Restore { .. } => "restore",
            Self::Usage => "usage",
            Self::Control(_) => "control",
            Self::Transcriber { .. } => "begin a transcription",
            Self::PushSound { .. } => "push sound",
            Self::FinishSound { .. } => "finish a transcription",
            Self::Sensor { .. } => "begin a sensor",
            Self::PushMotion { .. } => "push motion",
            Self::RestartSensor { .. } => "restart a sensor",
        }
    }

    /// About how many bytes of texts, pictures, sound and motion it holds.
    pub(crate) fn bulk(&self) -> usize {
        match self {
            Self::Classify { input, .. }
            | Self::Embed { input, .. }
            | Self::Query { input, .. }
            | Self::Regress { input, .. }
            | Self::Spell { input, .. }
            | Self::Transcribe { input, .. }
            | Self::Caption { input, .. }
            | Self::Upscale { input, .. }
            | Self::TranscribeStream { input, .. } => media::size(input),
            Self::Answer { inputs, .. } => inputs.iter().map(media::size).sum(),
            Self::Generate { prompt: text, .. }
            | Self::Respond { text, .. }
            | Self::Speak { text, .. }
            | Self::Tag { text, .. } => text.len(),
            Self::PushSound { samples, .. } | Self::PushMotion { samples, .. } => size_of_val(&samples[..]),
            _ => 0,
        }
    }

    /// What it acts on, where that was begun by an earlier call, and its name for messages.
    pub(crate) fn opened(&mut self) -> Option<(&mut Opened, &'static str)> {
        match self {
            Self::Respond { session, .. }
            | Self::Messages { session }
            | Self::SetAdapter { session, .. }
            | Self::SetInstructions { session, .. }
            | Self::Save { session }
            | Self::Clear { session } => Some((session, "session")),
            Self::PushSound { transcriber, .. } | Self::FinishSound { transcriber } => {
                Some((transcriber, "transcription"))
            }
            Self::PushMotion { sensor, .. } | Self::RestartSensor { sensor } => Some((sensor, "sensor")),
            _ => None,
        }
    }
}

/// Samples of speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spoken {
    #[serde(with = "media::floats")]
    pub(crate) samples: Vec<f32>,
    pub(crate) sample_rate: u32,
    pub(crate) trace: loam::engine::Trace,
}

/// A larger picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Enlarged {
    #[serde(with = "media::image")]
    pub(crate) image: Image,
    pub(crate) trace: loam::engine::Trace,
}

/// A vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Embedded {
    #[serde(with = "media::floats")]
    pub(crate) vector: Vec<f32>,
    pub(crate) trace: loam::engine::Trace,
}

impl From<Embedding> for Embedded {
    fn from(Embedding { vector, trace }: Embedding) -> Self {
        Self { vector, trace }
    }
}

/// What a call gives.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Foundation(FoundationInfo),
    Adapter(AdapterInfo),
    Adapters(Vec<AdapterInfo>),
    Classification(Classification),
    Embedding(Embedded),
    Regression(Regression),
    Tagging(Tagging),
    Spelling(Spelling),
    Transcript(Transcript),
    Speech(Spoken),
    Upscaled(Enlarged),
    Generated(GenerateStats),
    Transcribed(TranscriptSummary),
    Opened(Opened),
    Messages(Vec<Message>),
    Heard { events: Vec<TranscriptEvent>, summary: Option<TranscriptSummary> },
    Sensor { opened: Opened, window_seconds: f64 },
    Sensed(Vec<Sensed>),
    Usage(Box<AppStatus>),
    Status(Box<EngineStatus>),
    Trimmed(Trimmed),
    Quotas(Quotas),
    Timeline(String),
    Places(Vec<PlaceStatus>),
}
