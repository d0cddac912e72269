//! Exact match of texts: code, commands, answers.

use super::paired;
use crate::error::Result;
use crate::tokenize::whitespace;

const NAME: &str = "exact match";

/// The share of `found` that is `right` word for word; how words are set apart does not count.
///
/// # Errors
/// [`Error::Metric`](crate::Error::Metric) for lists of unlike length, and for empty ones.
pub fn exact_match<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[B]) -> Result<f64> {
    paired(NAME, found.len(), right.len())?;
    let hits = found.iter().zip(right).filter(|(a, b)| same(a.as_ref(), b.as_ref())).count();
    Ok(hits as f64 / right.len() as f64)
}

/// As [`exact_match`], where any of several texts is right.
///
/// # Errors
/// As [`exact_match`].
pub fn exact_match_of_any<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[Vec<B>]) -> Result<f64> {
    paired(NAME, found.len(), right.len())?;
    let hits = found.iter().zip(right).filter(|(a, all)| all.iter().any(|b| same(a.as_ref(), b.as_ref()))).count();
    Ok(hits as f64 / right.len() as f64)
}

fn same(a: &str, b: &str) -> bool {
    whitespace(a).eq(whitespace(b))
}
