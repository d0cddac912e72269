//! A stream of any length, window by window, with early text where that was asked for.
//!
//! At [`Pace::Live`] the window that is still filling is glanced at after each thirtieth of a window (a second) of new
//! sound. What two glances in a row agree on is shown ([`Listener::partial`]) and forced upon every later search of this
//! window, so it is never taken back; a segment whose end both have seen becomes final at once, and the window moves on
//! (local agreement, Liu et al. 2020, arXiv 2005.11185). At [`Pace::Thorough`] only whole windows are searched, the partial
//! text stays empty, and the result does not depend on how the stream was cut into pieces.

use std::sync::Arc;

use super::WhisperRecognizer;
use super::division::{Advance, Stretch, divide};
use super::options::WhisperOptions;
use super::window::{Ask, Effort, WindowText};
use crate::adapter::Adapter;
use crate::engine::recognizer::contract::{Listener, Pace, Recognizer, Segment};
use crate::error::{Error, Result};
use crate::input::{Audio, Channels, Detokenizer, check_samples};
use crate::model::encoder::Features;

/// Parts of a window: a glance and the least advance are one each.
const PARTS: usize = 30;

/// One stream.
#[derive(Debug)]
pub(super) struct WhisperListener {
    model: Arc<WhisperRecognizer>,
    options: WhisperOptions,
    adapter: Option<Arc<Adapter>>,
    /// What the caller asked for.
    asked: Option<u32>,
    /// What is spoken, once it is known.
    language: Option<u32>,
    code: Option<String>,
    /// Samples of the window so far.
    held: Vec<f32>,
    /// Samples of the stream before it.
    before: u64,
    /// Samples since the last glance.
    fresh: usize,
    /// Tokens of the last glance.
    glance: Option<Vec<u32>>,
    /// Tokens that later searches of this window begin with.
    agreed: Vec<u32>,
    /// Their text.
    partial: String,
}

impl WhisperListener {
    pub(super) fn new(
        model: Arc<WhisperRecognizer>,
        options: WhisperOptions,
        language: Option<u32>,
        adapter: Option<Arc<Adapter>>,
    ) -> Self {
        let mut listener = Self {
            model,
            options,
            adapter,
            asked: language,
            language: None,
            code: None,
            held: Vec::new(),
            before: 0,
            fresh: 0,
            glance: None,
            agreed: Vec::new(),
            partial: String::new(),
        };
        listener.restart();
        listener
    }

    /// Begins a new stream.
    fn restart(&mut self) {
        self.held.clear();
        self.before = 0;
        self.language = None;
        self.code = None;
        self.forget();
        if let Some(asked) = self.asked {
            self.know(asked);
        }
    }

    /// Forgets what was agreed on about the window.
    fn forget(&mut self) {
        self.fresh = 0;
        self.glance = None;
        self.agreed.clear();
        self.partial.clear();
    }

    fn know(&mut self, language: u32) {
        let known = self.model.vocabulary.languages.iter().find(|(_, id)| *id == language);
        self.code = known.map(|(code, _)| code.clone());
        self.language = Some(language);
    }

    /// A step of glances, and the least advance, in samples: whole states.
    fn step(&self) -> usize {
        (self.model.window / PARTS).next_multiple_of(self.model.state).min(self.model.window)
    }

    fn hear(&self, effort: Effort) -> Result<WindowText> {
        let model = &self.model;
        let audio = Audio::from_f32(&self.held, Channels::MONO, model.rate())?;
        let features = model.extractor.extract(&audio)?;
        let features = Features::new(features.values, features.shape)?;
        let seed = self.options.listen.seed.wrapping_add(self.before);
        let ask = Ask { options: &self.options, language: self.language, forced: &self.agreed, effort, seed };
        model.window(&features, ask, self.adapter.as_ref().map(|adapter| &adapter.bound.deltas))
    }

    /// Takes the language over that the window was written down in.
    fn learn(&mut self, text: &WindowText) {
        if let (None, Some(&language), true) =
            (self.language, text.prompt.get(1), self.model.vocabulary.tasks.is_some())
        {
            self.know(language);
        }
    }

    /// Searches the window in full, and begins the next one.
    fn settle(&mut self) -> Result<Vec<Segment>> {
        let text = self.hear(Effort::Full)?;
        self.learn(&text);
        let states = self.held.len() / self.model.state;
        // What was shown is not silence.
        if text.silent && self.agreed.is_empty() {
            self.advance(self.held.len());
            return Ok(Vec::new());
        }
        let (stretches, advance) = divide(&text.tokens, self.model.vocabulary.first_time(), states);
        let segments = self.segments(&text, &stretches)?;
        let advance = match advance {
            Advance::Whole => self.held.len(),
            Advance::To(state) => (state * self.model.state).max(self.step()).min(self.held.len()),
        };
        self.advance(advance);
        Ok(segments)
    }

    fn advance(&mut self, samples: usize) {
        self.held.drain(..samples);
        self.before += samples as u64;
        self.forget();
    }

    /// Searches the window so far, and shows what this and the last glance agree on.
    fn look(&mut self) -> Result<Vec<Segment>> {
        let mut text = self.hear(Effort::Glance)?;
        if text.silent && self.agreed.is_empty() {
            text.tokens.clear();
        }
        let last = self.glance.replace(text.tokens.clone());
        let common = |last: Vec<u32>| last.iter().zip(&text.tokens).take_while(|(a, b)| a == b).count();
        // A search that begins with all of it must still take a step.
        let room = self.model.limit(text.prompt.len()).saturating_sub(text.prompt.len() + 1);
        let common = last.map_or(0, common).max(self.agreed.len().min(text.tokens.len())).min(room);
        let mut agreed = &text.tokens[..common];
        let first_time = self.model.vocabulary.first_time();
        if let Some(end) = (1..common).find(|&at| agreed[at - 1] >= first_time && agreed[at] >= first_time) {
            // The end of a segment and the begin of the next: the former is final.
            let complete = WindowText { tokens: agreed[..=end].to_vec(), ..text };
            let (stretches, advance) = divide(&complete.tokens, first_time, self.held.len() / self.model.state);
            self.learn(&complete);
            let segments = self.segments(&complete, &stretches)?;
            let Advance::To(state) = advance else { return Ok(segments) };
            self.advance((state * self.model.state).clamp(self.model.state.min(self.held.len()), self.held.len()));
            return Ok(segments);
        }
        // Where a segment ends moves with the sound that is there.
        while agreed.len() > 1 && agreed.last().is_some_and(|&id| id >= first_time) {
            agreed = &agreed[..agreed.len() - 1];
        }
        if agreed.len() > self.agreed.len() {
            self.agreed = agreed.to_vec();
            self.partial.clear();
            let mut stream = Detokenizer::new(&self.model.tokenizer);
            for id in self.model.words(&self.agreed) {
                self.partial.extend(stream.push(id)?);
            }
            self.learn(&text);
        }
        Ok(Vec::new())
    }

    fn segments(&self, text: &WindowText, stretches: &[Stretch]) -> Result<Vec<Segment>> {
        let rate = f64::from(self.model.rate().hertz());
        let seconds = |state: usize| {
            let samples = (state * self.model.state).min(self.held.len());
            (self.before + samples as u64) as f64 / rate
        };
        let mut segments = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let tokens = self.model.words(&text.tokens[stretch.tokens.clone()]);
            let words = self.model.tokenizer.decode(&tokens)?;
            if words.trim().is_empty() {
                continue;
            }
            segments.push(Segment {
                start: seconds(stretch.start),
                end: seconds(stretch.end),
                text: words,
                tokens,
                log_probability: text.log_probability,
                no_speech_probability: Some(text.no_speech_probability),
                temperature: text.temperature,
            });
        }
        Ok(segments)
    }
}

impl Listener for WhisperListener {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<Segment>> {
        // All of them first, so that nothing was heard of a piece that is refused.
        let received = self.before.saturating_add(self.held.len() as u64);
        check_samples(samples, usize::try_from(received).unwrap_or(usize::MAX))?;
        let mut segments = Vec::new();
        let mut rest = samples;
        while !rest.is_empty() {
            let mut room = self.model.window - self.held.len();
            let live = self.options.listen.pace == Pace::Live;
            if live {
                room = room.min(self.step() - self.fresh);
            }
            let (taken, left) = rest.split_at(room.min(rest.len()));
            self.held.extend_from_slice(taken);
            self.fresh += taken.len();
            rest = left;
            if self.held.len() == self.model.window {
                segments.extend(self.settle()?);
            } else if live && self.fresh == self.step() {
                self.fresh = 0;
                segments.extend(self.look()?);
            }
        }
        Ok(segments)
    }

    fn partial(&self) -> &str {
        &self.partial
    }

    fn finish(&mut self) -> Result<Vec<Segment>> {
        if self.before == 0 && self.held.is_empty() {
            return Err(Error::argument("audio", "0 samples, accepted are 1 or more"));
        }
        let mut segments = Vec::new();
        // What is left of a state is too short for a spectrogram's frames.
        while self.held.len() >= self.model.state / 2 {
            segments.extend(self.settle()?);
        }
        let code = self.code.take();
        self.restart();
        self.code = code.or_else(|| self.code.take());
        Ok(segments)
    }

    fn language(&self) -> Option<&str> {
        self.code.as_deref()
    }
}
