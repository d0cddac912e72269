//! Retrieval: recall among the first few, and how re-identification counts what the same camera saw.

use super::{mean, paired};
use crate::error::{Error, Result};

/// The share of queries with a right entry among the `k` most alike. `likeness[q][e]` is that of query and entry, `right[q]`
/// are the right entries; of equal likenesses the first entry goes first.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, `k` of 0, a query without a right entry or with one that is not
/// there, and likenesses that are no numbers.
pub fn recall_at_k(likeness: &[Vec<f64>], right: &[Vec<usize>], k: usize) -> Result<f64> {
    const NAME: &str = "R@k";
    paired(NAME, likeness.len(), right.len())?;
    if k == 0 {
        return Err(Error::metric(NAME, "k is 0"));
    }
    let mut hits = 0usize;
    for (row, (likeness, right)) in likeness.iter().zip(right).enumerate() {
        let order = sorted(NAME, row, likeness)?;
        if right.is_empty() || right.iter().any(|entry| *entry >= likeness.len()) {
            let reason = format!("query {row}: right entries {right:?} of {}", likeness.len());
            return Err(Error::metric(NAME, reason));
        }
        hits += usize::from(order.iter().take(k).any(|entry| right.contains(entry)));
    }
    Ok(hits as f64 / right.len() as f64)
}

/// Who is seen, and by which camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// Number of the car, person or piece of clothing.
    pub identity: u32,
    /// Number of the camera.
    pub camera: u32,
}

/// Scores of re-identification.
#[derive(Clone, Debug, PartialEq)]
pub struct ReidScores {
    /// Mean of average precisions.
    pub map: f64,
    /// Share of queries found first.
    pub rank_1: f64,
    /// Share of queries found among the first five.
    pub rank_5: f64,
    /// Queries that have a right entry of another camera; the others do not count.
    pub queries: usize,
}

/// As the evaluations of Market-1501 and VeRi: entries of a query's own identity and camera do not count.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, likenesses that are no numbers, and where no query has a right
/// entry.
pub fn reidentification(likeness: &[Vec<f64>], queries: &[Appearance], entries: &[Appearance]) -> Result<ReidScores> {
    const NAME: &str = "re-id mAP";
    paired(NAME, likeness.len(), queries.len())?;
    let mut precisions = Vec::new();
    let (mut first, mut five) = (0usize, 0usize);
    for (row, (likeness, query)) in likeness.iter().zip(queries).enumerate() {
        paired(NAME, likeness.len(), entries.len())?;
        let order = sorted(NAME, row, likeness)?;
        let counting = order.iter().map(|entry| entries[*entry]).filter(|entry| entry != query);
        let hits: Vec<usize> = counting
            .enumerate()
            .filter_map(|(rank, entry)| (entry.identity == query.identity).then_some(rank + 1))
            .collect();
        let Some(best) = hits.first() else { continue };
        first += usize::from(*best <= 1);
        five += usize::from(*best <= 5);
        let sum: f64 = hits.iter().enumerate().map(|(found, rank)| (found + 1) as f64 / *rank as f64).sum();
        precisions.push(sum / hits.len() as f64);
    }
    if precisions.is_empty() {
        return Err(Error::metric(NAME, "no query has a right entry of another camera"));
    }
    let queries = precisions.len();
    let share = |hits: usize| hits as f64 / queries as f64;
    Ok(ReidScores { map: mean(&precisions), rank_1: share(first), rank_5: share(five), queries })
}

fn sorted(metric: &'static str, row: usize, likeness: &[f64]) -> Result<Vec<usize>> {
    if let Some(wrong) = likeness.iter().find(|value| value.is_nan()) {
        return Err(Error::metric(metric, format!("query {row}: a likeness is {wrong}")));
    }
    let mut order: Vec<usize> = (0..likeness.len()).collect();
    order.sort_by(|a, b| likeness[*b].total_cmp(&likeness[*a]));
    Ok(order)
}
