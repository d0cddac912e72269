//! `loam retrieve`: what is most like a query among files or lines.

use std::path::{Path, PathBuf};

use clap::Args;
use loam::Engine;
use loam::input::{Image, Input};
use loam::model::Modality;
use loam::task::{EmbedOptions, Index};

use super::classify::one_input;
use super::input::file;
use super::interrupt::Interruptible;
use super::media::{MediaArgs, sound};
use super::model::{AdapterArgs, ModelArgs};
use crate::audio::is_named_as_sound;
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// `loam retrieve` as typed.
#[derive(Debug, Clone, Args)]
pub struct RetrieveArgs {
    /// Text to look for; standard input when absent or '-'
    query: Option<String>,
    #[command(flatten)]
    media: MediaArgs,
    /// Pictures or sounds to search among
    #[arg(short, long, value_name = "FILE", num_args = 1.., conflicts_with = "lines")]
    files: Vec<PathBuf>,
    /// A text file whose lines are searched
    #[arg(short, long, value_name = "FILE", required_unless_present = "files")]
    lines: Option<PathBuf>,
    /// Results to show
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10)]
    top: usize,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Embeds all entries, then searches them.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &RetrieveArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let query = one_input(args.query.as_deref(), &args.media)?;
    let engine = args.model.open(home)?;
    let (kind, named) = match &args.lines {
        Some(_) => (Modality::TEXT, None),
        None => (modality_of(&args.files)?, args.media.modality()),
    };
    let modality = named.unwrap_or(kind);
    let options = EmbedOptions { adapter: args.adapter.install(&engine, home)?, modality: Some(modality) };
    let index = index(args, &engine, &options, console)?;
    // One encoder, one adapter: a query of the entries' kind is read as they are.
    let alike = match &query {
        Input::Text(_) => kind == Modality::TEXT,
        Input::Image(_) => kind == Modality::IMAGE,
        Input::Sound(_) => kind == Modality::SOUND,
        Input::Motion { .. } => false,
    };
    let query = engine.query(query, modality, &if alike { options } else { EmbedOptions::default() })?;
    let matches = index.search(&query.vector, args.top)?;
    if console.format() == Format::Json {
        console.json(&serde_json::json!({ "entries": index.len(), "matches": matches, "trace": query.trace }))?;
    } else {
        matches.iter().try_for_each(|found| console.line(format!("{:6.3}  {}", found.similarity, found.key)))?;
    }
    Ok(())
}

/// The entries' embeddings.
fn index(args: &RetrieveArgs, engine: &Engine, options: &EmbedOptions, console: &Console) -> anyhow::Result<Index> {
    let running = Interruptible::begin();
    let mut index = Index::default();
    let mut add = |key: String, input: Input| -> anyhow::Result<()> {
        if running.is_interrupted() {
            return Err(Error::Interrupted.into());
        }
        Ok(index.insert(key, engine.embed(input, options)?.vector)?)
    };
    if let Some(path) = &args.lines {
        for line in file(path)?.lines().filter(|line| !line.trim().is_empty()) {
            add(line.to_owned(), line.into())?;
        }
        return Ok(index);
    }
    let progress = console.progress("embedding", Some(args.files.iter().map(|path| bytes(path)).sum()));
    for path in &args.files {
        let input = if is_named_as_sound(path) { sound(path)?.into() } else { Image::open(path)?.into() };
        add(path.display().to_string(), input)?;
        progress.advance(bytes(path));
    }
    progress.done();
    Ok(index)
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// All sounds, or all pictures: one search compares vectors of one encoder.
fn modality_of(files: &[PathBuf]) -> Result<Modality, Error> {
    let sounds = files.iter().filter(|path| is_named_as_sound(path)).count();
    match sounds {
        0 => Ok(Modality::IMAGE),
        _ if sounds == files.len() => Ok(Modality::SOUND),
        _ => {
            let reason = format!("{sounds} of {} are sounds; search pictures and sounds apart", files.len());
            Err(Error::Argument { name: "--files", reason })
        }
    }
}
