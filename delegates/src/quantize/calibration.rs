//! Ranges from sample data: a histogram of each tensor, of which the outermost values may be cut off.

use std::collections::BTreeMap;

use loam::error::Result;
use loam::graph::{Evaluator, Graph};

use super::calibrated::Calibrated;
use super::probe::{Probes, Sieve, Spread, read_by_linears};
use super::range::{Range, Ranges};

/// Bins on each side of zero.
const BINS: usize = 2048;

/// What sample data show of a graph's tensors. Graphs of one network, such as a chunk and a token, are observed together: their
/// tensors have the same names.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    histograms: BTreeMap<String, Histogram>,
    norms: BTreeMap<String, f32>,
    probes: Probes,
    sieves: BTreeMap<String, Sieve>,
    /// Inputs of the latest run, without factors, by the name of a graph.
    samples: BTreeMap<String, Vec<Vec<f32>>>,
    runs: usize,
}

/// Counts of values in steps that grow with them.
#[derive(Clone, Debug)]
struct Histogram {
    least: f32,
    most: f32,
    /// What all bins of one side span together.
    reach: f32,
    /// Below zero, from the outermost to the innermost, then above.
    counts: Vec<u64>,
}

impl Calibration {
    /// Runs `graph`, which is called `name`, in single precision and looks at every tensor. Its outputs.
    ///
    /// # Errors
    /// As [`Evaluator::run`].
    pub fn observe(
        &mut self,
        name: &str,
        (graph, evaluator): (&Graph, &Evaluator<'_>),
        inputs: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>> {
        self.runs += 1;
        let data = graph.signature().inputs.into_iter().zip(inputs).filter(|(input, _)| !input.is_factor());
        self.samples.insert(name.to_owned(), data.map(|(_, values)| values.clone()).collect());
        let adapted = Probes::watched(graph);
        let read = read_by_linears(graph);
        evaluator.run(inputs, |value, values| {
            let tensor = graph.tensor(value);
            self.histograms.entry(tensor.name.clone()).or_default().add(values);
            if let [_, width] = tensor.shape[..] {
                let norm = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
                let largest = values.chunks_exact(width).map(norm).fold(0.0, f32::max);
                let norm = self.norms.entry(tensor.name.clone()).or_default();
                *norm = norm.max(largest);
                if read.contains(&value) {
                    let sieve = self.sieves.entry(tensor.name.clone()).or_insert_with(|| Sieve::new(width));
                    sieve.add(values);
                }
                if adapted.contains(&value) {
                    self.probes.add(&tensor.name, width, values);
                }
            }
        })
    }

    /// How many inputs were observed.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Ranges that hold all but the share `cut` of each tensor's values, half of it on either side; 0 cuts nothing off.
    #[must_use]
    pub fn finish(self, cut: f64) -> Calibrated {
        let tensors = self.histograms.iter().map(|(name, histogram)| (name.clone(), histogram.range(cut)));
        let ranges = Ranges { tensors: tensors.collect(), norms: self.norms };
        let spread = self.sieves.into_iter().map(|(name, sieve)| (name, sieve.finish())).collect();
        Calibrated { ranges, probes: self.probes, spread: Spread(spread), samples: self.samples }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { least: f32::INFINITY, most: f32::NEG_INFINITY, reach: 0.0, counts: vec![0; 2 * BINS] }
    }
}

impl Histogram {
    fn add(&mut self, values: &[f32]) {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let outermost = finite().fold(0.0f32, |most, value| most.max(value.abs()));
        if self.reach == 0.0 && outermost > 0.0 {
            self.reach = outermost.log2().ceil().exp2().max(f32::MIN_POSITIVE);
        }
        while self.reach < outermost {
            self.double();
        }
        for value in finite() {
            self.least = self.least.min(value);
            self.most = self.most.max(value);
            let at = if self.reach > 0.0 { value / self.reach * BINS as f32 } else { 0.0 };
            let bin = (at.floor() + BINS as f32).clamp(0.0, (2 * BINS - 1) as f32);
            self.counts[bin as usize] += 1;
        }
    }

    /// Bins become twice as wide, which keeps each count within the bin around it.
    fn double(&mut self) {
        let mut counts = vec![0; 2 * BINS];
        for (bin, count) in self.counts.iter().enumerate() {
            counts[BINS / 2 + bin / 2] += count;
        }
        self.counts = counts;
        self.reach *= 2.0;
    }

    fn range(&self, cut: f64) -> Range {
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return Range { low: 0.0, high: 0.0 };
        }
        let spare = (total as f64 * cut / 2.0) as u64;
        let edge = |bin: usize| (bin as f32 - BINS as f32) / BINS as f32 * self.reach;
        let low = beyond(self.counts.iter(), spare);
        let high = 2 * BINS - beyond(self.counts.iter().rev(), spare);
        Range { low: edge(low).max(self.least), high: edge(high).min(self.most) }
    }
}

/// How many bins hold no more than `spare` values together.
fn beyond<'c>(counts: impl Iterator<Item = &'c u64>, spare: u64) -> usize {
    let mut seen = 0;
    let sums = counts.map(|count| {
        seen += count;
        seen
    });
    sums.take_while(|sum| *sum <= spare).count()
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn ranges_hold_all_values_or_all_but_a_share() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.range(0.0).high, 0.0);
        histogram.add(&[0.0; 4]);
        let values: Vec<f32> = (0..10_000).map(|at| (at as f32 - 5000.0) / 5000.0).collect();
        histogram.add(&values);
        histogram.add(&[700.0, -3.0, f32::NAN, f32::INFINITY]);
        let whole = histogram.range(0.0);
        assert_eq!((whole.low, whole.high), (-3.0, 700.0));
        let cut = histogram.range(0.01);
        // 50 of 10,000 evenly spread values on either side, to the width of a bin: 1024 / 2048.
        assert!((-1.0..=-0.49).contains(&cut.low) && (0.99..=1.5).contains(&cut.high), "{cut:?}");
    }
}
