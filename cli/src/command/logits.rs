//! `loam logits`: teacher-forced logits of every position, for comparison with other engines.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use loam::engine::LanguageModel;
use loam::input::{Affixes, Special};
use safetensors::tensor::{Dtype, TensorView};

use super::input;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam logits --tokens ids.json --output logits.safetensors
  loam logits --text essay.txt --top 5 --json
  loam logits --model model.gguf --tokens ids.json --adapter adapter_dir --top 1 --json";

/// `loam logits` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("source").required(true))]
pub struct LogitsArgs {
    /// JSON list of token ids ('-': standard input)
    #[arg(long, value_name = "FILE", group = "source")]
    tokens: Option<PathBuf>,
    /// Text file ('-': standard input); BOS is added as the model's tokenizer says
    #[arg(long, value_name = "FILE", group = "source")]
    text: Option<PathBuf>,
    /// Write all logits to this safetensors file: 'logits', F32, [positions, vocabulary]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show the K best tokens of each position
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    top: u32,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Token ids from a list or a text.
///
/// # Errors
/// Those of reading and tokenizing.
pub fn tokens(model: &LanguageModel, tokens: Option<&PathBuf>, text: Option<&PathBuf>) -> anyhow::Result<Vec<u32>> {
    match (tokens, text) {
        (Some(path), _) => Ok(input::tokens(path)?),
        (None, Some(path)) => Ok(model.tokenizer()?.encode(&input::file(path)?, Special::Plain, Affixes::Add)?),
        (None, None) => Ok(Vec::new()),
    }
}

/// Writes the logits, or their best tokens.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &LogitsArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let model = engine.language()?;
    let ids = tokens(&model, args.tokens.as_ref(), args.text.as_ref())?;
    let keep = args.top as usize;
    let (mut best, mut all) = (Vec::new(), Vec::new());
    model.score(&ids, adapter.as_deref(), |_, logits| {
        best.push(top(logits, keep));
        if args.output.is_some() {
            all.extend(logits.iter().flat_map(|v| v.to_le_bytes()));
        }
        Ok(())
    })?;
    if let Some(path) = &args.output {
        let shape = vec![ids.len(), model.backbone().config().vocab_size];
        let view =
            TensorView::new(Dtype::F32, shape, &all).map_err(|e| Error::malformed("logits", "safetensors", e))?;
        let bytes = safetensors::serialize([("logits", view)], None)
            .map_err(|e| Error::malformed("logits", "safetensors", e))?;
        std::fs::write(path, bytes).map_err(Error::io(path))?;
    }
    if console.format() == Format::Json {
        let positions: Vec<_> = ids
            .iter()
            .zip(&best)
            .map(|(id, best)| {
                let (tokens, logits): (Vec<u32>, Vec<f32>) = best.iter().copied().unzip();
                serde_json::json!({ "token": id, "top": tokens, "logits": logits })
            })
            .collect();
        return Ok(console.json(&serde_json::json!({ "positions": positions }))?);
    }
    // Without a tokenizer there are ids only.
    let spelled = |id: u32| model.tokenizer().ok().and_then(|t| t.token(id)).unwrap_or_default();
    for (position, (id, best)) in ids.iter().zip(&best).enumerate() {
        let shown: Vec<String> = best.iter().map(|(id, logit)| format!("{id} {:?} {logit:.4}", spelled(*id))).collect();
        console.line(format!("{position:>5} {id:>7} -> {}", shown.join(" | ")))?;
    }
    Ok(())
}

/// The `count` largest logits, largest first.
fn top(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut ranked: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    let count = count.min(ranked.len());
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < ranked.len() {
        ranked.select_nth_unstable_by(count, order);
        ranked.truncate(count);
    }
    ranked.sort_by(order);
    ranked
}
