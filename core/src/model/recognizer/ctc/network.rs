//! What a network behind a CTC search offers.

use super::head::CtcHead;
use crate::error::Result;
use crate::graph::Graph;
use crate::input::SampleRate;
use crate::model::encoder::Features;
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

    /// What its layers read of `samples`; none for sound that is too short for a frame.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for more samples than [`CtcNetwork::longest`].
    fn features(&self, samples: &[f32]) -> Result<Option<Features>>;

    /// States `[frames, width]` of what [`CtcNetwork::features`] gave.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for features of another network.
    fn states_of(&self, features: &Features, deltas: Option<&Deltas>) -> Result<Vec<f32>>;

    /// States `[frames, width]`; frame `k` begins at sample `k * hop`. None for sound that is too short for a frame.
    ///
    /// # Errors
    /// As [`CtcNetwork::features`].
    fn states(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        self.features(samples)?.map_or(Ok(Vec::new()), |features| self.states_of(&features, deltas))
    }

    /// Its layers as graphs; `None` for a network that does not lower itself.
    fn graph(&self) -> Option<&dyn CtcGraph> {
        None
    }
}

/// A network whose layers are a graph for sound of up to some length. Features are spectrograms, `[bins, columns]`; what is shorter
/// than a graph is filled up behind, and its states are those that it has alone.
pub trait CtcGraph {
    /// Columns of the features of so many samples, no more than it hears at once.
    fn columns(&self, samples: usize) -> usize;

    /// States of so many columns; a graph's states behind them mean nothing.
    fn states_in(&self, columns: usize) -> usize;

    /// The graph for up to `columns` columns, from features to states `[frames, width]`, with the factors of adapters of rank
    /// `rank` as inputs. `None` where columns are none, too few for a state, or more than it hears at once.
    fn lower(&self, columns: usize, rank: usize) -> Option<Graph>;

    /// What the inputs of that graph but an adapter's factors are filled with.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for features of more columns, or of other bins.
    fn inputs(&self, features: &Features, columns: usize) -> Result<Vec<Vec<f32>>>;
}
