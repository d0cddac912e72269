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

    fn stream(&self, call: Call, sink: Arc<dyn EventSink>) -> Arc<TaskHandle> {
        let performer = Arc::clone(&self.performer);
        stream(&self.workers, sink, move |relay| {
            Ok(reply_of!(performer, relay, call, Reply::Generated(stats) => Event::Done { stats }))
        })
    }

    /// Continues a text as it stands. Events come to `sink` from another thread.
    pub fn generate(
        &self,
        prompt: &str,
        options: GenerateOptions,
        adapter: Option<&Adapter>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        self.stream(Call::Generate { prompt: prompt.to_owned(), options, adapter: key(adapter) }, sink)
    }

    /// Answers a question about inputs. Events come to `sink` from another thread.
    pub fn answer(
        &self,
        inputs: Vec<Input>,
        question: &str,
        options: GenerateOptions,
        adapter: Option<&Adapter>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        self.stream(Call::Answer { inputs, question: question.to_owned(), options, adapter: key(adapter) }, sink)
    }

    /// Describes an input. Events come to `sink` from another thread.
    pub fn caption(
        &self,
        input: impl Into<Input>,
        options: GenerateOptions,
        adapter: Option<&Adapter>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        self.stream(Call::Caption { input: input.into(), options, adapter: key(adapter) }, sink)
    }

    /// Writes down what is said in a sound, as it is understood. Events come to `sink` from another thread.
    pub fn transcribe_stream(
        &self,
        input: impl Into<Input>,
        options: ListenOptions,
        adapter: Option<&Adapter>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let performer = Arc::clone(&self.performer);
        let call = Call::TranscribeStream { input: input.into(), options, adapter: key(adapter) };
        stream(&self.workers, sink, move |relay| {
            Ok(reply_of!(performer, relay, call, Reply::Transcribed(summary) => Event::Transcribed { summary }))
        })
    }
}
