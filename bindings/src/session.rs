//! A conversation.

use std::sync::Arc;

use loam::engine;

use crate::adapter::{self, Adapter};
use crate::error::{LoamError, Result};
use crate::event::{self, EventSink};
use crate::handle::TaskHandle;
use crate::options::GenerateOptions;
use crate::results::Message;

/// What is done about a saved conversation that belongs to other weights, or to another adapter, than run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Mismatch {
    /// It is an error that names what differs.
    Refuse,
    /// What was said stays; what was computed is computed again.
    Recompute,
}

impl Mismatch {
    pub(crate) fn core(self) -> engine::Mismatch {
        match self {
            Self::Refuse => engine::Mismatch::Refuse,
            Self::Recompute => engine::Mismatch::Recompute,
        }
    }
}

/// A conversation with the language model. Each turn computes only what the last one did not. One turn runs at a time.
///
/// It lives where the engine is: after the end of a service or of the connection to it, every call fails with
/// [`LoamError::Lost`].
#[derive(Debug, uniffi::Object)]
pub struct Session {
    inner: loam_service::Session,
}

impl Session {
    pub(crate) fn new(inner: loam_service::Session) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

#[uniffi::export]
impl Session {
    /// Writes the conversation to the file `path`, with what was computed for it, so that [`crate::App::restore`] goes on with
    /// it in another process as this one would. The file takes the place of what was there when it is whole and on the disk.
    ///
    /// # Errors
    /// [`LoamError::Io`], and then what was there stays; [`LoamError::Argument`] while a turn runs.
    pub fn save(&self, path: String) -> std::result::Result<(), LoamError> {
        Ok(self.inner.save(path)?)
    }

    /// Answers `text`; events come to `sink` from another thread. What was generated becomes part of the history, also when
    /// the stream was stopped; after a failure, and when it was stopped before the first text, the history is as before.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while another turn runs.
    pub fn respond(
        &self,
        text: String,
        options: GenerateOptions,
        sink: Arc<dyn EventSink>,
    ) -> std::result::Result<Arc<TaskHandle>, LoamError> {
        Ok(TaskHandle::new(self.inner.respond(&text, options.service(), event::service(sink))?))
    }

    /// The history, instructions included.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn messages(&self) -> Result<Vec<Message>> {
        Ok(self.inner.messages()?.iter().map(Into::into).collect())
    }

    /// Answers from now on with another adapter, or with the bare base. The history stays; what was computed for it does
    /// not.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn set_adapter(&self, adapter: Option<Arc<Adapter>>) -> std::result::Result<(), LoamError> {
        Ok(self.inner.set_adapter(adapter::service(adapter.as_ref()).map(Arc::as_ref))?)
    }

    /// Replaces the system message, or removes it.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn set_instructions(&self, instructions: Option<String>) -> std::result::Result<(), LoamError> {
        Ok(self.inner.set_instructions(instructions.as_deref())?)
    }

    /// Forgets everything but the instructions.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn clear(&self) -> std::result::Result<(), LoamError> {
        Ok(self.inner.clear()?)
    }
}
