//! The way from a running request to the thread that waits for it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use crate::engine::slot::{Finished, Receiver};
use crate::error::Result;

/// What a request reports.
pub(super) enum Message {
    /// Text that is final, and tokens generated so far; none where it is what was held back until the end.
    Text { text: String, generated: Option<usize> },
    /// It is over.
    Ended(Box<Result<Finished>>),
}

/// Whether the receiver wants no more.
#[derive(Debug, Default)]
pub(super) struct Control(AtomicBool);

impl Control {
    /// The request is to end before its next token.
    pub(super) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The request's end of the way.
pub(super) struct Outlet {
    events: Sender<Message>,
    control: Arc<Control>,
}

impl Outlet {
    pub(super) fn new(events: Sender<Message>, control: Arc<Control>) -> Self {
        Self { events, control }
    }

    /// Reports the end. Nobody may be there to hear it.
    pub(super) fn end(self, result: Result<Finished>) {
        let _ = self.events.send(Message::Ended(Box::new(result)));
    }
}

impl Receiver for Outlet {
    fn text(&mut self, text: &str, generated: Option<usize>) -> Result<ControlFlow<()>> {
        let sent = self.events.send(Message::Text { text: text.to_owned(), generated });
        let goes_on = sent.is_ok() && !self.is_stopped();
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    fn is_stopped(&self) -> bool {
        self.control.0.load(Ordering::Relaxed)
    }
}
