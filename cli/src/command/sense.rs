//! `loam sense`: what the motion in a file means, window by window.

use std::path::PathBuf;

use clap::Args;
use loam::model::Modality;
use loam::task::{ClassifyOptions, Sensed};

use super::interrupt::Interruptible;
use super::media::modality;
use super::model::{AdapterArgs, ModelArgs};
use super::motion::{MotionArgs, split};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// Samples that the rate is found from, where only their seconds tell it.
const SAMPLES_FOR_RATE: usize = 64;

/// `loam sense` as typed.
#[derive(Debug, Clone, Args)]
pub struct SenseArgs {
    /// A CSV file of accelerometer x, y, z and, where there is one, gyroscope x, y, z; a first column of seconds if it has
    /// four or seven; '-' for standard input
    file: PathBuf,
    /// Label names, separated by commas; the adapter's own by default
    #[arg(short, long, value_name = "A,B,C", value_delimiter = ',')]
    labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, '{}' standing for it
    #[arg(long, value_name = "TEXT", conflicts_with = "adapter")]
    template: Option<String>,
    /// Seconds between the begins of windows; a window's length by default
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    hop: Option<f64>,
    /// Modality of the encoder, where it is not imu
    #[arg(long = "as", value_name = "MODALITY", value_parser = modality)]
    modality: Option<Modality>,
    #[command(flatten)]
    format: MotionArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes a line per window, each as soon as its last sample was read.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &SenseArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let mut rows = args.format.rows(&args.file)?;
    let mut pending = Vec::new();
    let wanted = if args.format.has_rate() { 1 } else { SAMPLES_FOR_RATE };
    while pending.len() < wanted
        && let Some(row) = rows.next_row()?
    {
        pending.push(row);
    }
    let source = args.format.describe(&args.file, &pending)?;
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let modality = args.modality;
    let options = ClassifyOptions { labels: args.labels.clone(), template: args.template.clone(), adapter, modality };
    let hop = match args.hop {
        Some(hop) => hop,
        None => engine.window_seconds(&options)?,
    };
    let mut sensor = engine.sensor(source, args.format.repair(), hop, options)?;
    let running = Interruptible::begin();
    let (mut windows, mut read) = (0, 0usize);
    while !pending.is_empty() {
        if running.is_interrupted() {
            return Err(Error::Interrupted.into());
        }
        read += pending.len();
        let (samples, seconds) = split(&pending);
        for sensed in sensor.push(&samples, seconds.as_deref())? {
            windows += 1;
            show(&sensed, console)?;
        }
        pending.clear();
        pending.extend(rows.next_row()?);
    }
    if windows == 0 {
        let seconds = read as f64 / source.rate;
        let reason = format!("{read} samples are {seconds:.2} s, a window has {:.2} s", sensor.window_seconds());
        return Err(Error::Argument { name: "FILE", reason }.into());
    }
    Ok(())
}

fn show(sensed: &Sensed, console: &Console) -> Result<(), Error> {
    if console.format() == Format::Json {
        return console.json(sensed);
    }
    let best = sensed.classification.scores.first().map_or(0.0, |score| score.probability * 100.0);
    let Sensed { start, end, classification } = sensed;
    console.line(format!("{start:8.2} - {end:8.2} s  {:5.1} %  {}", best, classification.label))
}
