//! What a calibration has shown, kept for the next one of the same weights and data.

use std::collections::BTreeMap;
use std::path::Path;

use loam::dispatch::Reason;

use super::probe::{Probes, Spread};
use super::range::{Range, Ranges};
use crate::tensors::{self, Rows};

/// Ranges, rows that adapters are tried on, and a sample of each graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibrated {
    /// Ranges.
    pub ranges: Ranges,
    /// Rows that linears read.
    pub probes: Probes,
    /// Rows that weights are rounded by.
    pub spread: Spread,
    /// Values of all inputs but factors, by the name of a graph.
    pub samples: BTreeMap<String, Vec<Vec<f32>>>,
}

/// What the names of tensors in a file begin with.
const RANGE: &str = "range/";
const NORM: &str = "norm/";
const PROBE: &str = "probe/";
const SAMPLE: &str = "sample/";
const SPREAD: &str = "spread/";

impl Calibrated {
    /// Writes a file.
    ///
    /// # Errors
    /// [`Reason::Failed`] naming it.
    pub fn save(&self, path: &Path) -> Result<(), Reason> {
        let Self { ranges, probes, spread, samples } = self;
        let mut all = BTreeMap::new();
        let mut add = |kind: &str, name: &str, rows: Rows| all.insert(format!("{kind}{name}"), rows);
        for (name, range) in &ranges.tensors {
            add(RANGE, name, Rows::one(vec![range.low, range.high]));
        }
        for (name, norm) in &ranges.norms {
            add(NORM, name, Rows::one(vec![*norm]));
        }
        for (name, rows) in &probes.0 {
            add(PROBE, name, rows.clone());
        }
        for (name, rows) in &spread.0 {
            add(SPREAD, name, rows.clone());
        }
        for (name, sample) in samples {
            for (at, values) in sample.iter().enumerate() {
                add(SAMPLE, &format!("{name}/{at}"), Rows::one(values.clone()));
            }
        }
        tensors::write(path, &all)
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// [`Reason::Damaged`] naming it.
    pub fn load(path: &Path) -> Result<Option<Self>, Reason> {
        if !path.is_file() {
            return Ok(None);
        }
        let mut found = Self::default();
        let mut samples: BTreeMap<String, BTreeMap<usize, Vec<f32>>> = BTreeMap::new();
        for (name, rows) in tensors::read(path)? {
            if let (Some(name), &[low, high]) = (name.strip_prefix(RANGE), &rows.values[..]) {
                found.ranges.tensors.insert(name.to_owned(), Range { low, high });
            } else if let (Some(name), &[norm]) = (name.strip_prefix(NORM), &rows.values[..]) {
                found.ranges.norms.insert(name.to_owned(), norm);
            } else if let Some(name) = name.strip_prefix(PROBE) {
                found.probes.0.insert(name.to_owned(), rows);
            } else if let Some(name) = name.strip_prefix(SPREAD) {
                found.spread.0.insert(name.to_owned(), rows);
            } else if let Some((name, at)) = name.strip_prefix(SAMPLE).and_then(|name| name.rsplit_once('/')) {
                let at = at.parse().unwrap_or(usize::MAX);
                samples.entry(name.to_owned()).or_default().insert(at, rows.values);
            }
        }
        found.samples = samples.into_iter().map(|(name, sample)| (name, sample.into_values().collect())).collect();
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_read_back() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("x.safetensors");
        assert_eq!(Calibrated::load(&path), Ok(None));
        let mut shown = Calibrated::default();
        shown.ranges.tensors.insert("a/b".to_owned(), Range { low: -1.5, high: 2.0 });
        shown.ranges.norms.insert("a/b".to_owned(), 3.0);
        shown.probes.0.insert("x".to_owned(), Rows { width: 2, values: vec![1.0, 2.0, 3.0, 4.0] });
        shown.samples.insert("text-64".to_owned(), (0..12).map(|at| vec![at as f32; 3]).collect());
        shown.save(&path).expect("saved");
        assert_eq!(Calibrated::load(&path), Ok(Some(shown)));
        let mut bytes = std::fs::read(&path).expect("readable");
        let last = bytes.len() - 3;
        bytes[last] ^= 0x10;
        std::fs::write(&path, bytes).expect("written");
        let changed = Calibrated::load(&path).expect_err("another value");
        assert!(changed.to_string().contains("not those that were written"), "{changed}");
        std::fs::write(&path, [1; 30]).expect("written");
        assert!(matches!(Calibrated::load(&path), Err(Reason::Damaged { .. })));
    }
}
