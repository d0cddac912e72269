//! What an app asks for as a stream: text as it is generated, speech as it is understood.

use std::ops::ControlFlow;
use std::sync::Arc;

use loam::engine::Request;
use loam::input::{Affixes, Special};
use loam::task::AnswerOptions;

use crate::adapter::Adapter;
use crate::app::App;
use crate::error::{LoamError, Result};
use crate::event::{Event, EventSink, Relay, stream};
use crate::handle::TaskHandle;
use crate::input::Input;
use crate::options::{GenerateOptions, TranscribeOptions};
use crate::session::Session;

#[uniffi::export]
impl App {
    /// Begins a conversation. With an adapter that brings instructions of its own, these are used where none are given.
    pub fn chat(&self, instructions: Option<String>, adapter: Option<Arc<Adapter>>) -> Arc<Session> {
        Session::begin(self, instructions, adapter)
    }

    /// Continues a text as it stands. Events come to `sink` from another thread.
    pub fn generate(
        &self,
        prompt: String,
        options: GenerateOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let (engine, options) = (Arc::clone(self.engine()), options.core(&self.inner));
        stream(&self.workers, sink, move |relay| {
            let tokens = engine.language()?.tokenizer()?.encode(&prompt, Special::Plain, Affixes::Add)?;
            let request = Request::new(tokens, adapter.map(|a| a.core()), options);
            Ok(Event::Done { stats: engine.generate(request, relay)?.stats.into() })
        })
    }

    /// Answers a question about inputs. Events come to `sink` from another thread.
    pub fn answer(
        &self,
        inputs: Vec<Arc<Input>>,
        question: String,
        options: GenerateOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let engine = Arc::clone(self.engine());
        let options = answer_options(options.core(&self.inner), adapter.as_deref());
        stream(&self.workers, sink, move |relay| {
            let inputs: Vec<loam::input::Input> = inputs.iter().map(|input| input.core()).collect();
            Ok(Event::Done { stats: engine.answer(&inputs, &question, &options, relay)?.into() })
        })
    }

    /// Describes an input. Events come to `sink` from another thread.
    pub fn caption(
        &self,
        input: Arc<Input>,
        options: GenerateOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let engine = Arc::clone(self.engine());
        let options = answer_options(options.core(&self.inner), adapter.as_deref());
        stream(&self.workers, sink, move |relay| {
            Ok(Event::Done { stats: engine.caption(&input.core(), &options, relay)?.into() })
        })
    }

    /// Writes down what is said in a sound, as it is understood. Events come to `sink` from another thread.
    pub fn transcribe_stream(
        &self,
        input: Arc<Input>,
        options: TranscribeOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let engine = Arc::clone(self.engine());
        let options = options.core(adapter.as_deref());
        stream(&self.workers, sink, move |relay| transcribe(&engine, &input, &options, relay))
    }
}

fn answer_options(generate: loam::engine::GenerateOptions, adapter: Option<&Adapter>) -> AnswerOptions {
    AnswerOptions { generate, adapter: adapter.map(Adapter::core), ..AnswerOptions::default() }
}

/// In blocks of a second, between which it can be stopped.
fn transcribe(
    engine: &loam::Engine,
    input: &Input,
    options: &loam::task::TranscribeOptions,
    relay: &mut Relay,
) -> std::result::Result<Event, LoamError> {
    let audio = input.sound()?;
    let mut transcriber = engine.transcriber(audio.rate(), options)?;
    for block in audio.samples().chunks(audio.rate().hertz() as usize) {
        // After the first block, for a stream without a sample has no result.
        if tell(transcriber.push(block)?, relay)?.is_break() || relay.is_stopped() {
            break;
        }
    }
    let (events, summary) = transcriber.finish()?;
    if !relay.is_stopped() {
        let _ = tell(events, relay)?;
    }
    Ok(Event::Transcribed { summary: summary.into() })
}

fn tell(events: Vec<loam::task::TranscriptEvent>, relay: &Relay) -> Result<ControlFlow<()>> {
    for event in events {
        let event = match event {
            loam::task::TranscriptEvent::Segment(segment) => Event::Segment { segment: segment.into() },
            loam::task::TranscriptEvent::Partial { text } => Event::Partial { text },
        };
        if relay.send(event)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
