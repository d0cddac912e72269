//! `loam places`: what each component of a foundation runs on, and how much of it.

use clap::Args;
use loam::dispatch::Support;
use loam::engine::PlaceStatus;

use super::model::ModelArgs;
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam places --delegate qnn-v75 --delegate onnx-integer    after `loam compile` for both
  loam places --delegate onnx-float --json                  all graphs with their times

A component runs on the first delegate that does what the processor does. `full`: all graphs that were compiled for it, all of each;
`partial`: some of them, or with parts of a graph on the processor; `none`: the processor alone. The reason stands behind.";

/// `loam places` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlacesArgs {
    #[command(flatten)]
    model: ModelArgs,
}

/// Loads all components, waits for their delegates and shows where they run.
///
/// # Errors
/// [`Error::Argument`] where no delegate is asked; those of the model.
pub fn run(args: &PlacesArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    if !args.model.asks_delegates() {
        let reason = "none is named, so that everything runs on the processor".to_owned();
        return Err(Error::Argument { name: "--delegate", reason }.into());
    }
    let engine = args.model.open(home)?;
    for component in engine.foundation().components() {
        engine.load(component)?;
    }
    let places = engine.places();
    match console.format() {
        Format::Json => console.json(&places)?,
        Format::Text => places.iter().try_for_each(|place| console.line(line(place)))?,
    }
    Ok(())
}

fn line(place: &PlaceStatus) -> String {
    let (support, reason) = match &place.support {
        Support::Full => ("full", place.reason.as_ref()),
        Support::Partial(reason) => ("partial", Some(reason)),
        Support::None(reason) => ("none", Some(reason)),
    };
    let times = place.times.iter();
    let times = times.map(|t| format!("{} {:.1} ms (processor {:.1})", t.segment, t.delegate_ms, t.processor_ms));
    let mut parts: Vec<String> = times.collect();
    parts.extend(reason.map(ToString::to_string));
    let backend = place.backend.as_deref().unwrap_or("processor");
    format!("{:<12} {backend:<14} {support:<8} {}", place.component, parts.join("; ")).trim_end().to_owned()
}
