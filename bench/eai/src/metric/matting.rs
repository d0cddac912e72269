//! How far an alpha matte is from the right one.

use super::{paired, share};
use crate::error::{Error, Result};

const NAME: &str = "matting";
/// From here on a pixel belongs to the object, for the overlap.
const OPAQUE: f64 = 0.5;

/// Scores of one matte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MattingScores {
    /// Sum of absolute differences, in thousands of pixels.
    pub sad: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute difference.
    pub mad: f64,
    /// Overlap of what is at least half opaque; 1 where neither has any such pixel.
    pub iou: f64,
}

/// Of one matte, both between 0 and 1, row after row.
///
/// # Errors
/// [`Error::Metric`] for mattes of unlike size, empty ones, and values outside of 0 to 1.
pub fn matting(found: &[f64], right: &[f64]) -> Result<MattingScores> {
    paired(NAME, found.len(), right.len())?;
    if let Some(wrong) = found.iter().chain(right).find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(Error::metric(NAME, format!("an alpha is {wrong}, expected 0 to 1")));
    }
    let pixels = right.len() as f64;
    let differences = || found.iter().zip(right).map(|(a, b)| a - b);
    let sad: f64 = differences().map(f64::abs).sum();
    let opaque = |test: fn(bool, bool) -> bool| {
        found.iter().zip(right).filter(|(a, b)| test(**a >= OPAQUE, **b >= OPAQUE)).count() as f64
    };
    let union = opaque(|a, b| a || b);
    Ok(MattingScores {
        sad: sad / 1000.0,
        mse: differences().map(|d| d * d).sum::<f64>() / pixels,
        mad: sad / pixels,
        iou: if union == 0.0 { 1.0 } else { share(opaque(|a, b| a && b), union) },
    })
}
