//! The result of an evaluation, as JSON and as a table. Field names are a contract: `docs/data-folders.md`.

use std::collections::BTreeMap;

use loam::adapter::{Adapter, DataPath};
use serde::Serialize;

use super::metric::{LabelReport, LabelScores, Latency, SpeechScores, TextScores};
use crate::data::{DataSplit, DataTask, Kind};

/// Version of the fields.
const SCHEMA: u32 = 1;

/// The whole result.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: u32,
    task: DataTask,
    data: DataReport,
    /// Name and version of the foundation; a bare model's has none.
    model: BTreeMap<&'static str, String>,
    adapter: Option<AdapterReport>,
    /// Scores with the adapter.
    with: Option<Run>,
    /// Scores of the bare foundation.
    without: Option<Run>,
    machine: Machine,
}

/// What was scored on.
#[derive(Debug, Serialize)]
pub struct DataReport {
    name: String,
    split: String,
    input: Kind,
    /// Rows that were scored.
    examples: usize,
    /// Rows of the split.
    of: usize,
    /// Its classes, in the order of `confusion`'s first rows and columns.
    labels: Vec<String>,
    licence: Option<String>,
    source: Option<String>,
}

impl DataReport {
    /// Of a split that had `of` rows.
    #[must_use]
    pub fn new(data: &DataSplit, split: &str, of: usize) -> Self {
        Self {
            name: data.name.clone(),
            split: split.to_owned(),
            input: data.examples.first().map_or(Kind::Text, crate::data::Example::kind),
            examples: data.examples.len(),
            of,
            labels: data.labels.clone(),
            licence: data.description.licence.clone(),
            source: data.description.source.clone(),
        }
    }
}

/// The adapter that was scored.
#[derive(Debug, Serialize)]
pub struct AdapterReport {
    name: String,
    component: String,
    path: DataPath,
    /// Of its file or of its tensors' file.
    bytes: u64,
    parameters: usize,
    /// By those of its component that adapters may act on.
    parameter_share: f64,
    /// Largest rank of its low-rank deltas.
    rank: usize,
    /// What its trainer measured.
    metrics: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
}

impl AdapterReport {
    /// Of an adapter on a component of `parameters` parameters.
    #[must_use]
    pub fn new(adapter: &Adapter, parameters: usize) -> Self {
        let task = adapter.package.task();
        let path = adapter.package.path();
        let weights = if path.is_dir() { path.join("adapter_model.safetensors") } else { path.to_path_buf() };
        Self {
            name: task.name.clone().unwrap_or_else(|| adapter.alias.clone()),
            component: task.component.clone(),
            path: task.path,
            bytes: std::fs::metadata(weights).map_or(0, |file| file.len()),
            parameters: adapter.bound.parameters,
            parameter_share: adapter.bound.parameters as f64 / parameters.max(1) as f64,
            rank: adapter.bound.rank,
            metrics: task.metrics.clone(),
            licence: task.licence.clone(),
        }
    }
}

/// One way through all rows.
#[derive(Debug, Serialize)]
pub struct Run {
    /// What decided: `adapter_head`, `labels`, `answers`, `generated`, `recogniser` or `spelled`.
    pub scored_by: String,
    /// Rows.
    pub examples: usize,
    /// What came out.
    #[serde(flatten)]
    pub scores: Scores,
    /// Of single rows, without reading and decoding their files.
    pub latency_ms: Latency,
    /// Of everything.
    pub seconds: f64,
}

/// Scores of a task.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of classes.
    Labels {
        /// Numbers.
        #[serde(rename = "metrics")]
        scores: LabelScores,
        /// Of each class.
        per_label: Vec<LabelReport>,
        /// Rows of each class by what they were taken for.
        confusion: Vec<Vec<usize>>,
    },
    /// Of texts.
    Texts(#[serde(serialize_with = "as_metrics")] TextScores),
    /// Of transcripts.
    Speech(#[serde(serialize_with = "as_metrics")] SpeechScores),
}

/// `{"metrics": ...}`.
fn as_metrics<T: Serialize, S: serde::Serializer>(scores: &T, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Metrics<'a, T> {
        metrics: &'a T,
    }
    Metrics { metrics: scores }.serialize(serializer)
}

/// Where it ran.
#[derive(Debug, Serialize)]
pub struct Machine {
    architecture: &'static str,
    kernels: &'static str,
    threads: usize,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self {
            architecture: std::env::consts::ARCH,
            kernels: loam::quant::kernels().name,
            threads: loam::pool::threads(),
        }
    }
}

impl Report {
    /// A result without scores yet.
    #[must_use]
    pub fn new(task: DataTask, data: DataReport, model: BTreeMap<&'static str, String>) -> Self {
        Self { schema: SCHEMA, task, data, model, adapter: None, with: None, without: None, machine: Machine::here() }
    }

    /// Adds the scores with an adapter.
    pub fn with(&mut self, adapter: AdapterReport, run: Option<Run>) {
        self.adapter = Some(adapter);
        self.with = run;
    }

    /// Adds the scores of the bare foundation.
    pub fn without(&mut self, run: Run) {
        self.without = Some(run);
    }

    /// A line about the data and one for each way, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let data = &self.data;
        let part = if data.of > data.examples { format!(" of {}", data.of) } else { String::new() };
        let mut lines =
            vec![format!("{}, {}: {}{part} rows of {}", data.name, data.split, data.examples, data.input.as_str())];
        for (name, run) in [("with", &self.with), ("without", &self.without)] {
            let Some(run) = run else { continue };
            let adapter = self.adapter.as_ref().filter(|_| name == "with");
            let adapter = adapter.map_or_else(String::new, |adapter| {
                let share = adapter.parameter_share * 100.0;
                format!(
                    " · {} of {} kB, {share:.2} % of {}",
                    adapter.name,
                    adapter.bytes.div_ceil(1000),
                    adapter.component
                )
            });
            let latency = format!("median {:.1} ms, p95 {:.1} ms", run.latency_ms.median, run.latency_ms.p95);
            lines.push(format!("{name:<8} {} · {latency} · by {}{adapter}", run.scores.summary(), run.scored_by));
        }
        lines
    }
}

impl Scores {
    fn summary(&self) -> String {
        match self {
            Self::Labels { scores, .. } => {
                let scope = scores.in_scope_accuracy.zip(scores.out_of_scope_recall);
                let scope = scope.map_or_else(String::new, |(inside, found)| {
                    format!(", in scope {:.1} %, out of scope found {:.1} %", inside * 100.0, found * 100.0)
                });
                let (share, error) = (scores.accuracy * 100.0, scores.accuracy_error * 100.0);
                format!("accuracy {share:.1} ± {error:.1} %, macro-F1 {:.3}{scope}", scores.macro_f1)
            }
            Self::Texts(scores) => format!(
                "exact {:.1} %, normalised {:.1} %, word F1 {:.3}, chrF {:.3}, ROUGE-L {:.3}",
                scores.exact * 100.0,
                scores.exact_normalised * 100.0,
                scores.token_f1,
                scores.chrf,
                scores.rouge_l
            ),
            Self::Speech(scores) => {
                format!(
                    "WER {:.1} %, CER {:.1} %, without error {:.1} %",
                    scores.wer * 100.0,
                    scores.cer * 100.0,
                    scores.exact * 100.0
                )
            }
        }
    }
}
