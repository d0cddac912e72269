//! What a backbone writes and a recogniser hears, as one text.

use std::ops::ControlFlow;

use loam::Engine;
use loam::engine::{Event, GenerateStats, Sink};
use loam::input::Audio;
use loam::task::{TranscribeOptions, TranscriptEvent};

/// The text that `write` gives to its sink.
///
/// # Errors
/// Those of `write`.
pub fn written(write: impl FnOnce(&mut dyn Sink) -> loam::Result<GenerateStats>) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut sink = |event: Event<'_>| {
        if let Event::Text(piece) = event {
            text.push_str(piece);
        }
        Ok(ControlFlow::Continue(()))
    };
    write(&mut sink)?;
    Ok(text.trim().to_owned())
}

/// The segments of what is said in a sound, joined by spaces.
///
/// # Errors
/// The engine's.
pub fn heard(engine: &Engine, sound: &Audio, options: &TranscribeOptions) -> anyhow::Result<String> {
    let mut transcriber = engine.transcriber(sound.rate(), options)?;
    let mut text = String::new();
    let mut add = |events: Vec<TranscriptEvent>| {
        for event in events {
            if let TranscriptEvent::Segment(segment) = event {
                text.push_str(&segment.text);
                text.push(' ');
            }
        }
    };
    add(transcriber.push(sound.samples())?);
    add(transcriber.finish()?.0);
    Ok(text.trim().to_owned())
}
