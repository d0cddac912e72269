//! What streams report, to whom, and the way there.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::{LoamError, Result, panic_message};
use crate::handle::TaskHandle;
use crate::results::{GenerateStats, Segment, TranscriptSummary};
use crate::workers::Workers;

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

/// A stream's way to its sink.
pub(crate) struct Relay {
    sink: Arc<dyn EventSink>,
    handle: Arc<TaskHandle>,
}

impl Relay {
    /// Delivers one event; `Break` when the receiver has enough.
    pub(crate) fn send(&self, event: Event) -> Result<ControlFlow<()>> {
        let goes_on = self.sink.on_event(event).map_err(as_callback)?;
        Ok(if goes_on && !self.is_stopped() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.handle.is_stopped()
    }
}

impl loam::engine::Sink for Relay {
    fn event(&mut self, event: loam::engine::Event<'_>) -> loam::Result<ControlFlow<()>> {
        let event = match event {
            loam::engine::Event::Text(text) => Event::Text { text: text.to_owned() },
            // The end is reported once everything of the stream is over.
            loam::engine::Event::Done(_) => return Ok(ControlFlow::Continue(())),
        };
        self.send(event).map_err(|error| loam::Error::Sink(error.to_string()))
    }

    fn is_stopped(&self) -> bool {
        Self::is_stopped(self)
    }
}

/// One of our own errors that a callback threw is the callback's too: its kind says where the stream failed.
fn as_callback(error: LoamError) -> LoamError {
    match error {
        LoamError::Callback { .. } => error,
        other => LoamError::Callback { reason: other.to_string() },
    }
}

/// Runs `work` on a worker thread; its last event goes to `sink`, and so does its failure.
pub(crate) fn stream(
    workers: &Workers,
    sink: Arc<dyn EventSink>,
    work: impl FnOnce(&mut Relay) -> Result<Event> + Send + 'static,
) -> Arc<TaskHandle> {
    let handle = TaskHandle::new();
    let mut relay = Relay { sink, handle: Arc::clone(&handle) };
    let ticket = workers.submit(move || {
        let worked = catch_unwind(AssertUnwindSafe(|| work(&mut relay)))
            .unwrap_or_else(|panic| Err(LoamError::Internal { reason: panic_message(&*panic) }));
        let (last, outcome) = match worked {
            Ok(event) => (event, Ok(())),
            Err(error) => (Event::Failed { error: error.clone() }, Err(error)),
        };
        // A sink in the process' own language may panic as well.
        let delivered = catch_unwind(AssertUnwindSafe(|| relay.sink.on_event(last)))
            .unwrap_or_else(|panic| Err(LoamError::Callback { reason: panic_message(&*panic) }));
        let handle = Arc::clone(&relay.handle);
        // The receiver is let go before the stream counts as over.
        drop(relay);
        handle.end(outcome.and(delivered.map(|_| ()).map_err(as_callback)));
    });
    handle.waits_at(ticket);
    handle
}
