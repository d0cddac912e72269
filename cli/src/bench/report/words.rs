//! What the page and the Markdown both say.

use std::collections::BTreeSet;

use loam_bench::metric::Metric;
use loam_bench::registry;

use super::evidence::{Evidence, Standing};
use super::storage::Storage;
use crate::bench::baseline::tolerance;
use crate::bench::compare::Rate;
use crate::bench::peers::{Beside, Timed};
use crate::bench::plan::Way;
use crate::bench::summary::Measured;
use crate::bench::unit::shown;

/// Numbers about all of it.
#[derive(Clone, Debug)]
pub struct Facts {
    ids: usize,
    with_adapter: usize,
    sets: usize,
    rows: usize,
    adapters: Rate,
    few_shot: Rate,
    zero_shot: Rate,
    breaks_even: Option<usize>,
    foundation: String,
    machines: BTreeSet<String>,
    seeds: BTreeSet<u64>,
}

impl Facts {
    /// Of what was measured.
    #[must_use]
    pub fn new(evidence: &Evidence, storage: &Storage) -> Self {
        let standings: Vec<Standing> = registry::entries().map(|entry| evidence.standing(entry)).collect();
        let measured = standings.iter().filter(|standing| !matches!(standing, Standing::Nothing(_)));
        let bare = standings.iter().filter(|standing| matches!(standing, Standing::NoAdapter)).count();
        let ids = measured.count();
        let foundations: BTreeSet<String> = evidence
            .runs
            .iter()
            .map(|run| {
                let found = &run.settings.foundation;
                format!("{} {} ({})", found.id, found.version.as_deref().unwrap_or_default(), megabytes(found.bytes))
            })
            .collect();
        let machine =
            |run: &Measured| format!("{}, source {}", run.settings.machine.processor, run.settings.machine.commit);
        Self {
            ids,
            with_adapter: ids - bare,
            sets: evidence.distinct().len(),
            rows: evidence.runs.iter().map(|run| run.settings.rows).sum(),
            adapters: evidence.comparison.adapters,
            few_shot: evidence.comparison.few_shot,
            zero_shot: evidence.comparison.zero_shot,
            breaks_even: storage.breaks_even(),
            foundation: match foundations.len() {
                0 | 1 => format!("one foundation, {}", foundations.into_iter().collect::<String>()),
                several => {
                    let named = foundations.into_iter().collect::<Vec<_>>().join(", ");
                    format!("{several} foundations whose scores must not be compared, {named}")
                }
            },
            machines: evidence.runs.iter().map(machine).collect(),
            seeds: evidence.runs.iter().map(|run| run.settings.seed).collect(),
        }
    }

    /// One line about what was measured.
    #[must_use]
    pub fn about(&self) -> String {
        format!(
            "38 tasks of a phone on 50 data sets, by {}, and an adapter for each task that has one. {} rows were \
             answered on {} sets that stand in for {} of the 50.",
            self.foundation, self.rows, self.sets, self.ids
        )
    }

    /// Numbers with what they are.
    #[must_use]
    pub fn tiles(&self) -> Vec<(String, String)> {
        let mut tiles = vec![
            (
                format!("{} of 50", self.ids),
                format!("data sets measured on stand-ins, {} with an adapter", self.with_adapter),
            ),
            (self.sets.to_string(), "sets measured".to_owned()),
            (self.adapters.count(), "adapters on a par with a model made for the set".to_owned()),
        ];
        if self.few_shot.compared > 0 {
            tiles.push((self.few_shot.count(), "sets on a par by a few rows of each class".to_owned()));
        }
        let even = self.breaks_even.map_or_else(|| "none".to_owned(), |tasks| format!("{tasks} tasks"));
        tiles.push((even, "from which one foundation takes less storage".to_owned()));
        tiles
    }

    /// What on a par means, and how often it holds.
    #[must_use]
    pub fn tolerance(&self) -> String {
        let (classes, others) = (tolerance("accuracy").describe(), tolerance("WER").describe());
        let mut text = format!(
            "On a par: {classes} a model made for the set alone, in accuracy, F1 and MCC; {others} in every other metric. Such models \
             are fine-tuned text encoders, linear models of words, convolutional networks, trees, random fields, nearest neighbours and \
             small U-Nets, chosen on validation rows and scored on all test rows, where the table may say fewer for the foundation. Adapters are on a par on {}",
            self.adapters.describe()
        );
        if self.few_shot.compared > 0 {
            text.push_str(&format!(", linear heads of a few rows on {}", self.few_shot.describe()));
        }
        if self.zero_shot.compared > 0 {
            text.push_str(&format!(", the foundation alone on {}", self.zero_shot.describe()));
        }
        text.push_str(
            ". The foundation's towers of pictures, sound and motion learned from training rows of the sets that models/README.md names: \
             without an adapter they are not new to those sets. No tower and no adapter saw a test row.",
        );
        text
    }

    /// Where and by what.
    #[must_use]
    pub fn machine(&self) -> String {
        let machines: Vec<&str> = self.machines.iter().map(String::as_str).collect();
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        format!("Measured on {}; seed {}.", machines.join("; "), seeds.join(", "))
    }
}

/// How models of one task were timed.
const PROCESS: &str = "Each model of one task ran in a process of its own, a row at a time, after five rows that do not count, with one \
    thread or with as many as there are cores, whichever is quicker: networks and forests by ONNX Runtime, texts by scikit-learn as they \
    are. Networks get inputs that are ready, so that reading tokens and spectra counts for the foundation alone; of scenes what becomes \
    of a network's planes does, too. Held is the most that the process grew by, without interpreter and libraries; of forests the \
    runtime unpacks so much more than they are that it says nothing.";

/// How, where and when models of one task were timed.
#[must_use]
pub fn process(evidence: &Evidence) -> String {
    let (machine, date) = &evidence.timed;
    let elsewhere = evidence.runs.iter().any(|run| run.settings.machine.processor != *machine);
    let place = if elsewhere { "another machine than the foundation" } else { "the same machine" };
    format!("{PROCESS} They were timed on {place} ({machine}), on {date}.")
}

/// What models of others are there for.
pub const FOREIGN: &str = "Published for a task of a phone each, and run by LiteRT. They know more classes than the sets and saw none of \
    their rows: YAMNet's 521 sounds and MobileNet's 1000 objects are joined to the classes of the set, whose pictures of 32 pixels are \
    made larger; KWT's twelve words are none of the set's, so that it is timed alone. The foundation's towers learned from training \
    rows of these sets: what is compared is what each takes, more than how well it does.";

/// Name, set, shares that are right, times, sizes and operators of such a model.
#[must_use]
pub fn foreign_cells(one: &Beside) -> [String; 10] {
    let other = &one.foreign;
    let share = |score: Option<f64>| score.map_or_else(|| "-".to_owned(), |score| shown(Metric::Accuracy, score));
    let own_ms = one.own_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    [
        other.name.clone(),
        other.set.clone(),
        share(other.score),
        share(one.own_score),
        format!("{:.1}", other.timed.median_ms),
        own_ms,
        megabytes(other.bytes),
        held(&other.timed),
        other.operators.to_string(),
        other.kinds.to_string(),
    ]
}

/// What a process held for a model.
#[must_use]
pub fn held(timed: &Timed) -> String {
    timed.held_bytes.map_or_else(|| "-".to_owned(), megabytes)
}

/// From how many tasks on one foundation takes less, on disk and in memory.
#[must_use]
pub fn even(storage: &Storage) -> String {
    let disk = match storage.breaks_even() {
        Some(tasks) => {
            format!("From {tasks} tasks on the foundation with its adapters takes less than a model for each task.")
        }
        None => "One model a task takes less up to fifty tasks.".to_owned(),
    };
    let beside = "all of the process beside the weights alone of the other models, if all were held at a time";
    let memory = match (storage.memory.is_empty(), storage.memory_breaks_even()) {
        (true, _) => String::new(),
        (false, Some(tasks)) => format!(" In memory that is so from {tasks} tasks on: {beside}."),
        (false, None) => format!(" In memory it takes more up to fifty tasks: {beside}."),
    };
    let known = storage.known;
    format!(
        "{disk}{memory} M4 broke even at about 15, beside a large network for each task; half of the models here know words alone. Sizes \
         are those of {known} sets that have both, in the order of their ids; from there on their mean."
    )
}

/// Bytes as people read them.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// Rows of a run, and how many there are where it took a part.
#[must_use]
pub fn rows_of(run: &Measured) -> String {
    let (rows, of) = (run.settings.rows, run.settings.of);
    if rows < of { format!("{rows} of {of} rows") } else { format!("{rows} rows") }
}

/// How rows were answered, in short.
#[must_use]
pub fn way_of(run: &Measured) -> String {
    match (&run.settings.adapter, &run.settings.way) {
        (Some(adapter), _) => adapter.name.clone(),
        (None, Way::ZeroShot) => "no adapter".to_owned(),
        (None, other) => other.to_string(),
    }
}
