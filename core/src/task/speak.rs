//! Text to speech: Path 4, one generator alone.

use crate::engine::{Engine, SpeakOptions, Speech};
use crate::error::Result;

impl Engine {
    /// Speaks `text` with the foundation's speech generator; nothing else is loaded.
    ///
    /// # Errors
    /// [`crate::Error::MissingComponent`] without a generator; as
    /// [`SpeechGenerator::speak`](crate::engine::SpeechGenerator::speak) otherwise.
    pub fn speak(&self, text: &str, options: &SpeakOptions) -> Result<Speech> {
        self.speech_generator()?.speak(text, options)
    }
}
