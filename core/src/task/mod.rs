//! What apps ask for: chat, generation, classification, embedding, transcription, scoring. Each task is a thin layer over the
//! engine.

mod answer;
mod chat;
mod classify;
mod dense;
mod embed;
mod read;
mod regress;
mod retrieve;
mod score;
mod sense;
mod speak;
mod spell;
mod tag;
mod transcribe;
mod upscale;

pub use answer::AnswerOptions;
pub use chat::Chat;
pub use classify::{
    AnswerLabels, Classification, ClassifyOptions, DEFAULT_TEMPLATE, IMAGE_TEMPLATE, LabelScore, MOTION_TEMPLATE,
    SOUND_TEMPLATE, ScoredBy, Scoring,
};
pub use dense::{Count, DetectOptions, Detection, Detections, Located, Point, Segmentation};
pub use embed::{EmbedOptions, Embedding, similarity};
pub use regress::{Estimate, RegressOptions, Regression};
pub use retrieve::{Index, Match};
pub use score::{Perplexity, SCORE_CHUNK};
pub use sense::{Sensed, Sensor};
pub use spell::{SpellOptions, SpelledPiece, Spelling};
pub use tag::{Span, Tagging};
pub use transcribe::{TranscribeOptions, Transcriber, Transcript, TranscriptEvent, TranscriptSummary};
pub use upscale::UpscaleOptions;

pub use crate::adapter::{TASKS, TaskSpec};
