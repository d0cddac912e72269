//! From the core's events to a relay.

use std::ops::ControlFlow;

use loam::engine::{App, Event, GenerateStats, Priority, Sink};
use loam::input::Audio;
use loam::task::{TranscribeOptions, TranscriptEvent, TranscriptSummary};

use crate::call::Reply;
use crate::error::{Error, Result};
use crate::event::{Progress, Relay};
use crate::store::Held;

/// The core's sink of a stream.
pub(super) struct Writing<'a> {
    relay: &'a mut dyn Relay,
    /// Why the relay failed, which the core's error would flatten.
    failure: Option<Error>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(relay: &'a mut dyn Relay) -> Self {
        Self { relay, failure: None }
    }

    /// What `run` gives; the relay's own failure where it was that.
    pub(super) fn outcome<T>(&mut self, run: impl FnOnce(&mut dyn Sink) -> loam::Result<T>) -> Result<T> {
        let outcome = run(self);
        match (outcome, self.failure.take()) {
            (Err(loam::Error::Sink(_)), Some(failure)) => Err(failure),
            (outcome, _) => Ok(outcome?),
        }
    }
}

impl Sink for Writing<'_> {
    fn event(&mut self, event: Event<'_>) -> loam::Result<ControlFlow<()>> {
        match event {
            Event::Text(text) => self.relay.progress(Progress::Text(text.to_owned())).map_err(|error| {
                let reason = error.to_string();
                self.failure = Some(error);
                loam::Error::Sink(reason)
            }),
            // The end is reported once everything of the stream is over.
            Event::Done(_) => Ok(ControlFlow::Continue(())),
        }
    }

    fn is_stopped(&self) -> bool {
        self.relay.signal().is_stopped()
    }
}

/// The statistics, with the adapter's number in the app's life.
pub(super) fn generated(stats: GenerateStats, adapter: Option<&Held>) -> Reply {
    numbered(stats, adapter.map(|held| held.generation))
}

pub(super) fn numbered(mut stats: GenerateStats, generation: Option<u64>) -> Reply {
    if let (Some(used), Some(generation)) = (&mut stats.adapter, generation) {
        used.generation = generation;
    }
    Reply::Generated(stats)
}

/// In blocks of a second, between which it can be stopped.
pub(super) fn transcribe(
    app: &App,
    audio: &Audio,
    options: &TranscribeOptions,
    relay: &mut dyn Relay,
) -> Result<TranscriptSummary> {
    let mut transcriber = app.engine().transcriber(audio.rate(), options)?;
    let mut goes_on = true;
    for block in audio.samples().chunks(audio.rate().hertz() as usize) {
        // After the first block, for a stream without a sample has no result.
        let turn = app.turn(Priority::Normal)?;
        let events = transcriber.push(block)?;
        drop(turn);
        goes_on = tell(events, relay)?.is_continue() && !relay.signal().is_stopped();
        if !goes_on {
            break;
        }
    }
    let (events, summary) = transcriber.finish()?;
    if goes_on {
        let _ = tell(events, relay)?;
    }
    Ok(summary)
}

fn tell(events: Vec<TranscriptEvent>, relay: &mut dyn Relay) -> Result<ControlFlow<()>> {
    for event in events {
        let progress = match event {
            TranscriptEvent::Segment(segment) => Progress::Segment(segment),
            TranscriptEvent::Partial { text } => Progress::Partial(text),
        };
        if relay.progress(progress)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
