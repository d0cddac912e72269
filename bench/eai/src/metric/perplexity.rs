//! Perplexity of a language model.

use super::paired;
use crate::error::{Error, Result};

/// `exp` of the mean of negative log-likelihoods, in nats a token.
///
/// # Errors
/// [`Error::Metric`] for an empty list and for values that are not finite.
pub fn perplexity(nats: &[f64]) -> Result<f64> {
    const NAME: &str = "perplexity";
    paired(NAME, nats.len(), nats.len())?;
    if let Some(wrong) = nats.iter().find(|value| !value.is_finite()) {
        return Err(Error::metric(NAME, format!("a token's log-likelihood is {wrong}")));
    }
    Ok(super::mean(nats).exp())
}

/// The sum of negative log-likelihoods, in nats, as bits for each of `bytes` bytes of text: comparable between vocabularies.
///
/// # Errors
/// [`Error::Metric`] for no bytes and for a sum that is not finite.
pub fn bits_per_byte(nats: f64, bytes: usize) -> Result<f64> {
    const NAME: &str = "bits per byte";
    if bytes == 0 || !nats.is_finite() {
        return Err(Error::metric(NAME, format!("{nats} nats for {bytes} bytes")));
    }
    Ok(nats / std::f64::consts::LN_2 / bytes as f64)
}
