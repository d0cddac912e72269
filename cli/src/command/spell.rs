//! `loam spell`: the pieces in an input, one after another.

use std::path::PathBuf;

use clap::Args;
use loam::task::SpellOptions;

use super::media::MediaArgs;
use super::model::{ModelArgs, install_adapter};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// `loam spell` as typed.
#[derive(Debug, Clone, Args)]
pub struct SpellArgs {
    #[command(flatten)]
    media: MediaArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Installed adapter, package file or PEFT directory, with a CTC head
    #[arg(short, long, value_name = "ALIAS|PATH")]
    adapter: PathBuf,
}

/// Writes the pieces, joined.
///
/// # Errors
/// [`Error::Argument`] without a file; the engine's and the console's otherwise.
pub fn run(args: &SpellArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let Some(input) = args.media.one()? else {
        let reason = "there is none; --image, --sound or --motion names one".to_owned();
        return Err(Error::Argument { name: "input", reason }.into());
    };
    let engine = args.model.open(home)?;
    let adapter = install_adapter(&args.adapter, &engine, home)?;
    let spelling = engine.spell(input, &SpellOptions { adapter, modality: args.media.modality() })?;
    match console.format() {
        Format::Json => console.json(&spelling)?,
        Format::Text => console.line(&spelling.text)?,
    }
    Ok(())
}
