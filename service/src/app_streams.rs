//! What an app asks for as a stream: text as it is generated, speech as it is understood.

use std::path::Path;
use std::sync::Arc;

use loam::engine::{AppStatus, ListenOptions, Mismatch};
use loam::input::Input;

use crate::adapter::Adapter;
use crate::app::{App, key};
use crate::call::{Call, Reply};
use crate::error::Result;
use crate::event::{Event, EventSink, Silence, stream};
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

    /// Goes on with a conversation that was saved ([`Session::save`]), with the adapter that it had.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Malformed`] and [`crate::Error::Digest`] for the file; [`crate::Error::Context`]
    /// for other weights or another adapter, where `mismatch` does not let them pass.
    pub fn restore(&self, path: impl AsRef<Path>, adapter: Option<&Adapter>, mismatch: Mismatch) -> Result<Session> {
        Session::restore(self, path.as_ref(), adapter, mismatch)
    }

    /// What it is doing and what was done for it, with what it may ask for and hold.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn usage(&self) -> Result<AppStatus> {
        Ok(reply_of!(self.performer, &mut Silence::default(), Call::Usage, Reply::Usage(usage) => *usage))
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
