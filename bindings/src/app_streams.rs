//! What an app asks for as a stream: text as it is generated, speech as it is understood.

use std::sync::Arc;

use crate::adapter::{self, Adapter};
use crate::app::App;
use crate::error::Result;
use crate::event::{self, EventSink};
use crate::handle::TaskHandle;
use crate::input::Input;
use crate::options::{GenerateOptions, TranscribeOptions};
use crate::session::{Mismatch, Session};
use crate::status::AppStatus;

#[uniffi::export]
impl App {
    /// Begins a conversation. With an adapter that brings instructions of its own, these are used where none are given.
    ///
    /// # Errors
    /// [`crate::LoamError::Refused`] for too many conversations at a time; those of the connection to a service.
    pub fn chat(&self, instructions: Option<String>, adapter: Option<Arc<Adapter>>) -> Result<Arc<Session>> {
        let adapter = adapter::service(adapter.as_ref()).map(Arc::as_ref);
        Ok(Session::new(self.inner.chat(instructions.as_deref(), adapter)?))
    }

    /// Goes on with a conversation that was saved ([`Session::save`]), with the adapter that it had.
    ///
    /// # Errors
    /// [`crate::LoamError::Io`], [`crate::LoamError::Malformed`] and [`crate::LoamError::Digest`] for the file;
    /// [`crate::LoamError::Context`] for other weights or another adapter, where `mismatch` does not let them pass;
    /// [`crate::LoamError::Memory`].
    pub fn restore(&self, path: String, adapter: Option<Arc<Adapter>>, mismatch: Mismatch) -> Result<Arc<Session>> {
        let adapter = adapter::service(adapter.as_ref()).map(Arc::as_ref);
        Ok(Session::new(self.inner.restore(path, adapter, mismatch.core())?))
    }

    /// What it is doing and what was done for it, with what it may ask for and hold.
    ///
    /// # Errors
    /// Those of the connection to a service.
    pub fn usage(&self) -> Result<AppStatus> {
        Ok(self.inner.usage()?.into())
    }

    /// Continues a text as it stands. Events come to `sink` from another thread.
    pub fn generate(
        &self,
        prompt: String,
        options: GenerateOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let (options, adapter) = (options.service(), adapter::service(adapter.as_ref()));
        TaskHandle::new(self.inner.generate(&prompt, options, adapter, event::service(sink)))
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
        let inputs = inputs.iter().map(|input| input.core()).collect();
        let (options, adapter) = (options.service(), adapter::service(adapter.as_ref()));
        TaskHandle::new(self.inner.answer(inputs, &question, options, adapter, event::service(sink)))
    }

    /// Describes an input. Events come to `sink` from another thread.
    pub fn caption(
        &self,
        input: Arc<Input>,
        options: GenerateOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let (options, adapter) = (options.service(), adapter::service(adapter.as_ref()));
        TaskHandle::new(self.inner.caption(input.core(), options, adapter, event::service(sink)))
    }

    /// Writes down what is said in a sound, as it is understood. Events come to `sink` from another thread.
    pub fn transcribe_stream(
        &self,
        input: Arc<Input>,
        options: TranscribeOptions,
        adapter: Option<Arc<Adapter>>,
        sink: Arc<dyn EventSink>,
    ) -> Arc<TaskHandle> {
        let (options, adapter) = (options.core(), adapter::service(adapter.as_ref()));
        TaskHandle::new(self.inner.transcribe_stream(input.core(), options, adapter, event::service(sink)))
    }
}
