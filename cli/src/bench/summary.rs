//! What a run comes to.

use std::collections::BTreeMap;
use std::path::Path;

use loam::engine::ProcessMemory;
use loam_bench::loader::{Example, Target};
use loam_bench::metric::{self, Metric};
use loam_bench::registry::DatasetId;
use loam_bench::{Prediction, score};
use serde::{Deserialize, Serialize};

use super::journal::Outcome;
use super::settings::{SCHEMA, Settings};
use super::{small, unit};
use crate::error::{Error, Result};
use crate::install::replace_file;

const FORMAT: &str = "summary of a run";
/// No metric comes to more: perplexities of what a model has never seen are the greatest.
const MOST_SCORE: f64 = 1e9;
/// Of a set; sums of a few hundred fit 64 bits.
const MOST_ROWS: usize = 1 << 40;
/// The class of CLINC150 that is none of the others.
const OUT_OF_SCOPE: &str = "oos";
/// Name of the score of rows that are of some class.
pub const IN_SCOPE: &str = "in-scope accuracy";

/// A run, measured or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Summary {
    /// All rows were answered and scored.
    Measured(Box<Measured>),
    /// There is nothing to answer with.
    NotMeasured {
        /// `T1` to `T50`.
        id: String,
        /// The set.
        set: String,
        /// How it would have been answered.
        way: String,
        /// What is lacking.
        reason: String,
    },
}

/// A run that was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// All that it depends on.
    #[serde(flatten)]
    pub settings: Settings,
    /// By the metric of the registry, in its own unit.
    pub score: f64,
    /// By other metrics, for what is compared with.
    pub also: BTreeMap<String, f64>,
    /// What decided: `adapter_head`, `labels`, `answers`, `generated`, and so on.
    pub scored_by: String,
    /// Of a row, in milliseconds, without reading and decoding it.
    pub latency_ms: Latency,
    /// The most memory that the process had held when the run ended; absent where the system does not tell.
    pub peak_bytes: Option<u64>,
}

/// Of single rows, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the rows took no longer.
    pub median: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
}

impl Latency {
    fn new(outcomes: &[Outcome]) -> Self {
        let mut times: Vec<f64> = outcomes.iter().map(|outcome| outcome.ms).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
        Self { median: at(0.5), p95: at(0.95) }
    }
}

impl Measured {
    /// Scores all rows.
    ///
    /// # Errors
    /// [`Error::Bench`] for predictions that the metric does not take.
    pub fn new(
        settings: Settings,
        metric: Metric,
        labels: &[String],
        examples: &[Example],
        outcomes: &[Outcome],
        scored_by: String,
    ) -> Result<Self> {
        let predictions: Vec<Prediction> = outcomes.iter().map(|outcome| outcome.prediction.clone()).collect();
        Ok(Self {
            score: score(metric, labels.len(), examples, &predictions)?,
            also: also(metric, labels, examples, &predictions)?,
            scored_by,
            latency_ms: Latency::new(outcomes),
            peak_bytes: ProcessMemory::now().map(|memory| memory.peak),
            settings,
        })
    }
}

impl Measured {
    /// Succeeds for what a run can come to.
    fn check(&self) -> std::result::Result<(), String> {
        let settings = &self.settings;
        if settings.schema != SCHEMA {
            return Err(format!("schema {}, expected {SCHEMA}", settings.schema));
        }
        let id: DatasetId = settings.id.parse().map_err(|_| format!("'{}' is no id of the benchmark", settings.id))?;
        unit::metric(&settings.metric).ok_or_else(|| format!("{id}: no metric is called '{}'", settings.metric))?;
        if !(1..=MOST_ROWS).contains(&settings.rows) || !(settings.rows..=MOST_ROWS).contains(&settings.of) {
            return Err(format!("{} rows of {}", settings.rows, settings.of));
        }
        let scores = self.also.iter().map(|(name, score)| (name, *score));
        for (name, score) in scores.chain([(&settings.metric, self.score)]) {
            if !(-1.0..=MOST_SCORE).contains(&score) {
                return Err(format!("a score of {score:e} by {name}"));
            }
        }
        small::times(self.latency_ms.median, self.latency_ms.p95)?;
        let adapter = settings.adapter.as_ref().map_or(0, |adapter| adapter.bytes);
        [settings.foundation.bytes, adapter, self.peak_bytes.unwrap_or(0)].into_iter().try_for_each(small::bytes)
    }

    /// Keeps what only the process that answered the rows knew, from the summary that it left.
    pub fn keep_from(&mut self, path: &Path) {
        if let Ok(Summary::Measured(before)) = Summary::read(path) {
            (self.scored_by, self.peak_bytes) = (before.scored_by, before.peak_bytes);
        }
    }
}

/// Other scores of the same rows.
fn also(
    main: Metric,
    labels: &[String],
    examples: &[Example],
    predictions: &[Prediction],
) -> Result<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    let classes: Vec<(usize, usize)> = examples
        .iter()
        .zip(predictions)
        .filter_map(|row| match (&row.0.target, row.1) {
            (Target::Label(right), Prediction::Label(found)) => Some((*found, *right)),
            _ => None,
        })
        .collect();
    if classes.len() != examples.len() {
        return Ok(found);
    }
    for metric in [Metric::Accuracy, Metric::MacroF1].into_iter().filter(|metric| *metric != main) {
        found.insert(metric.name().to_owned(), score(metric, labels.len(), examples, predictions)?);
    }
    if let Some(none) = labels.iter().position(|label| label == OUT_OF_SCOPE) {
        let inside = classes.iter().filter(|(_, right)| *right != none).copied();
        let (found_inside, right): (Vec<usize>, Vec<usize>) = inside.unzip();
        if !right.is_empty() {
            found.insert(IN_SCOPE.to_owned(), metric::accuracy(&found_inside, &right)?);
        }
    }
    Ok(found)
}

impl Summary {
    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|reason| Error::malformed(path.display(), FORMAT, reason))?;
        text.push('\n');
        replace_file(path, text.as_bytes())
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] for what is no summary.
    pub fn read(path: &Path) -> Result<Self> {
        let found: Self = small::read(path, FORMAT)?;
        if let Self::Measured(run) = &found {
            run.check().map_err(|reason| Error::malformed(path.display(), FORMAT, reason))?;
        }
        Ok(found)
    }

    /// All that lie in a folder, in the order of ids, sets and ways.
    ///
    /// # Errors
    /// As [`Summary::read`]; [`Error::Io`].
    pub fn all(folder: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let path = entry.map_err(Error::io(folder))?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                found.push(Self::read(&path)?);
            }
        }
        found.sort_by_key(Self::key);
        Ok(found)
    }

    fn key(&self) -> (u32, String, String) {
        let (id, set, way) = match self {
            Self::Measured(run) => (&run.settings.id, &run.settings.set, run.settings.way.to_string()),
            Self::NotMeasured { id, set, way, .. } => (id, set, way.clone()),
        };
        (id.trim_start_matches('T').parse().unwrap_or(u32::MAX), set.clone(), way)
    }
}
