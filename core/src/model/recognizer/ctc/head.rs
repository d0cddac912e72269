//! From states to log-probabilities.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::quant::{Deltas, Linear};

/// Runs the head on `states`, `[frames, width]`, and takes the logarithm of the softmax of each frame.
///
/// # Errors
/// [`Error::Malformed`] for results that are no numbers: the weights are broken then.
pub(super) fn log_probabilities(head: &Linear, states: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
    let (frames, count) = (states.len() / head.weight().cols(), head.outputs());
    let mut out = vec![0.0; frames * count];
    head.forward(states, &vec![deltas; frames], &mut out);
    out.par_chunks_mut(count).with_min_len(16).for_each(|row| {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|v| f64::from(v - max).exp()).sum();
        let shift = max + sum.ln() as f32;
        row.iter_mut().for_each(|v| *v -= shift);
    });
    match out.iter().position(|v| v.is_nan()) {
        None => Ok(out),
        Some(at) => {
            let reason = format!("frame {} of a window has no probabilities: weights are not finite", at / count);
            Err(Error::malformed("speech recogniser", "checkpoint", reason))
        }
    }
}
