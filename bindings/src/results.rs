//! What tasks give.

use loam::{engine, input, task};

/// Which parts of the foundation ran.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Trace {
    /// Number of the data-flow path, 1 to 4: encoder to backbone, backbone, encoder, generator.
    pub path: u8,
    /// Components in the order in which they ran.
    pub steps: Vec<Step>,
}

/// One component's share of a result.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Step {
    /// Its name in the foundation.
    pub component: String,
    /// Backend and instruction set, such as `cpu/neon`.
    pub backend: String,
    /// Time that it ran, in ms.
    pub ms: f64,
    /// Bytes of the weight files that it maps.
    pub bytes: u64,
    /// Whether it had been dropped, and was loaded again for this.
    pub reloaded: bool,
    /// Why some or all of it ran on the processor, where a delegate was to run it.
    pub fallback: Option<String>,
}

/// A label with its probability.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// 0 to 1.
    pub probability: f32,
}

/// What gave each label its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ScoredBy {
    /// The cosine between the input and the label's sentence.
    Labels,
    /// The adapter's head.
    AdapterHead,
    /// The classifier of the encoder's own checkpoint.
    CheckpointHead,
    /// The likelihood of the label as the backbone's answer.
    Answers,
}

/// The result of a classification.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Classification {
    /// The most probable label.
    pub label: String,
    /// All labels, most probable first.
    pub scores: Vec<LabelScore>,
    /// What gave each label its score.
    pub scored_by: ScoredBy,
    /// What ran.
    pub trace: Trace,
}

/// A vector in a shared space.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Embedding {
    /// Unit length; f32, little-endian.
    pub vector: Vec<u8>,
    /// What ran.
    pub trace: Trace,
}

/// One value of an input.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Estimate {
    /// What it is the value of.
    pub name: String,
    /// Its unit, where the head states one.
    pub unit: Option<String>,
    /// The value.
    pub value: f32,
}

/// The result of a regression.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Regression {
    /// The values, in the head's order.
    pub values: Vec<Estimate>,
    /// What ran.
    pub trace: Trace,
}

/// A named part of a text.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Span {
    /// What it is.
    pub label: String,
    /// Its words as they stand in the text, without the punctuation around them.
    pub text: String,
    /// Where it begins, in bytes of the text in UTF-8.
    pub start: u64,
    /// The byte behind its end.
    pub end: u64,
    /// Where it begins, in characters: Unicode scalar values, not units of UTF-16.
    pub start_char: u64,
    /// The character behind its end.
    pub end_char: u64,
    /// Mean probability of its words' tags.
    pub score: f32,
}

/// What the words of a text are.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Tagging {
    /// The named parts, in the order of the text; none overlaps another.
    pub spans: Vec<Span>,
    /// What the sentence is, most probable first; empty where the adapter tells words alone.
    pub labels: Vec<LabelScore>,
    /// Bytes of the text that were read: all of them, unless it has more tokens than the encoder takes.
    pub read: u64,
    /// What ran.
    pub trace: Trace,
}

/// A piece of a CTC head's vocabulary that was found.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SpelledPiece {
    /// It.
    pub piece: String,
    /// The state, counted from 0, at which it was found first.
    pub frame: u64,
    /// Natural logarithm of its probability there.
    pub log_probability: f32,
}

/// The result of spelling.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Spelling {
    /// All pieces, joined.
    pub text: String,
    /// The pieces in order.
    pub pieces: Vec<SpelledPiece>,
    /// What ran.
    pub trace: Trace,
}

/// A stretch of speech and its text.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Segment {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// What was said.
    pub text: String,
    /// Mean natural logarithm of the tokens' probabilities.
    pub log_probability: f32,
}

/// What a transcription took.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct TranscriptSummary {
    /// Code of the language, where the model knows several.
    pub language: Option<String>,
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// Seconds of work per second of sound.
    pub real_time_factor: f64,
    /// What ran.
    pub trace: Trace,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Transcript {
    /// The texts of all segments, one after another.
    pub text: String,
    /// Stretches of speech with their times.
    pub segments: Vec<Segment>,
    /// What it took.
    pub summary: TranscriptSummary,
}

/// What a running transcription brings.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum TranscriptEvent {
    /// A stretch of speech that is final.
    Segment {
        /// It.
        segment: Segment,
    },
    /// The text after the last segment, as far as it is certain. It only grows.
    Partial {
        /// All of it.
        text: String,
    },
}

/// What one window of motion shows.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Sensed {
    /// Where the window begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// What it shows.
    pub classification: Classification,
}

/// What was spoken.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Speech {
    /// Mono samples within -1 to 1; f32, little-endian.
    pub samples: Vec<u8>,
    /// Samples per second.
    pub sample_rate: u32,
    /// What ran.
    pub trace: Trace,
}

/// A picture at a larger size.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Upscaled {
    /// Red, green and blue of each pixel in a byte each, row by row from the top left.
    pub pixels: Vec<u8>,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What ran.
    pub trace: Trace,
}

/// Who says a message of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Role {
    /// Instructions.
    System,
    /// The app's user.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// Values as packed bytes, f32, little-endian.
pub(crate) fn pack(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl From<engine::Trace> for Trace {
    fn from(trace: engine::Trace) -> Self {
        let step = |step: engine::Step| Step {
            component: step.component,
            backend: step.backend,
            ms: step.ms,
            bytes: step.bytes,
            reloaded: step.reloaded,
            fallback: step.fallback.map(|reason| reason.to_string()),
        };
        Self { path: trace.path.number(), steps: trace.steps.into_iter().map(step).collect() }
    }
}

impl From<task::Classification> for Classification {
    fn from(result: task::Classification) -> Self {
        Self {
            label: result.label,
            scores: result.scores.into_iter().map(Into::into).collect(),
            scored_by: match result.scored_by {
                task::ScoredBy::Labels => ScoredBy::Labels,
                task::ScoredBy::AdapterHead => ScoredBy::AdapterHead,
                task::ScoredBy::CheckpointHead => ScoredBy::CheckpointHead,
                task::ScoredBy::Answers => ScoredBy::Answers,
            },
            trace: result.trace.into(),
        }
    }
}

impl From<task::LabelScore> for LabelScore {
    fn from(score: task::LabelScore) -> Self {
        Self { label: score.label, probability: score.probability }
    }
}

impl From<task::Embedding> for Embedding {
    fn from(result: task::Embedding) -> Self {
        Self { vector: pack(&result.vector), trace: result.trace.into() }
    }
}

impl From<task::Regression> for Regression {
    fn from(result: task::Regression) -> Self {
        let estimate = |e: task::Estimate| Estimate { name: e.name, unit: e.unit, value: e.value };
        Self { values: result.values.into_iter().map(estimate).collect(), trace: result.trace.into() }
    }
}

impl From<task::Tagging> for Tagging {
    fn from(result: task::Tagging) -> Self {
        let span = |span: task::Span| Span {
            label: span.label,
            text: span.text,
            start: span.start as u64,
            end: span.end as u64,
            start_char: span.start_char as u64,
            end_char: span.end_char as u64,
            score: span.score,
        };
        Self {
            spans: result.spans.into_iter().map(span).collect(),
            labels: result.labels.into_iter().map(Into::into).collect(),
            read: result.read as u64,
            trace: result.trace.into(),
        }
    }
}

impl From<task::Spelling> for Spelling {
    fn from(result: task::Spelling) -> Self {
        let piece = |piece: task::SpelledPiece| SpelledPiece {
            piece: piece.piece,
            frame: piece.frame,
            log_probability: piece.log_probability,
        };
        Self { text: result.text, pieces: result.pieces.into_iter().map(piece).collect(), trace: result.trace.into() }
    }
}

impl From<engine::Segment> for Segment {
    fn from(segment: engine::Segment) -> Self {
        let engine::Segment { start, end, text, log_probability, .. } = segment;
        Self { start, end, text, log_probability }
    }
}

impl From<task::TranscriptSummary> for TranscriptSummary {
    fn from(summary: task::TranscriptSummary) -> Self {
        let task::TranscriptSummary { language, seconds, real_time_factor, trace } = summary;
        Self { language, seconds, real_time_factor, trace: trace.into() }
    }
}

impl From<task::Transcript> for Transcript {
    fn from(transcript: task::Transcript) -> Self {
        Self {
            text: transcript.text,
            segments: transcript.segments.into_iter().map(Into::into).collect(),
            summary: transcript.summary.into(),
        }
    }
}

impl From<task::TranscriptEvent> for TranscriptEvent {
    fn from(event: task::TranscriptEvent) -> Self {
        match event {
            task::TranscriptEvent::Segment(segment) => Self::Segment { segment: segment.into() },
            task::TranscriptEvent::Partial { text } => Self::Partial { text },
        }
    }
}

impl From<task::Sensed> for Sensed {
    fn from(sensed: task::Sensed) -> Self {
        Self { start: sensed.start, end: sensed.end, classification: sensed.classification.into() }
    }
}

impl From<engine::Speech> for Speech {
    fn from(speech: engine::Speech) -> Self {
        Self { samples: pack(&speech.samples), sample_rate: speech.sample_rate, trace: speech.trace.into() }
    }
}

impl From<engine::Upscaled> for Upscaled {
    fn from(engine::Upscaled { image, trace }: engine::Upscaled) -> Self {
        // Pictures have at most 65536 pixels a side.
        let (width, height) = (image.width() as u32, image.height() as u32);
        Self { pixels: image.pixels().to_vec(), width, height, trace: trace.into() }
    }
}

impl From<&input::Message> for Message {
    fn from(message: &input::Message) -> Self {
        let role = match message.role {
            input::Role::System => Role::System,
            input::Role::User => Role::User,
            input::Role::Assistant => Role::Assistant,
            input::Role::Tool => Role::Tool,
        };
        Self { role, text: message.content.texts().collect() }
    }
}
