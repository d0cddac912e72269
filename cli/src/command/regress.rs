//! `loam regress`: the values of an input.

use clap::Args;
use loam::task::RegressOptions;

use super::classify::one_input;
use super::media::MediaArgs;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::home::Home;

/// `loam regress` as typed.
#[derive(Debug, Clone, Args)]
pub struct RegressArgs {
    /// Text to read; standard input when absent or '-'
    text: Option<String>,
    #[command(flatten)]
    media: MediaArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes a line per value.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &RegressArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let input = one_input(args.text.as_deref(), &args.media)?;
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let result = engine.regress(input, &RegressOptions { adapter, modality: args.media.modality() })?;
    if console.format() == Format::Json {
        return Ok(console.json(&result)?);
    }
    for estimate in &result.values {
        let unit = estimate.unit.as_deref().unwrap_or_default();
        console.line(format!("{}: {} {unit}", estimate.name, estimate.value).trim_end())?;
    }
    Ok(())
}
