//! What a network behind a CTC search offers.

use super::vocabulary::CtcVocabulary;
use crate::error::Result;
use crate::input::SampleRate;
use crate::model::table::LinearTable;
use crate::quant::Deltas;

/// A frozen network from sound to frames of probabilities over a vocabulary. Immutable and shared.
pub trait CtcNetwork: std::fmt::Debug + Send + Sync {
    /// The rate that it hears at.
    fn rate(&self) -> SampleRate;

    /// Samples from frame to frame.
    fn hop(&self) -> usize;

    /// Most samples that it hears at once.
    fn longest(&self) -> usize;

    /// Frames of so many samples.
    fn frames(&self, samples: usize) -> usize;

    /// Its tokens.
    fn vocabulary(&self) -> &CtcVocabulary;

    /// The layers that adapters may act on.
    fn linears(&self) -> &LinearTable;

    /// Natural logarithms of probabilities, `[frames, vocabulary]`; frame `k` begins at sample `k * hop`. None for sound
    /// that is too short for a frame.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for more samples than [`CtcNetwork::longest`]; [`crate::Error::Malformed`] for weights that
    /// give no numbers.
    fn log_probabilities(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>>;
}
