//! Counting: how many of something a picture shows.

use serde::{Deserialize, Serialize};

use super::size;
use crate::adapter::{Adapter, DenseGives};
use crate::engine::{Engine, Trace};
use crate::error::Result;
use crate::input::Input;

/// How many there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// What was counted.
    pub label: String,
    /// How many, as the sum of a density: not a whole number.
    pub count: f32,
    /// Things per place, row by row.
    pub density: Vec<f32>,
    /// Rows of the density.
    pub height: usize,
    /// Columns of the density.
    pub width: usize,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Counts what `adapter` counts in a picture. Path 3.
    ///
    /// # Errors
    /// [`crate::Error::Adapter`] for an adapter without a dense head that gives a density; [`crate::Error::Argument`] for an input
    /// that is no picture.
    pub fn count(&self, input: impl Into<Input>, adapter: &Adapter) -> Result<Count> {
        let input = input.into();
        size(&input)?;
        let mapped = self.map_picture(&input, adapter, &[DenseGives::Density])?;
        let density: Vec<f32> = mapped.planes.values.iter().map(|value| value.max(0.0)).collect();
        Ok(Count {
            label: mapped.labels.first().cloned().unwrap_or_default(),
            count: density.iter().map(|value| f64::from(*value)).sum::<f64>() as f32,
            density,
            height: mapped.planes.height,
            width: mapped.planes.width,
            trace: mapped.trace,
        })
    }
}
