//! Loam across languages: the objects and records that Kotlin, Swift and Python see.
//!
//! Everything here is a thin copy of `loam_service`'s types, which stay free of UniFFI: whether an engine is in this process
//! or in a service is decided where it is opened, and nowhere else. Rules of this surface:
//!
//! - Bulk data goes in as borrowed bytes and comes out as packed bytes, little-endian: lists of numbers are converted value
//!   by value in every language and are thousands of times slower.
//! - Blocking calls block; the hand-written wrappers move them off the caller's thread. Streams call one method of an
//!   [`EventSink`] from a worker thread and give a [`TaskHandle`].
//! - Every failure is a [`LoamError`], a panic of ours and an exception of the caller's callback included.
//!
//! There is no async here: a future's body would run on the polling thread, and no cancellation would reach it.

mod adapter;
mod app;
mod app_streams;
#[cfg_attr(not(feature = "delegates"), path = "no_backends.rs")]
mod backends;
mod conditions;
mod delegates;
mod engine;
mod error;
mod event;
mod generation;
mod handle;
mod host;
mod index;
mod input;
mod log;
mod options;
mod results;
mod self_test;
mod sensor;
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "no_service.rs")]
mod service;
mod session;
mod status;
mod transcriber;
mod trim;

pub use adapter::{Adapter, InstallPolicy};
pub use app::App;
pub use conditions::{Battery, Conditions, Saver, Supply, Thermal};
pub use delegates::{DelegateTarget, Delegates, PlaceStatus, Preference, Strictness, Support, Timing};
pub use engine::{CacheType, ComponentInfo, Engine, EngineOptions, FoundationInfo, ProcessMemory, Verify, version};
pub use error::LoamError;
pub use event::{Event, EventSink};
pub use generation::{Achieved, AdapterUse, ContextSource, FinishReason, GenerateStats};
pub use handle::TaskHandle;
pub use host::Host;
pub use index::{Index, Match};
pub use input::{
    Acceleration, AngularRate, Axes, Gravity, ImuLayout, ImuSource, Input, PcmFormat, PixelLayout, Repair,
};
pub use log::{LogLevel, LogSink, log_to, log_to_platform};
pub use options::{
    ClassifyOptions, GenerateOptions, Modality, Pace, Priority, Sampling, SpeakOptions, Target, TranscribeOptions,
};
pub use results::{
    Classification, Embedding, Estimate, LabelScore, Message, Regression, Role, ScoredBy, Segment, Sensed, Span,
    Speech, SpelledPiece, Spelling, Step, Tagging, Trace, Transcript, TranscriptEvent, TranscriptSummary, Upscaled,
};
pub use self_test::{provoke_panic, provoke_panic_in_worker};
pub use sensor::Sensor;
pub use session::{Mismatch, Session};
pub use status::{AppCounters, AppStatus, EngineStatus, HeldBytes, Quotas};
pub use transcriber::{Transcriber, TranscriptEnd};
pub use trim::{TrimLevel, Trimmed};

uniffi::setup_scaffolding!();
