//! The way from a running request to the thread that waits for it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use crate::engine::slot::{Generated, Receiver};
use crate::error::Result;

/// What a request reports.
pub(super) enum Message {
    /// Text that is final, and tokens generated so far; none where it is what was held back until the end.
    Text { text: String, generated: Option<usize> },
    /// It is over.
    Ended(Box<Result<Generated>>),
}

/// Texts that a receiver may be behind: one, so that it takes the last while the next is computed.
const BEHIND: usize = 1;

/// What the receiver says.
#[derive(Debug, Default)]
pub(super) struct Control {
    stopped: AtomicBool,
    /// Texts that it has taken.
    taken: AtomicUsize,
}

impl Control {
    /// The request is to end before its next token.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The receiver has taken a text.
    pub(super) fn took(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
}

/// The request's end of the way.
pub(super) struct Outlet {
    events: Sender<Message>,
    control: Arc<Control>,
    /// Texts that were sent.
    sent: usize,
}

impl Outlet {
    pub(super) fn new(events: Sender<Message>, control: Arc<Control>) -> Self {
        Self { events, control, sent: 0 }
    }

    /// Reports the end. Nobody may be there to hear it.
    pub(super) fn end(self, result: Result<Generated>) {
        let _ = self.events.send(Message::Ended(Box::new(result)));
    }
}

impl Receiver for Outlet {
    fn text(&mut self, text: &str, generated: Option<usize>) -> Result<ControlFlow<()>> {
        self.sent += 1;
        let sent = self.events.send(Message::Text { text: text.to_owned(), generated });
        let goes_on = sent.is_ok() && !self.is_stopped();
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    fn is_stopped(&self) -> bool {
        self.control.stopped.load(Ordering::Relaxed)
    }

    fn is_ready(&self) -> bool {
        self.sent <= self.control.taken.load(Ordering::Relaxed) + BEHIND
    }
}
