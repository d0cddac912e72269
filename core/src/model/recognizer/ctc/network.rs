//! What a network behind a CTC search offers.

use super::head::CtcHead;
use crate::error::Result;
use crate::input::SampleRate;
use crate::model::table::LinearTable;
use crate::quant::Deltas;

/// A frozen network from sound to one state per frame, with the head that makes characters of them where the checkpoint
/// has one. Immutable and shared.
pub trait CtcNetwork: std::fmt::Debug + Send + Sync {
    /// The rate that it hears at.
    fn rate(&self) -> SampleRate;

    /// Samples from frame to frame.
    fn hop(&self) -> usize;

    /// Most samples that it hears at once.
    fn longest(&self) -> usize;

    /// Frames of so many samples.
    fn frames(&self, samples: usize) -> usize;

    /// Values of a state.
    fn width(&self) -> usize;

    /// The checkpoint's own head; without one, an adapter has to bring it.
    fn head(&self) -> Option<&CtcHead>;

    /// The layers that adapters may act on.
    fn linears(&self) -> &LinearTable;

    /// States `[frames, width]`; frame `k` begins at sample `k * hop`. None for sound that is too short for a frame.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for more samples than [`CtcNetwork::longest`].
    fn states(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>>;
}
