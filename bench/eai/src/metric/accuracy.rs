//! Accuracy: the share of examples whose class was found.

use super::paired;
use crate::error::{Error, Result};

const NAME: &str = "accuracy";

/// The share of `found` that equals `right`.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, and for empty ones.
pub fn accuracy<T: PartialEq>(found: &[T], right: &[T]) -> Result<f64> {
    paired(NAME, found.len(), right.len())?;
    Ok(found.iter().zip(right).filter(|(a, b)| a == b).count() as f64 / right.len() as f64)
}

/// The share of examples whose class is among the `k` of the highest scores; `scores[i][c]` is that of class `c`. Of equal
/// scores those of lower classes go first.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, `k` of 0, a class without a score and scores that are no numbers.
pub fn top_k_accuracy(scores: &[Vec<f64>], right: &[usize], k: usize) -> Result<f64> {
    paired(NAME, scores.len(), right.len())?;
    if k == 0 {
        return Err(Error::metric(NAME, "k is 0"));
    }
    let mut hits = 0usize;
    for (row, (scores, class)) in scores.iter().zip(right).enumerate() {
        let own = *scores
            .get(*class)
            .ok_or_else(|| Error::metric(NAME, format!("row {row}: class {class} of {} scores", scores.len())))?;
        if let Some(wrong) = scores.iter().find(|score| score.is_nan()) {
            return Err(Error::metric(NAME, format!("row {row}: a score is {wrong}")));
        }
        let before =
            scores.iter().enumerate().filter(|(c, score)| **score > own || (**score == own && c < class)).count();
        hits += usize::from(before < k);
    }
    Ok(hits as f64 / right.len() as f64)
}
