//! Speech: what is said, and what is understood of what the foundation says itself.

use std::time::Instant;

use loam::engine::SpeakOptions;
use loam::input::{Audio, Channels, SampleRate};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given, Target};

use super::{Answer, Context, Solver};
use crate::bench::media::{self, transcribe};
use crate::error::Error;

/// Writes down what is said in a sound.
pub struct Listener<'a>(&'a Context<'a>);

impl<'a> Listener<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self(context)
    }
}

impl Solver for Listener<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let Given::Sound(media) = &example.input else {
            return Err(Error::malformed(&example.id, "row", "it has no sound").into());
        };
        let sound = media::sound(media)?;
        let start = Instant::now();
        let text = transcribe(self.0.engine, &sound)?;
        Ok(answer(text, start, "recogniser"))
    }
}

/// Reads a text aloud, and writes down what the recogniser makes of it.
pub struct Speaker<'a>(&'a Context<'a>);

impl<'a> Speaker<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self(context)
    }
}

impl Solver for Speaker<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let text = match (&example.input, &example.target) {
            (Given::Text(text), _) => text,
            (_, Target::Texts(texts)) if !texts.is_empty() => &texts[0],
            _ => return Err(Error::malformed(&example.id, "row", "it has no text to read aloud").into()),
        };
        let start = Instant::now();
        let speech = self.0.engine.speak(text, &SpeakOptions::default())?;
        let spoken = Audio::from_f32(&speech.samples, Channels::MONO, SampleRate::new(speech.sample_rate)?)?;
        Ok(answer(transcribe(self.0.engine, &spoken)?, start, "recogniser of what was spoken"))
    }
}

fn answer(text: String, start: Instant, scored_by: &'static str) -> Answer {
    Answer { prediction: Prediction::Text(text), scored_by, ms: start.elapsed().as_secs_f64() * 1e3 }
}
