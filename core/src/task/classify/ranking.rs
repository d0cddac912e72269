//! From logits to probabilities, most probable label first.

use super::{Classification, LabelScore, ScoredBy, Scoring};
use crate::engine::Trace;
use crate::error::{Error, Result};

const MAX_LABELS: usize = 4096;

/// Succeeds for 1 to 4096 labels that differ.
///
/// # Errors
/// [`Error::Argument`] naming the label or their number.
pub(super) fn check_labels(labels: &[String]) -> Result<()> {
    if labels.is_empty() || labels.len() > MAX_LABELS {
        return Err(Error::argument("labels", format!("{} given, expected 1 to {MAX_LABELS}", labels.len())));
    }
    for (i, label) in labels.iter().enumerate() {
        if label.trim().is_empty() || labels[..i].contains(label) {
            return Err(Error::argument("labels", format!("'{label}' is empty or given twice")));
        }
    }
    Ok(())
}

/// The result of `logits`, one per label and at least one.
///
/// # Errors
/// [`Error::Malformed`] for weights of a head that make logits which are not finite.
pub(super) fn ranked(
    labels: &[String],
    logits: &[f64],
    scored_by: ScoredBy,
    scoring: Scoring,
    trace: Trace,
) -> Result<Classification> {
    if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
        let reason = format!("they give the label '{}' a logit that is {}", labels[at], logits[at]);
        return Err(Error::malformed("classifier", "weights", reason));
    }
    let probabilities = match scoring {
        Scoring::Softmax => softmax(logits),
        Scoring::Sigmoid => logits.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect(),
    };
    let scores = sorted(labels, &probabilities);
    Ok(Classification { label: scores[0].label.clone(), scores, scored_by, scoring, trace })
}

/// `labels` by the softmax of finite `logits`, one per label or none at all.
pub(in crate::task) fn by_probability(labels: &[String], logits: &[f32]) -> Vec<LabelScore> {
    let logits: Vec<f64> = logits.iter().copied().map(f64::from).collect();
    sorted(labels, &softmax(&logits))
}

fn sorted(labels: &[String], probabilities: &[f64]) -> Vec<LabelScore> {
    let pairs = labels.iter().zip(probabilities);
    let mut scores: Vec<LabelScore> =
        pairs.map(|(label, p)| LabelScore { label: label.clone(), probability: *p as f32 }).collect();
    scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    scores
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|v| (v - max).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
