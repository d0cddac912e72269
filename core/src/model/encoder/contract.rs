//! What every encoder of data other than text offers.

use super::anchor::Anchor;
use super::head::Head;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{ImuConfig, Input};
use crate::model::modality::Modality;
use crate::model::table::LinearTable;
use crate::quant::Deltas;

/// What a network reads: one input, prepared as the encoder's preprocessing says.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Values, row-major.
    pub values: Vec<f32>,
    /// Extents, outermost first: `[channels, height, width]` of a picture, `[mel bins, frames]` of a spectrogram,
    /// `[channels, steps]` of a series.
    pub shape: Vec<usize>,
}

impl Features {
    /// Values with their shape.
    ///
    /// # Errors
    /// [`Error::Argument`] when they do not fit together, or for a value that is not finite, naming its index.
    pub fn new(values: Vec<f32>, shape: Vec<usize>) -> Result<Self> {
        let count = shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
        if count != Some(values.len()) || values.is_empty() {
            return Err(Error::argument("features", format!("{} values for shape {shape:?}", values.len())));
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::argument("features", format!("value {index} is {}", values[index])));
        }
        Ok(Self { values, shape })
    }

    /// Succeeds when the shape is `expected`, or that of its only channel.
    ///
    /// # Errors
    /// [`Error::Argument`] naming both.
    pub fn expect_shape(&self, expected: &[usize]) -> Result<()> {
        if is_read_as(&self.shape, expected) {
            return Ok(());
        }
        Err(Error::argument("features", format!("shape {:?}, the encoder reads {expected:?}", self.shape)))
    }
}

/// Whether features of shape `makes` are what an encoder reads that reads `reads`: a plane, such as a spectrogram, is the
/// same as one channel of it.
pub(crate) fn is_read_as(makes: &[usize], reads: &[usize]) -> bool {
    makes == reads || matches!(reads, [1, plane @ ..] if makes == plane)
}

/// One input of a batch with the adapter that it runs under.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The input.
    pub features: &'a Features,
    /// The adapter's changes, `None` for the bare base.
    pub deltas: Option<&'a Deltas>,
}

/// What an encoder makes of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// One vector for the whole input, `[dim]`, not normalised: in the shared space where the encoder has a projection
    /// into one, else its pooled state.
    pub embedding: Vec<f32>,
    /// Last hidden states, `[tokens, state_width]`: what heads over time and projectors read.
    pub states: Vec<f32>,
}

/// How an encoder's states lie in time, for heads that read one thing after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeAxis {
    /// They do not, as those of a picture.
    Absent,
    /// Behind `skip` states that stand for the whole input, there are `rows` rows of as many states as there are frames, such
    /// as one row per band of frequencies.
    Rows {
        /// States before the first frame.
        skip: usize,
        /// States of one frame.
        rows: usize,
    },
}

impl TimeAxis {
    /// One state per frame, nothing else.
    pub const STATES: Self = Self::Rows { skip: 0, rows: 1 };

    /// Frames `[frames, width]` of states `[tokens, width]`: the mean of each frame's states. `None` without an axis, and
    /// for another number of states than its rows have.
    #[must_use]
    pub fn frames(self, states: &[f32], width: usize) -> Option<Vec<f32>> {
        let Self::Rows { skip, rows } = self else { return None };
        let inner = states.get(skip * width..)?;
        if !inner.len().is_multiple_of(rows * width) {
            return None;
        }
        let row = inner.len() / rows;
        let mut frames = vec![0.0; row];
        for states in inner.chunks_exact(row.max(1)) {
            frames.iter_mut().zip(states).for_each(|(sum, value)| *sum += value / rows as f32);
        }
        Some(frames)
    }
}

/// A frozen network from one modality to vectors. Immutable and shared; a batch may mix adapters, and company never
/// changes an input's result.
pub trait Encoder: std::fmt::Debug + Send + Sync {
    /// What it reads.
    fn modality(&self) -> Modality;

    /// Width of an embedding.
    fn dim(&self) -> usize;

    /// Width of a hidden state.
    fn state_width(&self) -> usize;

    /// Shape of the features of one input, or of one clip of it; `None` where it varies.
    fn reads(&self) -> Option<Vec<usize>> {
        None
    }

    /// The layers that adapters may act on.
    fn linears(&self) -> &LinearTable;

    /// What cosines in the shared space are multiplied by before they become probabilities, where the checkpoint says: by
    /// a softmax over all labels, or by sigmoids where there is a [`Encoder::logit_bias`].
    fn logit_scale(&self) -> Option<f32> {
        None
    }

    /// How label texts enter the tower's space, where they are not compared as they are.
    fn anchor(&self) -> Option<&Anchor> {
        None
    }

    /// What is added to scaled cosines, for a checkpoint whose probabilities are sigmoids of each label on its own.
    fn logit_bias(&self) -> Option<f32> {
        None
    }

    /// The checkpoint's own classifier, where it has one.
    fn head(&self) -> Option<&Head> {
        None
    }

    /// How its states lie in time.
    fn time_axis(&self) -> TimeAxis {
        TimeAxis::Absent
    }

    /// Length, rate and units of a window of motion, for an encoder that reads motion and knows them.
    fn motion(&self) -> Option<ImuConfig> {
        None
    }

    /// The network as a graph for one input, from features as it [reads](Encoder::reads) them to the embedding and the states,
    /// with the factors of adapters of rank `rank` as inputs. `None` for a network that does not lower itself.
    fn lower(&self, rank: usize) -> Option<Graph> {
        let _ = rank;
        None
    }

    /// Rows and columns in which the states of features of that shape lie, for a network that reads pictures of many sizes;
    /// `None` for others, and for features that are too small or too large.
    fn grid(&self, shape: &[usize]) -> Option<[usize; 2]> {
        let _ = shape;
        None
    }

    /// Last hidden states alone, `[rows * columns, state_width]`, of features whose shape has a [grid](Encoder::grid).
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape without one.
    fn map(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        Err(Error::argument("features", format!("shape {:?}, whose states lie on no grid", item.features.shape)))
    }

    /// Prepares raw data as the checkpoint's preprocessing says.
    ///
    /// # Errors
    /// [`Error::Argument`] for another kind of data; [`Error::Unsupported`] for a checkpoint without preprocessing.
    fn prepare(&self, input: &Input) -> Result<Features>;

    /// Runs a batch.
    ///
    /// # Errors
    /// [`Error::Argument`] for features of another shape than the encoder reads.
    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>>;
}

#[cfg(test)]
mod tests {
    use super::TimeAxis;

    #[test]
    fn frames_are_means_over_rows_behind_special_states() {
        // A special state, then two rows of three states of width 2.
        let states = [9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 3.0, 0.0, 3.0, 0.0, 3.0, 0.0];
        let axis = TimeAxis::Rows { skip: 1, rows: 2 };
        assert_eq!(axis.frames(&states, 2), Some(vec![2.0, 1.0, 3.0, 2.0, 4.0, 3.0]));
        assert_eq!(TimeAxis::STATES.frames(&states, 2).as_deref(), Some(&states[..]));
        assert_eq!(TimeAxis::Absent.frames(&states, 2), None);
        assert_eq!(TimeAxis::Rows { skip: 0, rows: 2 }.frames(&states, 2), None, "7 states are no two rows");
        assert_eq!(TimeAxis::Rows { skip: 8, rows: 1 }.frames(&states, 2), None);
        assert_eq!(axis.frames(&states[..2], 2), Some(Vec::new()));
    }
}
