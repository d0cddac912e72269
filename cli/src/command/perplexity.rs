//! `loam perplexity`: how well a model predicts a text.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::logits::tokens;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam perplexity --text essay.txt
  loam perplexity --model model.gguf --tokens ids.json --json
  loam perplexity --text commands.txt --adapter shell";

/// `loam perplexity` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("source").required(true))]
pub struct PerplexityArgs {
    /// JSON list of token ids ('-': standard input)
    #[arg(long, value_name = "FILE", group = "source")]
    tokens: Option<PathBuf>,
    /// Text file ('-': standard input); BOS is added as the model's tokenizer says
    #[arg(long, value_name = "FILE", group = "source")]
    text: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes the perplexity.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &PerplexityArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let model = engine.language()?;
    let ids = tokens(&model, args.tokens.as_ref(), args.text.as_ref())?;
    let result = model.perplexity(&ids, adapter.as_deref())?;
    if console.format() == Format::Json {
        console.json(&result)?;
    } else {
        console.line(format!("perplexity {:.4} over {} tokens", result.perplexity, result.tokens))?;
    }
    Ok(())
}
