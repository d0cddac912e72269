//! `loam bench score`: answers of any other program, by the loaders and the metrics that score the foundation's.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use loam_bench::Prediction;
use loam_bench::registry::{self, DatasetId};
use serde::{Deserialize, Serialize};

use super::plan::{Extent, Plan, Source, Way};
use super::rows::Rows;
use super::run::{SETS, named, stand_in};
use super::unit::shown;
use crate::console::{Console, Format};
use crate::error::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  loam bench score --task T10 --stand-in nlp/jfleg --answers corrected.jsonl
  loam bench score --task T14 --data coco --answers boxes.jsonl --json

A line of the answers is one row's: {\"id\": \"7\", \"prediction\": {\"text\": \"...\"}}, with the row's id and what run files of \
`loam bench run` call a prediction: text, label (its place), number, boxes, poses, classes, opacity, likeness, nats.";

const FORMAT: &str = "answers";
/// A mask or the likenesses of some thousand entries, as numbers of JSON.
const MAX_LINE: u64 = 1 << 28;

/// `loam bench score` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ScoreArgs {
    /// A data set of the benchmark, T1 to T50
    #[arg(long, value_name = "ID")]
    task: DatasetId,
    /// A set that stands in, as `loam bench list` names it
    #[arg(long, value_name = "NAME", required_unless_present = "data")]
    stand_in: Option<String>,
    /// Folder of the official files; with --stand-in the folder of the sets that stand in [default: ../shared/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of what lies in --data, where it has the form of the official files and is something else
    #[arg(long, value_name = "NAME", requires = "data", conflicts_with = "stand_in", value_parser = named)]
    named: Option<String>,
    /// The answers, a line of JSON for each row
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
}

impl ScoreArgs {
    fn source(&self) -> Result<Source> {
        let entry = registry::entry(self.task);
        Ok(match (&self.stand_in, &self.data, &self.named) {
            (Some(name), folder, _) => {
                Source::StandIn(*stand_in(entry, name)?, folder.clone().unwrap_or_else(|| SETS.into()))
            }
            (None, folder, Some(name)) => Source::Alike(folder.clone().unwrap_or_default(), name.clone()),
            (None, folder, None) => Source::Official(folder.clone().unwrap_or_default()),
        })
    }
}

/// A line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    prediction: Prediction,
}

/// What the answers come to.
#[derive(Debug, Serialize)]
struct Scored {
    id: String,
    set: String,
    metric: &'static str,
    score: f64,
    rows: usize,
}

/// Scores all rows of the set.
///
/// # Errors
/// [`Error::Malformed`] naming the line of what is no answer, and the row that has none; those of the set's files and of the
/// metric.
pub fn run(args: &ScoreArgs, console: &Console) -> Result<()> {
    let entry = registry::entry(args.task);
    let plan = Plan::new(entry, args.source()?, Some(Way::ZeroShot), Extent::Limit(usize::MAX), 0);
    let rows = Rows::open(&plan)?;
    let mut answers = read(&args.answers)?;
    let missing = |id: &str| Error::malformed(args.answers.display(), FORMAT, format!("row '{id}' has no answer"));
    let mut next = |id: &str| answers.get_mut(id).and_then(VecDeque::pop_front).ok_or_else(|| missing(id));
    let found = rows.examples.iter().map(|row| next(&row.id)).collect::<Result<Vec<Prediction>>>()?;
    if let Some(id) = answers.iter().filter(|(_, left)| !left.is_empty()).map(|(id, _)| id).min() {
        let reason = format!("the set has no row '{id}', or fewer of that id");
        return Err(Error::malformed(args.answers.display(), FORMAT, reason));
    }
    in_range(&rows, &found, &args.answers)?;
    let metric = plan.metric();
    let score = loam_bench::score(metric, rows.labels.len(), &rows.examples, &found)?;
    if console.format() == Format::Json {
        let (id, set, rows) = (entry.id.to_string(), plan.set(), found.len());
        return console.json(&Scored { id, set, metric: metric.name(), score, rows });
    }
    let (id, set, name) = (entry.id, plan.set(), metric.name());
    console.line(format!("{id:<4} {set:<28} {name} {} · {} rows", shown(metric, score), found.len()))
}

/// Succeeds where all classes are some of the set's: places are counted from 0, and those of a file that counts from 1 would look
/// like a poor model.
fn in_range(rows: &Rows, found: &[Prediction], path: &Path) -> Result<()> {
    let classes = rows.labels.len();
    for (row, one) in rows.examples.iter().zip(found) {
        let most = match one {
            Prediction::Label(label) => Some(*label),
            Prediction::LabelSet(labels) => labels.iter().copied().max(),
            _ => None,
        };
        if let Some(label) = most.filter(|label| *label >= classes) {
            let reason = format!("row '{}' has class {label}; the set has {classes}, counted from 0", row.id);
            return Err(Error::malformed(path.display(), FORMAT, reason));
        }
    }
    Ok(())
}

/// Predictions by the ids of their rows; of several rows of one id, as CoNaLa has them, in their order.
fn read(path: &Path) -> Result<HashMap<String, VecDeque<Prediction>>> {
    let mut lines = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let mut found: HashMap<String, VecDeque<Prediction>> = HashMap::new();
    for number in 1usize.. {
        let wrong = |reason: String| Error::malformed(format!("{}, line {number}", path.display()), FORMAT, reason);
        let mut line = Vec::new();
        let length = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(Error::io(path))?;
        if length == 0 {
            break;
        }
        if length as u64 == MAX_LINE {
            return Err(wrong(format!("longer than {MAX_LINE} bytes")));
        }
        let Line { id, prediction } =
            serde_json::from_slice(line.trim_ascii_end()).map_err(|reason| wrong(reason.to_string()))?;
        found.entry(id).or_default().push_back(prediction);
    }
    Ok(found)
}
