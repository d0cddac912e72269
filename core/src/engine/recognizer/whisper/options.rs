//! How Whisper listens, beyond what every recogniser can be told.

use super::rules::Timestamps;
use crate::engine::recognizer::contract::{ListenOptions, Search};
use crate::error::{Error, Result};

/// Most beams.
pub const MAX_BEAMS: usize = 32;
const MAX_TEMPERATURES: usize = 16;

/// How Whisper listens. The defaults are those of OpenAI's transcription.
#[derive(Clone, Debug, PartialEq)]
pub struct WhisperOptions {
    /// What every recogniser can be told.
    pub listen: ListenOptions,
    /// Whether the model writes times.
    pub timestamps: Timestamps,
    /// Temperatures that are tried in turn until a text looks right: 1 to 16 of them, 0 to 10 each. 0 searches without
    /// chance.
    pub temperatures: Vec<f32>,
    /// A text with a smaller mean log probability looks wrong.
    pub least_log_probability: Option<f32>,
    /// A text that zlib makes smaller by a larger factor repeats itself and looks wrong.
    pub most_compression: Option<f32>,
    /// A text that looks wrong by its log probability is silence when the model gives silence more than this.
    pub silence: Option<f32>,
}

impl Default for WhisperOptions {
    fn default() -> Self {
        Self {
            listen: ListenOptions::default(),
            timestamps: Timestamps::default(),
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            least_log_probability: Some(-1.0),
            most_compression: Some(2.4),
            silence: Some(0.6),
        }
    }
}

impl WhisperOptions {
    /// Beams of a search without chance.
    pub(super) fn beams(&self) -> usize {
        match self.listen.search {
            Search::Greedy => 1,
            Search::Beam(width) => width,
        }
    }

    /// Refuses values outside of their ranges.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the option, its value and its range.
    pub(super) fn check(&self) -> Result<()> {
        if !(1..=MAX_BEAMS).contains(&self.beams()) {
            return Err(Error::argument("beam", format!("{}, accepted are 1 to {MAX_BEAMS}", self.beams())));
        }
        let count = self.temperatures.len();
        if !(1..=MAX_TEMPERATURES).contains(&count) {
            return Err(Error::argument("temperatures", format!("{count}, accepted are 1 to {MAX_TEMPERATURES}")));
        }
        if let Some(wrong) = self.temperatures.iter().find(|t| !(0.0..=10.0).contains(*t)) {
            return Err(Error::argument("temperature", format!("{wrong}, accepted are 0 to 10")));
        }
        let limits = [
            ("least_log_probability", self.least_log_probability),
            ("most_compression", self.most_compression),
            ("silence", self.silence),
        ];
        match limits.iter().find(|(_, value)| value.is_some_and(f32::is_nan)) {
            Some((name, _)) => Err(Error::argument(name, "NaN, accepted are numbers")),
            None => Ok(()),
        }
    }
}
