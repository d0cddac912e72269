//! A delegate beside the processor on one input.

use std::time::Instant;

use crate::dispatch::{Placement, Reason, Segment};

/// Runs that are timed; the median counts.
const RUNS: usize = 3;

/// A loaded component that delegates may run.
pub(in crate::engine) trait Placed: Send + Sync {
    /// Whether it runs such a graph. A component may have others, for another model around the same weights.
    fn runs(&self, segment: Segment) -> bool;

    /// Runs a graph and the processor on the same input.
    fn compare(&self, placement: &Placement, segment: Segment) -> Result<Compared, Reason>;
}

/// What both gave, and how long they took.
#[derive(Debug)]
pub(in crate::engine) struct Compared {
    pub(in crate::engine) delegate: Vec<Vec<f32>>,
    pub(in crate::engine) processor: Vec<Vec<f32>>,
    pub(in crate::engine) delegate_ms: f64,
    pub(in crate::engine) processor_ms: f64,
}

impl Compared {
    /// The ratio of their norms that is furthest from one; 1 where one of them is zero, which the cosine tells.
    pub(in crate::engine) fn ratio(&self) -> f32 {
        let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        let ratio = |a: &[f32], b: &[f32]| {
            let ratio = (norm(a) / norm(b)) as f32;
            if ratio.is_finite() && ratio > 0.0 { ratio } else { 1.0 }
        };
        let ratios = self.delegate.iter().zip(&self.processor).map(|(a, b)| ratio(a, b));
        ratios.fold(1.0, |worst: f32, ratio| if ratio.ln().abs() > worst.ln().abs() { ratio } else { worst })
    }

    /// The least cosine of the angles between their outputs; 0 for outputs of zeros, or of other extents.
    pub(in crate::engine) fn cosine(&self) -> f32 {
        if self.delegate.len() != self.processor.len() {
            return 0.0;
        }
        self.delegate.iter().zip(&self.processor).map(|(a, b)| cosine(a, b)).fold(1.0, f32::min)
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() == b.len() && norms > 0.0 { (dot(a, b) / norms) as f32 } else { 0.0 }
}

/// Values between -1 and 1, the same each time: what a graph in floats is tried on that was compiled without a sample.
pub(in crate::engine) fn any_values(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 2_654_435_761 + 12_345) % 20_011) as f32 / 10_005.5 - 1.0).collect()
}

/// The result of the last of some runs, and their median time.
pub(in crate::engine) fn median_ms<T>(mut run: impl FnMut() -> Result<T, Reason>) -> Result<(T, f64), Reason> {
    let mut times = Vec::with_capacity(RUNS);
    let mut result = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        result = Some(run()?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((result.expect("invariant: it ran"), times[RUNS / 2]))
}
