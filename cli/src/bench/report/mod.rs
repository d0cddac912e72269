//! `loam bench report`: everything that was measured as one page, and as Markdown.

mod evidence;
mod html;
mod markdown;
mod operators;
mod storage;
mod svg;
mod words;

use std::path::PathBuf;

use clap::Args;

use self::evidence::Evidence;
use self::operators::AllOperators;
use self::storage::Storage;
use super::compare::summaries;
use super::peers::Peers;
use crate::command::model::ModelArgs;
use crate::console::Console;
use crate::error::Error;
use crate::home::Home;
use crate::install::replace_file;

const EXAMPLES: &str = "\
Examples:
  loam bench report                                       runs/report.html
  loam bench report --markdown docs/eaibench-results.md   and the same as Markdown";

/// `loam bench report` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Folder of scores
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// The page [default: report.html in the folder of scores]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The same as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

/// Writes both.
///
/// # Errors
/// As [`summaries`]; [`Error::Io`]; the engine's for a foundation whose operators cannot be counted. One that is not installed has
/// none, and the page says nothing of them.
pub fn run(args: &ReportArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let evidence = Evidence::new(&summaries(&args.runs)?, &Peers::read(&args.runs)?);
    let operators = match args.model.path(home) {
        Ok(_) => Some(AllOperators::of(&args.model.open(home)?)?),
        Err(Error::NotInstalled { .. }) => None,
        Err(reason) => return Err(reason.into()),
    };
    let storage = Storage::new(&evidence);
    let html = args.html.clone().unwrap_or_else(|| args.runs.join("report.html"));
    replace_file(&html, html::page(&evidence, &storage, operators.as_ref()).as_bytes())?;
    console.line(html.display())?;
    if let Some(path) = &args.markdown {
        replace_file(path, markdown::page(&evidence, &storage, operators.as_ref()).as_bytes())?;
        console.line(path.display())?;
    }
    Ok(())
}
