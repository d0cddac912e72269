//! Speech recognisers: networks with the search that turns what they hear into text.

mod contract;
mod ctc;
mod registry;
mod whisper;
mod writer;

pub use contract::{ListenOptions, Listener, Pace, Recognizer, Search, Segment, SpeechTask};
pub use registry::{RECOGNIZERS, RecognizerFamily};
pub(super) use registry::{SpeechModel, family};
pub use whisper::{MAX_BEAMS, Timestamps, WhisperOptions, WhisperRecognizer, WindowText};
