//! From the core's events to a relay.

use std::ops::ControlFlow;
use std::sync::Arc;

use loam::engine::{App, Caller, Event, GenerateStats, Segment, Sink, Turn};
use loam::input::Audio;
use loam::task::{TranscribeOptions, Transcript, TranscriptEvent, TranscriptSummary};

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

/// A turn for the encoders of `app`, until `is_stopped`.
pub(super) fn turn(app: &App, is_stopped: impl Fn() -> bool) -> loam::Result<Turn<'_>> {
    let caller = Caller { app: Some(app.id().into()), ..Caller::default() };
    app.engine().turn_unless(&caller, &is_stopped)
}

/// In blocks of a second, between which it can be stopped.
pub(super) fn transcribe(
    app: &App,
    audio: &Audio,
    options: &TranscribeOptions,
    relay: &mut dyn Relay,
) -> Result<TranscriptSummary> {
    listen(app, audio, options, relay, tell)
}

/// All at once, but nothing more once nobody waits for it.
///
/// # Errors
/// Those of the recogniser; [`Error::Refused`] when it was stopped.
pub(super) fn transcript(
    app: &App,
    audio: &Audio,
    options: &TranscribeOptions,
    relay: &mut dyn Relay,
) -> Result<Transcript> {
    let mut segments = Vec::new();
    let summary = listen(app, audio, options, relay, |events, _| {
        segments.extend(events.into_iter().filter_map(|event| match event {
            TranscriptEvent::Segment(segment) => Some(segment),
            TranscriptEvent::Partial { .. } => None,
        }));
        Ok(ControlFlow::Continue(()))
    })?;
    if relay.signal().is_stopped() {
        return Err(Error::refused("it was stopped"));
    }
    let text = segments.iter().map(|segment: &Segment| &*segment.text).collect();
    Ok(Transcript { text, segments, summary })
}

fn listen(
    app: &App,
    audio: &Audio,
    options: &TranscribeOptions,
    relay: &mut dyn Relay,
    mut take: impl FnMut(Vec<TranscriptEvent>, &mut dyn Relay) -> Result<ControlFlow<()>>,
) -> Result<TranscriptSummary> {
    let mut transcriber = app.engine().transcriber(audio.rate(), options)?;
    let signal = Arc::clone(relay.signal());
    let mut blocks = audio.samples().chunks(audio.rate().hertz() as usize).enumerate();
    let goes_on = blocks.try_for_each(|(number, block)| {
        // After the first block, for a stream without a sample has no result.
        let is_stopped = || number > 0 && signal.is_stopped();
        let turn = match turn(app, is_stopped) {
            Err(_) if is_stopped() => return ControlFlow::Break(Ok(())),
            taken => taken,
        };
        let events = turn.and_then(|_turn| transcriber.push(block)).map_err(Error::from);
        match events.and_then(|events| take(events, relay)) {
            Ok(ControlFlow::Continue(())) if !signal.is_stopped() => ControlFlow::Continue(()),
            Ok(_) => ControlFlow::Break(Ok(())),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    });
    if let ControlFlow::Break(outcome) = goes_on {
        return outcome.map(|()| transcriber.stop());
    }
    // What is left may be a whole window.
    let (events, summary) = match turn(app, || signal.is_stopped()) {
        Err(_) if signal.is_stopped() => return Ok(transcriber.stop()),
        taken => taken.and_then(|_turn| transcriber.finish())?,
    };
    let _ = take(events, relay)?;
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
