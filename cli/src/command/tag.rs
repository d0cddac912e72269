//! `loam tag`: the named parts of sentences.

use clap::Args;
use loam::task::Tagging;

use super::input::message_or_stdin;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// `loam tag` as typed.
#[derive(Debug, Clone, Args)]
pub struct TagArgs {
    /// Texts; the lines of standard input when absent
    texts: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes a line per part of a text, or with `--json` an object per text.
///
/// # Errors
/// The engine's and the console's; [`Error::Argument`] without an adapter.
pub fn run(args: &TagArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let texts: Vec<String> = if args.texts.is_empty() {
        message_or_stdin(None)?.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    } else {
        args.texts.clone()
    };
    let engine = args.model.open(home)?;
    let Some(adapter) = args.adapter.install(&engine, home)? else {
        let reason = "none given; one with a head of tags says which parts there are".to_owned();
        return Err(Error::Argument { name: "--adapter", reason }.into());
    };
    for text in &texts {
        let result = engine.tag(text, &adapter)?;
        if console.format() == Format::Json {
            console.json(&result)?;
            continue;
        }
        if result.read < text.len() {
            console.note(format!("[read are {} of {} bytes]", result.read, text.len()));
        }
        for line in table(&result) {
            console.line(line)?;
        }
    }
    Ok(())
}

/// What the sentence is, then a line per part.
fn table(result: &Tagging) -> Vec<String> {
    let longest = result.spans.iter().map(|span| span.label.chars().count()).max().unwrap_or(0);
    let whole = result.labels.first();
    let whole = whole.map(|first| format!("{}  {:.1} %", first.label, first.probability * 100.0));
    let part =
        |span: &loam::task::Span| format!("  {:<longest$}  {:5.1} %  {}", span.label, span.score * 100.0, span.text);
    whole.into_iter().chain(result.spans.iter().map(part)).collect()
}
