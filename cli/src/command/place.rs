//! `loam segment`, `detect`, `locate` and `count`: what is where in a picture.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use image::{GrayImage, ImageFormat};
use loam::Engine;
use loam::adapter::Adapter;
use loam::input::{Image, Input};
use loam::task::{DetectOptions, Segmentation};
use serde_json::json;

use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;
use crate::install::replace_file;

/// A picture and who looks at it.
#[derive(Debug, Clone, Args)]
struct PictureArgs {
    /// A PNG, JPEG or WebP picture
    #[arg(short, long, value_name = "FILE")]
    image: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// `loam segment` as typed.
#[derive(Debug, Clone, Args)]
pub struct SegmentArgs {
    #[command(flatten)]
    picture: PictureArgs,
    /// A grey PNG of the picture's size: how much each pixel belongs to the only label, or the number of its label
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `loam detect` as typed.
#[derive(Debug, Clone, Args)]
pub struct DetectArgs {
    #[command(flatten)]
    picture: PictureArgs,
    /// Least score, 0 to 1
    #[arg(long, value_name = "X", default_value_t = DetectOptions::default().least)]
    least: f32,
    /// Things at most
    #[arg(long, value_name = "N", default_value_t = DetectOptions::default().most)]
    most: usize,
}

/// `loam locate` as typed.
#[derive(Debug, Clone, Args)]
pub struct LocateArgs {
    #[command(flatten)]
    picture: PictureArgs,
}

/// `loam count` as typed.
#[derive(Debug, Clone, Args)]
pub struct CountArgs {
    #[command(flatten)]
    picture: PictureArgs,
}

impl PictureArgs {
    /// # Errors
    /// The engine's; [`Error::Argument`] without an adapter.
    fn open(&self, home: &Home) -> anyhow::Result<(Image, Engine, Arc<Adapter>)> {
        let picture = Image::open(&self.image)?;
        let engine = self.model.open(home)?;
        let missing = || Error::Argument { name: "--adapter", reason: "missing; it brings what is looked for".into() };
        let adapter = self.adapter.install(&engine, home)?.ok_or_else(missing)?;
        Ok((picture, engine, adapter))
    }
}

/// Writes the share of each label, and the mask into a file.
///
/// # Errors
/// The engine's, [`Error::Io`], and the console's.
pub fn segment(args: &SegmentArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let (picture, engine, adapter) = args.picture.open(home)?;
    let (height, width) = (picture.height(), picture.width());
    let result = engine.segment(Input::Image(picture), &adapter)?;
    if let Some(output) = &args.output {
        replace_file(output, &mask(&result, height, width)?)?;
    }
    let classes = result.classes();
    let share = |label: usize| {
        // Of one label, the class 1 is the label and 0 the rest.
        let class = if result.labels.len() == 1 { 1 } else { label };
        classes.iter().filter(|found| **found == class).count() as f64 / classes.len() as f64
    };
    let shares: Vec<(&String, f64)> = result.labels.iter().enumerate().map(|(at, label)| (label, share(at))).collect();
    if console.format() == Format::Json {
        let shares: Vec<_> = shares.iter().map(|(label, share)| json!({ "label": label, "share": share })).collect();
        let output = args.output.as_ref();
        return Ok(console.json(&json!({ "labels": shares, "output": output, "trace": result.trace }))?);
    }
    for (label, share) in shares {
        console.line(format!("{label}: {:.1} %", share * 100.0))?;
    }
    console.note(format!("[{}]", result.trace.summary()));
    Ok(())
}

/// A grey PNG of `height` rows.
fn mask(result: &Segmentation, height: usize, width: usize) -> anyhow::Result<Vec<u8>> {
    let planes: Vec<Vec<f32>> = (0..result.labels.len()).map(|label| result.stretched(label, height, width)).collect();
    let grey = |place: usize| match &planes[..] {
        [only] => (only[place] * 255.0).round() as u8,
        several => {
            let best = (0..several.len()).rev().max_by(|a, b| several[*a][place].total_cmp(&several[*b][place]));
            u8::try_from(best.unwrap_or(0)).unwrap_or(u8::MAX)
        }
    };
    let pixels: Vec<u8> = (0..height * width).map(grey).collect();
    let (columns, rows) = (u32::try_from(width)?, u32::try_from(height)?);
    let grey = GrayImage::from_raw(columns, rows, pixels).expect("invariant: a byte for each pixel");
    let mut bytes = Cursor::new(Vec::new());
    grey.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Writes a line per thing: label, score and box.
///
/// # Errors
/// The engine's and the console's.
pub fn detect(args: &DetectArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let (picture, engine, adapter) = args.picture.open(home)?;
    let options = DetectOptions { least: args.least, most: args.most, ..DetectOptions::default() };
    let result = engine.detect(Input::Image(picture), &adapter, &options)?;
    if console.format() == Format::Json {
        return Ok(console.json(&result)?);
    }
    for thing in &result.things {
        let place = format!("{:.0},{:.0} {:.0}x{:.0}", thing.x, thing.y, thing.width, thing.height);
        console.line(format!("{:.2}  {}  {place}", thing.score, thing.label))?;
    }
    console.note(format!("[{} things · {}]", result.things.len(), result.trace.summary()));
    Ok(())
}

/// Writes a line per point.
///
/// # Errors
/// The engine's and the console's.
pub fn locate(args: &LocateArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let (picture, engine, adapter) = args.picture.open(home)?;
    let result = engine.locate(Input::Image(picture), &adapter)?;
    if console.format() == Format::Json {
        return Ok(console.json(&result)?);
    }
    for point in &result.points {
        console.line(format!("{:.2}  {}  {:.1},{:.1}", point.score, point.label, point.x, point.y))?;
    }
    console.note(format!("[{}]", result.trace.summary()));
    Ok(())
}

/// Writes how many there are.
///
/// # Errors
/// The engine's and the console's.
pub fn count(args: &CountArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let (picture, engine, adapter) = args.picture.open(home)?;
    let result = engine.count(Input::Image(picture), &adapter)?;
    if console.format() == Format::Json {
        return Ok(console.json(&result)?);
    }
    console.line(format!("{}: {:.1}", result.label, result.count))?;
    console.note(format!("[{}]", result.trace.summary()));
    Ok(())
}
