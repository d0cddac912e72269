//! `loam bench`: eAIBench through the engine. The registry, the loaders and the metrics are `loam_bench`'s.

mod baseline;
mod chance;
mod compare;
mod few;
mod film;
mod journal;
mod list;
mod machine;
mod media;
mod peers;
mod plan;
mod probe;
mod recipe;
mod report;
mod rows;
mod run;
mod score;
mod settings;
mod small;
mod solver;
mod summary;
mod unit;

use clap::{Args, Subcommand};

use crate::console::Console;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam bench list
  loam bench run --all --out runs
  loam bench score --task T10 --stand-in nlp/jfleg --answers corrected.jsonl
  loam bench compare --runs runs
  loam bench report --runs runs --markdown docs/eaibench-results.md";

/// `loam bench` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchCommand {
    #[command(subcommand)]
    action: BenchAction,
}

#[derive(Debug, Clone, Subcommand)]
enum BenchAction {
    /// List all data sets, and what measures each
    List(list::ListArgs),
    /// Measure data sets
    Run(Box<run::RunArgs>),
    /// Score answers of another program
    Score(score::ScoreArgs),
    /// Compare what was measured with models of one task each
    Compare(compare::CompareArgs),
    /// Write what was measured as one page, and as Markdown
    Report(Box<report::ReportArgs>),
}

/// Does what was typed.
///
/// # Errors
/// Those of the action.
pub fn run(command: &BenchCommand, home: &Home, console: &Console) -> anyhow::Result<()> {
    match &command.action {
        BenchAction::List(args) => Ok(list::run(args, console)?),
        BenchAction::Run(args) => run::run(args, home, console),
        BenchAction::Score(args) => Ok(score::run(args, console)?),
        BenchAction::Compare(args) => Ok(compare::run(args, console)?),
        BenchAction::Report(args) => report::run(args, home, console),
    }
}
