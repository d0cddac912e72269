//! What streams report, and to whom.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::LoamError;
use crate::generation::GenerateStats;
use crate::results::{Segment, TranscriptSummary};

/// One step of a stream. The last one is [`Event::Done`], [`Event::Transcribed`] or [`Event::Failed`].
#[derive(Clone, Debug, uniffi::Enum)]
pub enum Event {
    /// Generated text that is final: it never splits a character.
    Text {
        /// What is new.
        text: String,
    },
    /// The text after the last segment of speech, as far as it is certain. It only grows.
    Partial {
        /// All of it.
        text: String,
    },
    /// A stretch of speech that is final.
    Segment {
        /// It.
        segment: Segment,
    },
    /// A generation is over.
    Done {
        /// What it cost and what ran.
        stats: GenerateStats,
    },
    /// A transcription is over.
    Transcribed {
        /// What it cost and what ran.
        summary: TranscriptSummary,
    },
    /// The stream failed; what it gave before is valid.
    Failed {
        /// Why.
        error: LoamError,
    },
}

/// Receives the events of a stream, one after another, on a worker thread.
#[uniffi::export(foreign)]
pub trait EventSink: Send + Sync {
    /// Takes one event and says whether the stream is to go on.
    ///
    /// # Errors
    /// An exception stops the stream, which fails with [`LoamError::Callback`] and its message.
    fn on_event(&self, event: Event) -> std::result::Result<bool, LoamError>;
}

/// A sink of another language, as the service's crate calls it.
struct Foreign(Arc<dyn EventSink>);

impl loam_service::EventSink for Foreign {
    fn on_event(&self, event: loam_service::Event) -> loam_service::Result<ControlFlow<()>> {
        // Whatever it throws is the callback's, one of our own errors too: its kind says where the stream failed.
        let goes_on = self.0.on_event(event.into()).map_err(|error| match error {
            LoamError::Callback { reason } => loam_service::Error::Callback { reason },
            other => loam_service::Error::Callback { reason: other.to_string() },
        })?;
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}

/// A sink as the service's crate takes it.
pub(crate) fn service(sink: Arc<dyn EventSink>) -> Arc<dyn loam_service::EventSink> {
    Arc::new(Foreign(sink))
}

impl From<loam_service::Event> for Event {
    fn from(event: loam_service::Event) -> Self {
        match event {
            loam_service::Event::Text { text } => Self::Text { text },
            loam_service::Event::Partial { text } => Self::Partial { text },
            loam_service::Event::Segment { segment } => Self::Segment { segment: segment.into() },
            loam_service::Event::Done { stats } => Self::Done { stats: stats.into() },
            loam_service::Event::Transcribed { summary } => Self::Transcribed { summary: summary.into() },
            loam_service::Event::Failed { error } => Self::Failed { error: error.into() },
        }
    }
}
