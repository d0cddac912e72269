//! What one base and its adapters take beside one model a task.

use std::collections::BTreeSet;
use std::fs::metadata;
use std::path::Path;

use indicatif::DecimalBytes;
use loam::Engine;
use serde::Deserialize;
use serde_json::json;

use super::guide::Guide;
use crate::error::{Error, Result};

const FORMAT: &str = "results";
/// The file is a page of numbers.
const MAX_BYTES: u64 = 1 << 20;

/// What was measured of tasks that have both an adapter and a model of their own.
#[derive(Debug, Deserialize)]
pub(super) struct Comparison {
    tasks: Vec<Measured>,
}

#[derive(Debug, Deserialize)]
struct Measured {
    title: String,
    adapter: Model,
    baseline: Model,
}

#[derive(Debug, Deserialize)]
struct Model {
    /// Of its file.
    bytes: u64,
    /// Per cent.
    score: f64,
}

impl Comparison {
    /// Reads `models/results.json`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Malformed`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        let size = metadata(path).map_err(Error::io(path))?.len();
        if size > MAX_BYTES {
            return Err(Error::malformed(path.display(), FORMAT, format!("longer than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        serde_json::from_str(&text).map_err(|reason| Error::malformed(path.display(), FORMAT, reason))
    }

    fn adapters(&self) -> u64 {
        self.tasks.iter().map(|task| task.adapter.bytes).fold(0, u64::saturating_add)
    }

    /// Bytes and score of each model of its own, once: two adapters of a task have the same one beside them.
    fn models(&self) -> BTreeSet<(u64, u64)> {
        self.tasks.iter().map(|task| (task.baseline.bytes, task.baseline.score.to_bits())).collect()
    }
}

/// Disk and memory of both ways.
///
/// # Errors
/// The console's.
pub(super) fn show(engine: &Engine, comparison: &Comparison, guide: &mut Guide<'_>) -> anyhow::Result<()> {
    let (count, own) = (comparison.tasks.len(), comparison.models());
    guide.chapter(format_args!("Storage and memory: one base and {count} adapters, or {} models", own.len()))?;
    for task in &comparison.tasks {
        guide.say(format_args!(
            "  {:<34} adapter {:>9} {:>5.1} %   own model {:>9} {:>5.1} %",
            task.title,
            DecimalBytes(task.adapter.bytes).to_string(),
            task.adapter.score,
            DecimalBytes(task.baseline.bytes).to_string(),
            task.baseline.score,
        ))?;
    }
    let components = engine.foundation().components();
    let base = components.iter().map(|component| component.weight_bytes()).sum::<loam::Result<u64>>()?;
    let adapters = comparison.adapters();
    let models = own.iter().map(|(bytes, _)| *bytes).fold(0, u64::saturating_add);
    let loaded: u64 = engine.loaded().iter().map(|component| component.bytes).sum();
    guide.record(&json!({ "base": base, "adapters": adapters, "models": models, "loaded": loaded, "tasks": count }))?;
    guide.say(format_args!(
        "On disk: {} of base, once for all apps, and {} of adapters; the models of their own {}.",
        DecimalBytes(base),
        DecimalBytes(adapters),
        DecimalBytes(models),
    ))?;
    guide.say(format_args!(
        "In memory after all of the above: {} of weights, mapped and shared by all apps; each adapter adds its own size.",
        DecimalBytes(loaded),
    ))
}
