//! A conversation.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loam::engine::Mismatch;
use loam::input::Message;

use crate::adapter::Adapter;
use crate::app::{App, key};
use crate::call::{Call, Opened, Reply, Thing};
use crate::error::{Error, Result};
use crate::event::{Event, EventSink, Silence, stream};
use crate::handle::TaskHandle;
use crate::options::GenerateOptions;
use crate::performer::{Performer, reply_of};
use crate::workers::Workers;

/// A conversation with the language model. Each turn computes only what the last one did not. One turn runs at a time.
///
/// It lives where the engine is: after the end of the service or of the connection every call of it fails with
/// [`crate::Error::Lost`].
#[derive(Debug)]
pub struct Session {
    place: Arc<Place>,
    workers: Arc<Workers>,
    /// A turn waits or runs.
    busy: Arc<AtomicBool>,
}

/// Where a conversation is. It is let go when neither its session nor a turn holds it.
#[derive(Debug)]
struct Place {
    performer: Arc<dyn Performer>,
    opened: Opened,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.performer.release(Thing::Session(self.opened));
    }
}

/// Marks a session as free again, however its turn ends.
struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Session {
    pub(crate) fn begin(app: &App, instructions: Option<&str>, adapter: Option<&Adapter>) -> Result<Self> {
        let call = Call::Chat { instructions: instructions.map(str::to_owned), adapter: key(adapter) };
        let opened = reply_of!(app.performer, &mut Silence::default(), call, Reply::Opened(opened) => opened);
        Ok(Self::at(app, opened))
    }

    fn at(app: &App, opened: Opened) -> Self {
        let (performer, workers) = (Arc::clone(&app.performer), Arc::clone(&app.workers));
        Self { place: Arc::new(Place { performer, opened }), workers, busy: Arc::default() }
    }

    pub(crate) fn restore(app: &App, path: &Path, adapter: Option<&Adapter>, mismatch: Mismatch) -> Result<Self> {
        Ok(Self::at(app, app.performer.restore(path, key(adapter).as_ref(), mismatch)?))
    }

    /// Writes the conversation to a file, with what was computed for it, so that [`App::restore`] goes on with it in another
    /// process as this one would. The file takes the place of what was there when it is whole and on the disk.
    ///
    /// # Errors
    /// [`crate::Error::Io`], and then what was there stays; [`crate::Error::Argument`] while a turn runs.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.busy.load(Ordering::Acquire) {
            return Err(Error::busy("session"));
        }
        self.place.performer.save(self.place.opened, path.as_ref())
    }

    /// Answers `text`; events come to `sink` from another thread. What was generated becomes part of the history, also when
    /// the stream was stopped; after a failure, and when it was stopped before the first text, the history is as before.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] while another turn runs.
    pub fn respond(&self, text: &str, options: GenerateOptions, sink: Arc<dyn EventSink>) -> Result<Arc<TaskHandle>> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(Error::busy("session"));
        }
        let turn = Turn(Arc::clone(&self.busy));
        let call = Call::Respond { session: self.place.opened, text: text.to_owned(), options };
        // Held until the end: the caller may let go of the session before the turn begins.
        let place = Arc::clone(&self.place);
        Ok(stream(&self.workers, sink, move |relay| {
            let done = reply_of!(place.performer, relay, call, Reply::Generated(stats) => Event::Done { stats });
            drop((turn, place));
            Ok(done)
        }))
    }

    fn between_turns(&self, call: Call) -> Result<()> {
        if self.busy.load(Ordering::Acquire) {
            return Err(Error::busy("session"));
        }
        reply_of!(self.place.performer, &mut Silence::default(), call, Reply::Done => ());
        Ok(())
    }

    /// The history, instructions included.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] while a turn runs.
    pub fn messages(&self) -> Result<Vec<Message>> {
        if self.busy.load(Ordering::Acquire) {
            return Err(Error::busy("session"));
        }
        let call = Call::Messages { session: self.place.opened };
        Ok(reply_of!(self.place.performer, &mut Silence::default(), call, Reply::Messages(messages) => messages))
    }

    /// Answers from now on with another adapter, or with the bare base. The history stays; what was computed for it does
    /// not.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] while a turn runs.
    pub fn set_adapter(&self, adapter: Option<&Adapter>) -> Result<()> {
        self.between_turns(Call::SetAdapter { session: self.place.opened, adapter: key(adapter) })
    }

    /// Replaces the system message, or removes it.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] while a turn runs.
    pub fn set_instructions(&self, instructions: Option<&str>) -> Result<()> {
        let instructions = instructions.map(str::to_owned);
        self.between_turns(Call::SetInstructions { session: self.place.opened, instructions })
    }

    /// Forgets everything but the instructions.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] while a turn runs.
    pub fn clear(&self) -> Result<()> {
        self.between_turns(Call::Clear { session: self.place.opened })
    }
}
