//! `loam eval`: scores of an adapter, and of the bare foundation, on a data folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use loam::Engine;
use loam::adapter::{Adapter, DataPath};

use super::model::{ModelArgs, install_adapter};
use crate::console::{Console, Format};
use crate::data::{DataSplit, SPLITS};
use crate::error::Error;
use crate::eval::{AdapterReport, DataReport, Predictions, Report, Run, Subject, ZeroShot, score};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam eval topic --data commands                 an adapter, and the foundation without it
  loam eval none --data photos --limit 200        label names alone
  loam eval mine.loam --data rows.csv --json      a single file: its rows of 'test'
  loam eval birds --data birds --predictions out.jsonl --only with

What a data folder holds, and what each score means: docs/data-folders.md.";

/// What stands for no adapter.
const NONE: &str = "none";

/// `loam eval` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct EvalArgs {
    /// Installed adapter, package file or PEFT directory; 'none' for the bare foundation
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// Data folder, or a .csv or .jsonl file
    #[arg(short, long, value_name = "DIR|FILE")]
    data: PathBuf,
    /// Rows to score
    #[arg(long, value_name = "SPLIT", default_value = "test", value_parser = SPLITS)]
    split: String,
    /// Rows at most, spread evenly over the split
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Score one way alone instead of both
    #[arg(long, value_enum, value_name = "WAY")]
    only: Option<Way>,
    /// What knows classes without an adapter; the backbone's answers by default where the adapter is one of the backbone
    #[arg(long, value_enum, value_name = "WHO")]
    zero_shot: Option<ZeroShot>,
    /// Tokens to generate at most, where texts are written
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Write what came out for each row, one JSON object a line
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

/// With the adapter or without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    With,
    Without,
}

/// Writes the scores.
///
/// # Errors
/// Those of the folder and of the engine, which name the row; the console's.
pub fn run(args: &EvalArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let bare = args.adapter.as_os_str() == NONE && !args.adapter.exists();
    if bare && args.only == Some(Way::With) {
        return Err(Error::Argument { name: "--only", reason: "there is no adapter to score with".into() }.into());
    }
    let mut data = DataSplit::open(&args.data, &args.split)?;
    let rows = data.examples.len();
    if let Some(limit) = args.limit {
        data.thin(limit as usize);
    }
    let engine = args.model.open(home)?;
    let adapter = if bare { None } else { Some(install_adapter(&args.adapter, &engine, home)?) };
    let mut predictions = Predictions::create(args.predictions.as_deref())?;
    let mut report = Report::new(data.task, DataReport::new(&data, &args.split, rows), identity(&engine));
    let evaluation = Evaluation { args, engine: &engine, data: &data, adapter, console };
    if let Some(adapter) = &evaluation.adapter {
        let parameters = engine.adaptable_parameters(&adapter.package.task().component)?;
        let scores = match args.only {
            Some(Way::Without) => None,
            _ => Some(evaluation.run(Some(adapter), &mut predictions)?),
        };
        report.with(AdapterReport::new(adapter, parameters), scores);
    }
    if args.only != Some(Way::With) {
        report.without(evaluation.run(None, &mut predictions)?);
    }
    predictions.finish()?;
    if console.format() == Format::Json {
        console.json(&report)?;
    } else {
        report.lines().into_iter().try_for_each(|line| console.line(line))?;
    }
    Ok(())
}

/// What both ways share.
struct Evaluation<'a> {
    args: &'a EvalArgs,
    engine: &'a Engine,
    data: &'a DataSplit,
    adapter: Option<Arc<Adapter>>,
    console: &'a Console,
}

impl Evaluation<'_> {
    fn run(&self, adapter: Option<&Arc<Adapter>>, predictions: &mut Predictions) -> anyhow::Result<Run> {
        let task = self.adapter.as_ref().map(|adapter| adapter.package.task());
        // Both ways are told the same, so that the adapter is what makes the difference.
        let own = task.and_then(|task| task.instructions.clone());
        let instructions = own.or_else(|| self.data.description.instructions.clone());
        let by_backbone = task.is_some_and(|task| task.path == DataPath::Backbone);
        let default = if by_backbone { ZeroShot::Answers } else { ZeroShot::Labels };
        let zero_shot = self.args.zero_shot.unwrap_or(default);
        let max_tokens = self.args.max_tokens as usize;
        let subject = Subject::new(self.engine, self.data, adapter.cloned(), zero_shot, instructions, max_tokens)?;
        let progress = self.console.count(subject.name(), self.data.examples.len() as u64);
        let run = score(&subject, self.data, predictions, &progress)?;
        progress.done();
        Ok(run)
    }
}

/// Name and version of the foundation that is open; a bare model has no version.
fn identity(engine: &Engine) -> BTreeMap<&'static str, String> {
    let foundation = engine.foundation();
    let version = foundation.version().map(|version| ("version", version.to_owned()));
    [("id", foundation.id().to_owned())].into_iter().chain(version).collect()
}
