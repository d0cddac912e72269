//! `loam classify`: which label fits an input.

use clap::Args;
use loam::input::Input;
use loam::task::{Classification, ClassifyOptions};

use super::input::message_or_stdin;
use super::media::MediaArgs;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// `loam classify` as typed.
#[derive(Debug, Clone, Args)]
pub struct ClassifyArgs {
    /// Text to classify; standard input when absent or '-'
    text: Option<String>,
    #[command(flatten)]
    media: MediaArgs,
    /// Label names, separated by commas; the adapter's own by default
    #[arg(short, long, value_name = "A,B,C", value_delimiter = ',')]
    labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, '{}' standing for it
    #[arg(long, value_name = "TEXT", conflicts_with = "adapter")]
    template: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes the label, and the probability of each.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &ClassifyArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let input = one_input(args.text.as_deref(), &args.media)?;
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let modality = args.media.modality();
    let options = ClassifyOptions { labels: args.labels.clone(), template: args.template.clone(), adapter, modality };
    let result = engine.classify(input, &options)?;
    if console.format() == Format::Json {
        console.json(&result)?;
    } else {
        table(&result).into_iter().try_for_each(|line| console.line(line))?;
    }
    Ok(())
}

/// The text, or the one file that is named instead of it.
///
/// # Errors
/// [`Error::Argument`] for both; as [`MediaArgs::one`] and [`message_or_stdin`].
pub fn one_input(text: Option<&str>, media: &MediaArgs) -> anyhow::Result<Input> {
    match media.one()? {
        Some(_) if text.is_some() => {
            Err(Error::Argument { name: "input", reason: "a text and a file, this command takes one".into() }.into())
        }
        Some(input) => Ok(input),
        None => Ok(Input::Text(message_or_stdin(text)?)),
    }
}

/// A line per label with a bar, most probable first.
#[must_use]
pub fn table(result: &Classification) -> Vec<String> {
    const WIDTH: f32 = 24.0;
    let longest = result.scores.iter().map(|score| score.label.chars().count()).max().unwrap_or(0);
    let line = |score: &loam::task::LabelScore| {
        let filled = (score.probability * WIDTH).round() as usize;
        format!("{:<longest$}  {:5.1} %  {}", score.label, score.probability * 100.0, "█".repeat(filled))
    };
    result.scores.iter().map(line).collect()
}
