//! Correlations: Matthews' of classes, Pearson's of numbers, Spearman's of their ranks.

use std::collections::HashMap;

use super::{mean, paired};
use crate::error::{Error, Result};

/// Matthews' correlation of any number of classes (Gorodkin's R_K); 0 where one side has one class alone.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, and for empty ones.
pub fn matthews(found: &[usize], right: &[usize]) -> Result<f64> {
    paired("MCC", found.len(), right.len())?;
    let mut sides: HashMap<usize, (f64, f64)> = HashMap::new();
    let mut hits = 0.0;
    for (found, right) in found.iter().zip(right) {
        sides.entry(*found).or_default().0 += 1.0;
        sides.entry(*right).or_default().1 += 1.0;
        hits += f64::from(u8::from(found == right));
    }
    let rows = right.len() as f64;
    let sum = |term: &dyn Fn(&(f64, f64)) -> f64| sides.values().map(term).sum::<f64>();
    let both = hits * rows - sum(&|(a, b)| a * b);
    let (ours, theirs) = (rows * rows - sum(&|(a, _)| a * a), rows * rows - sum(&|(_, b)| b * b));
    Ok(if ours == 0.0 || theirs == 0.0 { 0.0 } else { both / (ours * theirs).sqrt() })
}

/// Pearson's correlation.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, fewer than two values, values that are not finite, and a side whose values
/// are all alike, for which it is not defined.
pub fn pearson(found: &[f64], right: &[f64]) -> Result<f64> {
    const NAME: &str = "Pearson";
    paired(NAME, found.len(), right.len())?;
    if let Some(wrong) = found.iter().chain(right).find(|value| !value.is_finite()) {
        return Err(Error::metric(NAME, format!("a value is {wrong}")));
    }
    let (a, b) = (mean(found), mean(right));
    let both: f64 = found.iter().zip(right).map(|(x, y)| (x - a) * (y - b)).sum();
    let spread = |values: &[f64], mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let (ours, theirs) = (spread(found, a), spread(right, b));
    if ours == 0.0 || theirs == 0.0 {
        return Err(Error::metric(NAME, "all values of a side are alike"));
    }
    Ok((both / ours.sqrt() / theirs.sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of ranks, where equal values share the mean of theirs.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(found: &[f64], right: &[f64]) -> Result<f64> {
    paired("Spearman", found.len(), right.len())?;
    if let Some(wrong) = found.iter().chain(right).find(|value| !value.is_finite()) {
        return Err(Error::metric("Spearman", format!("a value is {wrong}")));
    }
    pearson(&ranks(found), &ranks(right))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = begin as f64 + (equal.len() as f64 - 1.0) / 2.0;
        equal.iter().for_each(|i| ranks[*i] = rank);
        begin += equal.len();
    }
    ranks
}
