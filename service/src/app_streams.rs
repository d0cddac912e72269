//! What an app asks for as a stream: text as it is generated, speech as it is understood.

use std::sync::Arc;

use loam::engine::ListenOptions;
use loam::input::Input;

use crate::adapter::Adapter;
use crate::app::{App, key};
use crate::call::{Call, Reply};
use crate::error::Result;
use crate::event::{Event, EventSink, stream};
use crate::handle::TaskHandle;
use crate::options::GenerateOptions;
use crate::performer::reply_of;
use crate::session::Session;

impl App {
    /// Begins a conversation. With an adapter that brings instructions of its own, these are used where none are given.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] for too many conversations at a time; those of the connection.
    pub fn chat(&self, instructions: Option<&str>, adapter: Option<&Adapter>) -> Result<Session> {
        Session::begin(self, instructions, adapter)
    }

    fn stream(&self, call: Call, adapter: Option<&Arc<Adapter>>, sink: Arc<dyn EventSink>) -> Arc<TaskHandle> {
        // Held until the end: the caller may let go of it before the stream begins.
        let (performer, held) = (Arc::clone(&self.performer), adapter.cloned());
        stream(&self.workers, sink, move |relay| {
            let done = reply_of!(performer, relay, call, Reply::Generated(stats) => Event::Done { stats });
            drop(held);
            Ok(done)
        })
    }

    /// Continues a text as it stands. Events come to `sink` from another thread.
    pub fn generate(
        &self,
        prompt: &str,
        options: GenerateOptions,
        adapter: Option<&Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let key = key(adapter.map(Arc::as_ref));
        self.stream(Call::Generate { prompt: prompt.to_owned(), options, adapter: key }, adapter, sink)
    }

    /// Answers a question about inputs. Events come to `sink` from another thread.
    pub fn answer(
        &self,
        inputs: Vec<Input>,
        question: &str,
        options: GenerateOptions,
        adapter: Option<&Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let key = key(adapter.map(Arc::as_ref));
        self.stream(Call::Answer { inputs, question: question.to_owned(), options, adapter: key }, adapter, sink)
    }

    /// Describes an input. Events come to `sink` from another thread.
    pub fn caption(
        &self,
        input: impl Into<Input>,
        options: GenerateOptions,
        adapter: Option<&Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let key = key(adapter.map(Arc::as_ref));
        self.stream(Call::Caption { input: input.into(), options, adapter: key }, adapter, sink)
    }

    /// Writes down what is said in a sound, as it is understood. Events come to `sink` from another thread.
    pub fn transcribe_stream(
        &self,
        input: impl Into<Input>,
        options: ListenOptions,
        adapter: Option<&Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let (performer, held) = (Arc::clone(&self.performer), adapter.cloned());
        let call = Call::TranscribeStream { input: input.into(), options, adapter: key(adapter.map(Arc::as_ref)) };
        stream(&self.workers, sink, move |relay| {
            let done = reply_of!(performer, relay, call, Reply::Transcribed(summary) => Event::Transcribed { summary });
            drop(held);
            Ok(done)
        })
    }
}
