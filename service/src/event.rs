//! What streams report, to whom, and the way there.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loam::engine::{GenerateStats, Segment};
use loam::task::TranscriptSummary;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::handle::{StopSignal, TaskHandle};
use crate::workers::Workers;

/// One step of a stream. The last one is [`Event::Done`], [`Event::Transcribed`] or [`Event::Failed`].
#[derive(Clone, Debug)]
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
        error: Error,
    },
}

/// Receives the events of a stream, one after another, on a worker thread.
pub trait EventSink: Send + Sync {
    /// Takes one event and says whether the stream is to go on.
    ///
    /// # Errors
    /// Stops the stream, which fails with [`Error::Callback`] and its message.
    fn on_event(&self, event: Event) -> Result<ControlFlow<()>>;
}

impl<F: Fn(Event) -> Result<ControlFlow<()>> + Send + Sync> EventSink for F {
    fn on_event(&self, event: Event) -> Result<ControlFlow<()>> {
        self(event)
    }
}

/// What a call reports before it is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    Text(String),
    Partial(String),
    Segment(Segment),
}

impl From<Progress> for Event {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Text(text) => Self::Text { text },
            Progress::Partial(text) => Self::Partial { text },
            Progress::Segment(segment) => Self::Segment { segment },
        }
    }
}

/// Where a call reports to.
pub(crate) trait Relay {
    /// Delivers one step; `Break` when the receiver has enough.
    ///
    /// # Errors
    /// The receiver's own failure.
    fn progress(&mut self, progress: Progress) -> Result<ControlFlow<()>>;

    /// Says when the receiver wants no more although nothing came.
    fn signal(&self) -> &Arc<StopSignal>;
}

/// Nobody listens: the call reports nothing before it is over.
#[derive(Default)]
pub(crate) struct Silence(Arc<StopSignal>);

impl Relay for Silence {
    fn progress(&mut self, _: Progress) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    fn signal(&self) -> &Arc<StopSignal> {
        &self.0
    }
}

/// A stream's way to its sink.
struct SinkRelay {
    sink: Arc<dyn EventSink>,
    handle: Arc<TaskHandle>,
}

impl Relay for SinkRelay {
    fn progress(&mut self, progress: Progress) -> Result<ControlFlow<()>> {
        let flow = self.sink.on_event(progress.into()).map_err(as_callback)?;
        Ok(if self.signal().is_stopped() { ControlFlow::Break(()) } else { flow })
    }

    fn signal(&self) -> &Arc<StopSignal> {
        self.handle.signal()
    }
}

/// One of our own errors that a sink returned is the sink's too: its kind says where the stream failed.
fn as_callback(error: Error) -> Error {
    match error {
        Error::Callback { .. } => error,
        other => Error::Callback { reason: other.to_string() },
    }
}

/// Runs `work` on a worker thread; its last event goes to `sink`, and so does its failure.
pub(crate) fn stream(
    workers: &Workers,
    sink: Arc<dyn EventSink>,
    work: impl FnOnce(&mut dyn Relay) -> Result<Event> + Send + 'static,
) -> Arc<TaskHandle> {
    let handle = TaskHandle::new();
    let mut relay = SinkRelay { sink, handle: Arc::clone(&handle) };
    let ticket = workers.submit(move || {
        let worked =
            catch_unwind(AssertUnwindSafe(|| work(&mut relay))).unwrap_or_else(|panic| Err(Error::of_panic(&*panic)));
        let (last, outcome) = match worked {
            Ok(event) => (event, Ok(())),
            Err(error) => (Event::Failed { error: error.clone() }, Err(error)),
        };
        let delivered = catch_unwind(AssertUnwindSafe(|| relay.sink.on_event(last)))
            .unwrap_or_else(|panic| Err(Error::of_panic(&*panic)));
        let handle = Arc::clone(&relay.handle);
        // The receiver is let go before the stream counts as over.
        drop(relay);
        handle.end(outcome.and(delivered.map(|_| ()).map_err(as_callback)));
    });
    handle.waits_at(ticket);
    handle
}
