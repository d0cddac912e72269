//! A sink that keeps what it hears.

use std::sync::{Arc, Mutex, OnceLock};

use loam_ffi::{Event, EventSink, LoamError, TaskHandle};

/// What the sink does with the events of a stream.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// Takes them all.
    #[default]
    Patient,
    /// Calls `stop` at the n-th text, as another thread of an app does.
    Stops(usize),
    /// Fails at the first text.
    Throws(String),
}

/// Events of one stream, in order.
#[derive(Default)]
pub struct Listener {
    manner: Manner,
    events: Mutex<Vec<Event>>,
    handle: OnceLock<Arc<TaskHandle>>,
}

impl Listener {
    pub fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, ..Self::default() })
    }

    /// The stream that it listens to, for one that stops it.
    pub fn listens_to(&self, handle: &Arc<TaskHandle>) {
        assert!(self.handle.set(Arc::clone(handle)).is_ok(), "one stream per listener");
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no panic").clone()
    }

    /// All texts, joined.
    pub fn text(&self) -> String {
        self.events().iter().map(|event| if let Event::Text { text } = event { text.as_str() } else { "" }).collect()
    }
}

impl EventSink for Listener {
    fn on_event(&self, event: Event) -> Result<bool, LoamError> {
        let is_text = matches!(event, Event::Text { .. });
        let mut events = self.events.lock().expect("no panic");
        events.push(event);
        let texts = events.iter().filter(|event| matches!(event, Event::Text { .. })).count();
        drop(events);
        match &self.manner {
            Manner::Throws(message) if is_text => Err(LoamError::Callback { reason: message.clone() }),
            Manner::Stops(after) if is_text && texts == *after => {
                self.handle.wait().stop();
                Ok(true)
            }
            _ => Ok(true),
        }
    }
}
