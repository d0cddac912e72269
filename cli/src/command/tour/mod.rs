//! `loam tour`: the engine on real input, step by step; what `make demo` ends with.

mod guide;
mod rows;
mod storage;
mod talk;

use std::path::{Path, PathBuf};

use clap::Args;

use super::inspect::{measure, memory_lines};
use super::model::ModelArgs;
use crate::console::Console;
use crate::home::Home;
use guide::Guide;
use serde_json::json;

const EXAMPLES: &str = "\
Example:
  loam tour --adapters models/adapters --files models/demo";

/// `loam tour` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TourArgs {
    /// Directory with the adapters that are shown
    #[arg(long, value_name = "DIR", default_value = "models/adapters")]
    adapters: PathBuf,
    /// Directory with the data folders that they are shown on
    #[arg(long, value_name = "DIR", default_value = "models/demo")]
    files: PathBuf,
    /// What task-specific models take, as `loam_train results` writes it
    #[arg(long, value_name = "FILE", default_value = "models/results.json")]
    results: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
}

/// Shows everything in turn; in JSON form, one object per line for each result.
///
/// # Errors
/// The engine's and the console's; those of reading the adapters and files.
pub fn run(args: &TourArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let path = args.model.path(home)?;
    // Known before the tour starts, not in its middle.
    let rooms = rows::open(&args.adapters, &args.files)?;
    let comparison = storage::Comparison::read(&args.results)?;
    let mut guide = Guide::new(console);
    guide.chapter("Opening the foundation")?;
    let report = measure(&path)?;
    guide.say(path.display())?;
    memory_lines(&report).into_iter().try_for_each(|line| guide.say(line))?;
    guide.record(&json!({ "foundation": path, "memory": report }))?;
    let engine = args.model.open(home)?;
    talk::chat(&engine, &mut guide)?;
    rooms.iter().try_for_each(|room| rows::show(&engine, room, &mut guide))?;
    talk::adapters(&engine, &args.adapters, &mut guide)?;
    storage::show(&engine, &comparison, &mut guide)?;
    guide.end("That was the tour. Try: loam chat")
}

/// Ending of packages that training writes.
const PACKAGE: &str = "safetensors";

/// The package of that name in a directory, else the PEFT directory.
fn adapter_path(directory: &Path, name: &str) -> PathBuf {
    let package = directory.join(format!("{name}.{PACKAGE}"));
    if package.is_file() { package } else { directory.join(name) }
}
