//! `loam classify`: which label fits a text or a picture.

use std::path::PathBuf;

use clap::Args;
use loam::input::{Image, Input};
use loam::task::{Classification, ClassifyOptions};

use super::input::message_or_stdin;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam classify 'The striker scored twice.' --labels sports,politics,music
  loam classify 'I want my money back' --labels complaint,praise --template 'The customer voices {}.'
  loam classify 'Shares fell 3 % in Frankfurt.' --adapter news
  loam classify --image cat.jpg --labels cat,dog,bird --model clip-vit-base-patch32
  echo 'Rain until Friday' | loam classify --labels weather,sports --json";

/// `loam classify` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ClassifyArgs {
    /// Text to classify; standard input when absent or '-'
    text: Option<String>,
    /// A PNG, JPEG or WebP picture instead of a text
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    image: Option<PathBuf>,
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
    let input = match &args.image {
        Some(path) => Image::open(path)?.into(),
        None => Input::Text(message_or_stdin(args.text.as_deref())?),
    };
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let options =
        ClassifyOptions { labels: args.labels.clone(), template: args.template.clone(), adapter, ..Default::default() };
    let result = engine.classify(input, &options)?;
    if console.format() == Format::Json {
        console.json(&result)?;
    } else {
        table(&result).into_iter().try_for_each(|line| console.line(line))?;
    }
    Ok(())
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
