//! From states to log-probabilities.

use super::vocabulary::CtcVocabulary;
use crate::error::{Error, Result};
use crate::model::ops::log_sum_exp;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};

/// The head that a checkpoint brings, with its vocabulary.
#[derive(Clone, Debug)]
pub struct CtcHead {
    linear: Linear,
    vocabulary: CtcVocabulary,
}

impl CtcHead {
    /// A head of as many outputs as the vocabulary has tokens.
    pub(crate) fn new(linear: Linear, vocabulary: CtcVocabulary) -> Self {
        debug_assert_eq!(linear.outputs(), vocabulary.count());
        Self { linear, vocabulary }
    }

    /// Its tokens.
    #[must_use]
    pub fn vocabulary(&self) -> &CtcVocabulary {
        &self.vocabulary
    }

    /// Natural logarithms of probabilities, `[frames, vocabulary]`, of `states`, `[frames, width]`.
    ///
    /// # Errors
    /// As [`log_softmax`].
    pub fn log_probabilities(&self, states: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        let (frames, count) = (states.len() / self.linear.weight().cols(), self.linear.outputs());
        let mut out = vec![0.0; frames * count];
        self.linear.forward(states, &RowAdapters::same(frames, deltas), &mut out);
        log_softmax(&mut out, count)?;
        Ok(out)
    }
}

/// Turns logits `[frames, count]` into natural logarithms of probabilities.
///
/// # Errors
/// [`Error::Malformed`] for results that are no numbers: the weights are broken then.
pub fn log_softmax(logits: &mut [f32], count: usize) -> Result<()> {
    pool::rows(logits, count, |_, row| {
        let shift = log_sum_exp(row);
        row.iter_mut().for_each(|v| *v -= shift);
    });
    match logits.iter().position(|v| v.is_nan()) {
        None => Ok(()),
        Some(at) => {
            let reason = format!("frame {} of a window has no probabilities: weights are not finite", at / count);
            Err(Error::malformed("speech recogniser", "checkpoint", reason))
        }
    }
}
