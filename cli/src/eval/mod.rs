//! Scoring: a data folder's rows through the engine, with an adapter and without one.

mod ask;
mod metric;
mod predictions;
mod report;
mod subject;

pub use ask::{heard, written};
pub use predictions::Predictions;
pub use report::{AdapterReport, DataReport, Report, Run, Scores};
pub use subject::{Prediction, Subject, ZeroShot, name_of};

use std::time::Instant;

use log::LevelFilter;

use crate::data::{DataSplit, DataTask, Example};
use crate::progress::Progress;
use metric::{LabelScores, Latency, SpeechScores, TextScores};

/// Runs all rows of `data` through `subject`, one after another, and scores what comes out. The first row runs once before:
/// what is loaded on first use does not count as its time.
///
/// # Errors
/// The engine's and those of reading files, each with the row that it is about.
pub fn score(
    subject: &Subject<'_>,
    data: &DataSplit,
    predictions: &mut Predictions,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let about = |example: &Example, reason: anyhow::Error| about(data, example, reason);
    let begun = Instant::now();
    let first = data.examples.first().expect("invariant: a split has rows");
    subject.prepare(first).and_then(|ready| subject.run(&ready)).map_err(|reason| about(first, reason))?;
    let _quiet = Quiet::begin();
    let mut found = Vec::with_capacity(data.examples.len());
    let mut times = Vec::with_capacity(data.examples.len());
    for example in &data.examples {
        let ready = subject.prepare(example).map_err(|reason| about(example, reason))?;
        let start = Instant::now();
        let prediction = subject.run(&ready).map_err(|reason| about(example, reason))?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        predictions.write(subject.name(), example, &prediction, ms)?;
        times.push(ms);
        found.push(prediction);
        progress.advance(1);
    }
    let scored_by = found.first().map_or("", |prediction| prediction.scored_by).to_owned();
    let scores = match data.task {
        DataTask::Classify => of_labels(data, &found),
        DataTask::Transcribe => Scores::Speech(SpeechScores::new(pairs(data, &found))),
        DataTask::Generate | DataTask::Answer => Scores::Texts(TextScores::new(pairs(data, &found))),
    };
    Ok(Run {
        scored_by,
        examples: found.len(),
        scores,
        latency_ms: Latency::new(times),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Keeps warnings back while it lives, unless more than warnings is wanted: the first row has shown those that each row gives.
pub struct Quiet(LevelFilter);

impl Quiet {
    /// Until it is dropped.
    #[must_use]
    pub fn begin() -> Self {
        let level = log::max_level();
        if level == LevelFilter::Warn {
            log::set_max_level(LevelFilter::Error);
        }
        Self(level)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        log::set_max_level(self.0);
    }
}

fn pairs<'a>(data: &'a DataSplit, found: &'a [Prediction]) -> impl Iterator<Item = (&'a str, &'a [String])> {
    found.iter().zip(&data.examples).map(|(prediction, example)| (prediction.text.as_str(), example.texts()))
}

/// The classes of the data, then what else was said, each with its row and its column.
fn of_labels(data: &DataSplit, found: &[Prediction]) -> Scores {
    let mut labels = data.labels.clone();
    let mut others: Vec<String> =
        found.iter().map(|prediction| &prediction.text).filter(|text| !labels.contains(text)).cloned().collect();
    others.sort();
    others.dedup();
    labels.append(&mut others);
    let place = |label: &str| labels.iter().position(|known| known == label).expect("invariant: all are listed");
    let mut confusion = vec![vec![0; labels.len()]; labels.len()];
    for (prediction, example) in found.iter().zip(&data.examples) {
        let right = example.label().expect("invariant: rows of classes have one");
        confusion[place(right)][place(&prediction.text)] += 1;
    }
    let (scores, per_label) = LabelScores::new(&labels, &confusion);
    Scores::Labels { scores, per_label, confusion }
}

/// The reason with the row that it is about; the exit code stays.
fn about(data: &DataSplit, example: &Example, reason: anyhow::Error) -> anyhow::Error {
    let file = example.file_name().map_or_else(String::new, |name| format!(" ({name})"));
    let message = format!("{}: {}{file}: {reason}", data.path.display(), example.place);
    reason.context(message)
}
