//! `loam bench`: eAIBench through the engine. The registry, the loaders and the metrics are `loam_bench`'s.

mod chance;
mod few;
mod journal;
mod list;
mod machine;
mod media;
mod plan;
mod probe;
mod recipe;
mod rows;
mod run;
mod settings;
mod solver;
mod summary;
mod unit;

use clap::{Args, Subcommand};

use crate::console::Console;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam bench list
  loam bench run --all --out runs";

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
}

/// Does what was typed.
///
/// # Errors
/// Those of the action.
pub fn run(command: &BenchCommand, home: &Home, console: &Console) -> anyhow::Result<()> {
    match &command.action {
        BenchAction::List(args) => Ok(list::run(args, console)?),
        BenchAction::Run(args) => run::run(args, home, console),
    }
}
