//! A conversation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loam::task::Chat;

use crate::adapter::Adapter;
use crate::app::App;
use crate::error::{LoamError, Result};
use crate::event::{Event, EventSink, stream};
use crate::handle::TaskHandle;
use crate::options::GenerateOptions;
use crate::results::Message;
use crate::workers::Workers;

/// A conversation with the language model. Each turn computes only what the last one did not. One turn runs at a time.
#[derive(uniffi::Object)]
pub struct Session {
    shared: Arc<Shared>,
    app: Arc<loam::engine::App>,
    workers: Arc<Workers>,
}

struct Shared {
    chat: Mutex<Chat<Arc<loam::Engine>>>,
    /// A turn waits or runs.
    busy: AtomicBool,
}

/// Marks a session as free again, however its turn ends.
struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

impl Shared {
    fn chat(&self) -> MutexGuard<'_, Chat<Arc<loam::Engine>>> {
        // After a panic the history may lack an answer, no more; the cache is taken out while a turn runs.
        self.chat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conversation between two turns.
    fn between_turns(&self) -> Result<MutexGuard<'_, Chat<Arc<loam::Engine>>>> {
        if self.busy.load(Ordering::Acquire) {
            return Err(busy());
        }
        Ok(self.chat())
    }
}

fn busy() -> LoamError {
    LoamError::Argument {
        name: "session".to_owned(),
        reason: "invalid session: a turn is running, stop it or wait for it".to_owned(),
    }
}

impl Session {
    pub(crate) fn begin(app: &App, instructions: Option<String>, adapter: Option<Arc<Adapter>>) -> Arc<Self> {
        let instructions = instructions.or_else(|| adapter.as_ref().and_then(|adapter| adapter.instructions()));
        let mut chat = Chat::new(Arc::clone(app.engine()), instructions.as_deref());
        chat.set_adapter(adapter.map(|adapter| adapter.core()));
        let shared = Arc::new(Shared { chat: Mutex::new(chat), busy: AtomicBool::new(false) });
        Arc::new(Self { shared, app: Arc::clone(&app.inner), workers: Arc::clone(&app.workers) })
    }
}

#[uniffi::export]
impl Session {
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
        if self.shared.busy.swap(true, Ordering::AcqRel) {
            return Err(busy());
        }
        let (turn, options) = (Turn(Arc::clone(&self.shared)), options.core(&self.app));
        Ok(stream(&self.workers, sink, move |relay| {
            let stats = turn.0.chat().respond(&text, &options, relay)?;
            drop(turn);
            Ok(Event::Done { stats: stats.into() })
        }))
    }

    /// The history, instructions included.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn messages(&self) -> Result<Vec<Message>> {
        Ok(self.shared.between_turns()?.messages().iter().map(Into::into).collect())
    }

    /// Answers from now on with another adapter, or with the bare base. The history stays; what was computed for it does
    /// not.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn set_adapter(&self, adapter: Option<Arc<Adapter>>) -> std::result::Result<(), LoamError> {
        self.shared.between_turns()?.set_adapter(adapter.map(|adapter| adapter.core()));
        Ok(())
    }

    /// Replaces the system message, or removes it.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn set_instructions(&self, instructions: Option<String>) -> std::result::Result<(), LoamError> {
        self.shared.between_turns()?.set_instructions(instructions.as_deref());
        Ok(())
    }

    /// Forgets everything but the instructions.
    ///
    /// # Errors
    /// [`LoamError::Argument`] while a turn runs.
    pub fn clear(&self) -> std::result::Result<(), LoamError> {
        self.shared.between_turns()?.clear();
        Ok(())
    }
}
