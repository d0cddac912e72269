//! `loam bench compare`: measured sets beside models of one task each.

use std::path::{Path, PathBuf};

use clap::Args;
use loam_bench::metric::{Direction, Metric};
use serde::Serialize;

use super::baseline::{Baseline, baseline, tolerance};
use super::peers::{Beside, Foreign, Peers, Timed};
use super::plan::Way;
use super::summary::{Measured, Summary};
use super::unit::{metric, shown_as};
use crate::console::{Console, Format};
use crate::error::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  loam bench compare                  what `loam bench run` left in ./runs
  loam bench compare --runs there --json

On a par: at most 1 point below the other model in accuracy, F1 and MCC; at most 2 % worse in all other metrics. Fewer than \
200 rows of a larger set say nothing, and fewer than 20 rows of any.";

/// `loam bench compare` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// Folder of scores
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
}

/// Rows below which a part of a set says nothing about parity: their standard error is several points.
const MIN_ROWS: usize = 200;
/// Rows below which a whole set says nothing either.
const FEWEST_ROWS: usize = 20;

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As good, but for the tolerance.
    OnPar,
    /// Worse.
    Below,
    /// Nothing: a few rows of many were measured.
    TooFewRows,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::OnPar => "on a par",
            Self::Below => "below",
            Self::TooFewRows => "too few rows to say",
        }
    }
}

/// A measured set beside a model of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pairing {
    /// `T1` to `T50`.
    pub id: String,
    /// The set.
    pub set: String,
    /// How rows were answered.
    pub way: String,
    /// What both are scored by.
    pub metric: String,
    /// Of the foundation.
    pub score: f64,
    /// Of the model of its own.
    pub other: f64,
    /// That model.
    pub model: String,
    /// Rows that were measured, and rows that there are: the other model was scored on all of them.
    pub rows: [usize; 2],
    /// What that says.
    pub verdict: Verdict,
    /// How much worse would still be on a par.
    pub tolerance: String,
    /// Median milliseconds of a row.
    pub ms: f64,
    /// What the other model takes in a process of its own, where that was measured.
    pub timed: Option<Timed>,
}

impl Pairing {
    /// None where there is no model to compare with, or none that was scored by the same metric.
    #[must_use]
    pub fn new(run: &Measured, peers: &Peers) -> Option<Self> {
        let other = baseline(&run.settings.id, &run.settings.set)?;
        let score = score_by(run, &other)?;
        let tolerance = tolerance(&other.metric);
        let direction = metric(&other.metric).map_or(Direction::Up, Metric::direction);
        Some(Self {
            id: run.settings.id.clone(),
            set: run.settings.set.clone(),
            way: run.settings.way.to_string(),
            metric: other.metric,
            score,
            other: other.score,
            model: other.model,
            rows: [run.settings.rows, run.settings.of],
            verdict: match tolerance.holds(score, other.score, direction) {
                _ if run.settings.rows < run.settings.of.clamp(FEWEST_ROWS, MIN_ROWS) => Verdict::TooFewRows,
                true => Verdict::OnPar,
                false => Verdict::Below,
            },
            tolerance: tolerance.describe(),
            ms: run.latency_ms.median,
            timed: peers.of(&run.settings.id, &run.settings.set).cloned(),
        })
    }
}

fn score_by(run: &Measured, other: &Baseline) -> Option<f64> {
    if run.settings.metric == other.metric {
        return Some(run.score);
    }
    run.also.get(&other.metric).copied()
}

/// How many are on a par, of how many, with adapters and without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// On a par.
    pub on_par: usize,
    /// Compared.
    pub compared: usize,
}

impl Rate {
    fn add(&mut self, pairing: &Pairing) {
        self.compared += usize::from(pairing.verdict != Verdict::TooFewRows);
        self.on_par += usize::from(pairing.verdict == Verdict::OnPar);
    }

    /// As a text, in short.
    #[must_use]
    pub fn count(self) -> String {
        match self.compared {
            0 => "none".to_owned(),
            compared => format!("{} of {compared}", self.on_par),
        }
    }

    /// As a text.
    #[must_use]
    pub fn describe(self) -> String {
        if self.compared == 0 {
            return "none compared".to_owned();
        }
        let share = 100.0 * self.on_par as f64 / self.compared as f64;
        format!("{} of {} ({share:.0} %)", self.on_par, self.compared)
    }
}

/// All that can be compared, and the rates by how rows were answered. A set that stands in for two ids counts once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// In the order of ids.
    pub pairings: Vec<Pairing>,
    /// By adapters.
    pub adapters: Rate,
    /// By a few rows of each class: of the runs with the most.
    pub few_shot: Rate,
    /// By the foundation alone.
    pub zero_shot: Rate,
    /// Models that others made and published.
    pub foreign: Vec<Beside>,
}

impl Comparison {
    /// Of summaries.
    #[must_use]
    pub fn new(summaries: &[Summary], peers: &Peers) -> Self {
        let mut all = Self { foreign: peers.beside(summaries), ..Self::default() };
        let most = summaries.iter().filter_map(shots).max();
        for summary in summaries {
            let Summary::Measured(run) = summary else { continue };
            let Some(pairing) = Pairing::new(run, peers) else { continue };
            let known = |one: &Pairing| (&one.set, &one.way, one.other) == (&pairing.set, &pairing.way, pairing.other);
            if all.pairings.iter().any(known) {
                continue;
            }
            match run.settings.way {
                Way::Adapter(_) => all.adapters.add(&pairing),
                Way::FewShot(_) if shots(summary) == most => all.few_shot.add(&pairing),
                Way::FewShot(_) => {}
                Way::ZeroShot => all.zero_shot.add(&pairing),
            }
            all.pairings.push(pairing);
        }
        all
    }
}

/// Rows of each class that a run learned from.
fn shots(summary: &Summary) -> Option<usize> {
    match summary {
        Summary::Measured(run) => match run.settings.way {
            Way::FewShot(shots) => Some(shots),
            Way::Adapter(_) | Way::ZeroShot => None,
        },
        Summary::NotMeasured { .. } => None,
    }
}

/// The summaries of a folder, at least one.
///
/// # Errors
/// [`Error::Argument`] for a folder without any; as [`Summary::all`].
pub fn summaries(folder: &Path) -> Result<Vec<Summary>> {
    let found = Summary::all(folder)?;
    if found.is_empty() {
        let reason = format!("{} holds no scores; `loam bench run --all --out {0}` makes some", folder.display());
        return Err(Error::Argument { name: "--runs", reason });
    }
    Ok(found)
}

/// Writes the comparison.
///
/// # Errors
/// As [`summaries`] and [`Peers::read`]; the console's.
pub fn run(args: &CompareArgs, console: &Console) -> Result<()> {
    let found = Comparison::new(&summaries(&args.runs)?, &Peers::read(&args.runs)?);
    if console.format() == Format::Json {
        return console.json(&found);
    }
    for one in &found.pairings {
        let word = one.verdict.describe();
        let [rows, of] = one.rows;
        let (id, set, way, metric, model) = (&one.id, &one.set, &one.way, &one.metric, &one.model);
        let (score, other) = (shown_as(metric, one.score), shown_as(metric, one.other));
        let rows = if rows < of { format!(" · {rows} of {of} rows") } else { String::new() };
        let times = one.timed.as_ref().map(|timed| format!(" · {:.1} ms · {:.1} ms", one.ms, timed.median_ms));
        let times = times.unwrap_or_default();
        console.line(format!("{id:<4} {set:<28} {metric} {score} · {other} {model} · {word} · {way}{rows}{times}"))?;
    }
    for one in &found.foreign {
        let Foreign { task, set, name, timed, score, .. } = &one.foreign;
        let share = |score: Option<f64>| score.map_or_else(|| "-".to_owned(), |score| shown_as("accuracy", score));
        let (own, score, way) = (share(one.own_score), share(*score), one.way.as_deref().unwrap_or("not run"));
        let own_ms = one.own_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        console.line(format!(
            "{task:<4} {set:<28} {own} · {score} {name} · {way} · {own_ms} · {:.1} ms",
            timed.median_ms
        ))?;
    }
    let rates = [("adapters", found.adapters), ("few-shot", found.few_shot), ("zero-shot", found.zero_shot)];
    for (name, rate) in rates.into_iter().filter(|(_, rate)| rate.compared > 0) {
        console.line(format!("{name}: on a par on {}", rate.describe()))?;
    }
    Ok(())
}
