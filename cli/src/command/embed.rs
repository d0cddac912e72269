//! `loam embed`: texts to vectors.

use clap::Args;
use loam::task::similarity;

use super::input::message_or_stdin;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam embed 'A cat sits on the mat.' --json
  loam embed --compare 'A cat sleeps.' 'A kitten naps.' 'Stocks fell.'
  cat sentences.txt | loam embed --json          one text per line";

/// `loam embed` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct EmbedArgs {
    /// Texts; the lines of standard input when absent
    texts: Vec<String>,
    /// Show the cosine similarity of every pair instead of the vectors
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes the embeddings, one text per line, or the similarities.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &EmbedArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let texts = if args.texts.is_empty() {
        message_or_stdin(None)?.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    } else {
        args.texts.clone()
    };
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let deltas = adapter.as_deref().map(|adapter| &adapter.bound.deltas);
    let model = engine.text()?;
    let embeddings = model.embed(&texts, deltas)?;
    if args.compare {
        return compare(&texts, &embeddings, console);
    }
    if console.format() == Format::Json {
        console.json(&serde_json::json!({
            "component": model.part().name,
            "dim": model.encoder().dim(),
            "embeddings": embeddings,
        }))?;
    } else {
        for embedding in &embeddings {
            let values: Vec<String> = embedding.iter().map(|v| format!("{v:.6}")).collect();
            console.line(values.join(" "))?;
        }
    }
    Ok(())
}

fn compare(texts: &[String], embeddings: &[Vec<f32>], console: &Console) -> anyhow::Result<()> {
    let table: Vec<Vec<f32>> =
        embeddings.iter().map(|a| embeddings.iter().map(|b| similarity(a, b)).collect()).collect();
    if console.format() == Format::Json {
        console.json(&serde_json::json!({ "texts": texts, "similarity": table }))?;
    } else {
        for (text, row) in texts.iter().zip(&table) {
            let values: Vec<String> = row.iter().map(|v| format!("{v:6.3}")).collect();
            console.line(format!("{}  {text}", values.join(" ")))?;
        }
    }
    Ok(())
}
