//! Speech recognisers: networks with the search that turns what they hear into text.

mod contract;

pub use contract::{ListenOptions, Listener, Recognizer, Search, Segment, SpeechTask};
