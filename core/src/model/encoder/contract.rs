//! What every encoder of data other than text offers.

use super::anchor::Anchor;
use super::head::Head;
use crate::error::{Error, Result};
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

    /// Succeeds when the shape is `expected`.
    ///
    /// # Errors
    /// [`Error::Argument`] naming both.
    pub fn expect_shape(&self, expected: &[usize]) -> Result<()> {
        if self.shape == expected {
            return Ok(());
        }
        Err(Error::argument("features", format!("shape {:?}, the encoder reads {expected:?}", self.shape)))
    }
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

    /// Length, rate and units of a window of motion, for an encoder that reads motion and knows them.
    fn motion(&self) -> Option<ImuConfig> {
        None
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
