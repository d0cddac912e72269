//! Which values a graph's tensors take.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The least and the largest value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub low: f32,
    /// The largest.
    pub high: f32,
}

impl Range {
    /// From `-most` to `most`.
    #[must_use]
    pub fn around_zero(most: f32) -> Self {
        Self { low: -most, high: most }
    }

    /// The largest magnitude.
    #[must_use]
    pub fn most(self) -> f32 {
        self.high.max(-self.low)
    }

    /// The one around both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Multiplied.
    #[must_use]
    pub fn widened(self, factor: f32) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }
}

/// Ranges by the names of tensors, and norms of what linears read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    /// By name.
    pub tensors: BTreeMap<String, Range>,
    /// The largest Euclidean norm of a row, of tensors of two axes.
    pub norms: BTreeMap<String, f32>,
}
