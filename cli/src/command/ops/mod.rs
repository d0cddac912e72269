//! `loam ops`: the operators that a foundation asks of an NPU, beside those that models of one task each ask of it.

mod graphs;
mod models;
mod table;

use std::path::PathBuf;

use clap::Args;
use loam::Engine;
use loam::engine::{EngineOptions, Packing};
use loam_delegates::component::Extents;
use loam_delegates::operators::Operators;
use serde_json::{Value, json};

use self::graphs::Graphs;
use self::models::Models;
use super::model::{DEFAULT_FOUNDATION, locate_model};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam ops                                   each graph of the default foundation
  loam ops --models keyword.tflite exports/  beside models of one task each
  loam ops tower/ --export graphs/           write the graphs as ONNX files";

/// What graphs of integers have beside the operators that are counted: codes are made and read around each.
const OF_INTEGERS: [&str; 2] = ["DequantizeLinear", "QuantizeLinear"];

/// `loam ops` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct OpsArgs {
    /// Installed foundation, foundation directory, GGUF file or Hugging Face directory
    #[arg(default_value = DEFAULT_FOUNDATION)]
    foundation: PathBuf,
    /// Models to compare with: .onnx and .tflite files, and folders that hold some
    #[arg(long, value_name = "PATH", num_args = 1..)]
    models: Vec<PathBuf>,
    /// Rank of the adapters that the graphs take; 0 for none
    #[arg(long, default_value_t = Extents::default().rank, value_parser = rank)]
    rank: usize,
    /// Write each graph there, in single precision, as COMPONENT.SEGMENT.onnx
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

fn rank(typed: &str) -> Result<usize, String> {
    /// Above it a pair of factors is no smaller than most layers.
    const MOST: usize = 256;
    typed.parse().ok().filter(|rank| *rank <= MOST).ok_or_else(|| format!("expected 0 to {MOST}"))
}

/// Counts and shows.
///
/// # Errors
/// The engine's and the console's; [`loam::Error::Malformed`] for a damaged model.
pub fn run(args: &OpsArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    // What is read quickly may be wrong, and is told before graphs are made.
    let models = Models::read(&args.models)?;
    let options = EngineOptions { packing: Packing::In(home.packed()), ..EngineOptions::default() };
    let engine = Engine::open_with(locate_model(&args.foundation, home)?, options)?;
    let graphs = Graphs::of(&engine, args.rank, args.export.as_deref())?;
    match console.format() {
        Format::Json => console.json(&report(engine.foundation().id(), args.rank, &graphs, &models))?,
        Format::Text => {
            let mut lines = summary(engine.foundation().id(), &graphs);
            lines.extend(models.lines());
            lines.into_iter().try_for_each(|line| console.line(line))?;
        }
    }
    Ok(())
}

/// The operators of each of a foundation's graphs, for adapters of the default rank, and of all of them.
///
/// # Errors
/// The engine's.
pub fn counted(engine: &Engine) -> anyhow::Result<(Vec<(String, Operators)>, Operators)> {
    let graphs = Graphs::of(engine, Extents::default().rank, None)?;
    let all = graphs.operators();
    let named = |graph: graphs::Lowered| (format!("{} {}", graph.component, graph.segment), graph.operators);
    Ok((graphs.lowered.into_iter().map(named).collect(), all))
}

/// The types of operators that graphs of integers have.
fn of_integers(all: &Operators) -> Vec<&str> {
    let mut names: Vec<&str> = all.names().chain(OF_INTEGERS).collect();
    names.sort_unstable();
    names
}

/// Types of operators as a report lists them.
fn types(operators: &Operators) -> String {
    format!("{} types: {}", operators.types(), operators.names().collect::<Vec<_>>().join(", "))
}

fn summary(foundation: &str, graphs: &Graphs) -> Vec<String> {
    let missing = graphs.missing.iter().map(|missing| format!("{}: {}", missing.component, missing.reason));
    if graphs.lowered.is_empty() {
        return missing.collect();
    }
    let all = graphs.operators();
    let mut lines = table::lines(graphs);
    lines.push(String::new());
    lines.extend(missing);
    lines.push(format!("{foundation}: {}", types(&all)));
    let more = OF_INTEGERS.join(" and ");
    lines.push(format!("{foundation}, quantized: {} types, {more} beside these", of_integers(&all).len()));
    lines
}

fn report(foundation: &str, rank: usize, graphs: &Graphs, models: &Models) -> Value {
    let all = graphs.operators();
    let lowered = graphs.lowered.iter().map(|graph| {
        json!({ "component": graph.component, "segment": graph.segment.to_string(), "operators": graph.operators })
    });
    let missing =
        graphs.missing.iter().map(|missing| json!({ "component": missing.component, "reason": missing.reason }));
    json!({
        "foundation": foundation,
        "rank": rank,
        "graphs": lowered.collect::<Vec<_>>(),
        "without_graph": missing.collect::<Vec<_>>(),
        "types": all.names().collect::<Vec<_>>(),
        "types_quantized": of_integers(&all),
        "models": models.report(),
    })
}
