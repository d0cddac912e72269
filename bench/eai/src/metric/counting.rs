//! Errors of counts and other numbers: mean absolute and root mean squared.

use super::{mean, paired};
use crate::error::{Error, Result};

/// Mean of the absolute differences, in the unit of the values.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and values that are not finite.
pub fn mean_absolute_error(found: &[f64], right: &[f64]) -> Result<f64> {
    Ok(mean(&differences("MAE", found, right)?.iter().map(|d| d.abs()).collect::<Vec<_>>()))
}

/// Root of the mean of the squared differences, in the unit of the values.
///
/// # Errors
/// As [`mean_absolute_error`].
pub fn root_mean_squared_error(found: &[f64], right: &[f64]) -> Result<f64> {
    Ok(mean(&differences("RMSE", found, right)?.iter().map(|d| d * d).collect::<Vec<_>>()).sqrt())
}

fn differences(metric: &'static str, found: &[f64], right: &[f64]) -> Result<Vec<f64>> {
    paired(metric, found.len(), right.len())?;
    if let Some(wrong) = found.iter().chain(right).find(|value| !value.is_finite()) {
        return Err(Error::metric(metric, format!("a value is {wrong}")));
    }
    Ok(found.iter().zip(right).map(|(a, b)| a - b).collect())
}
