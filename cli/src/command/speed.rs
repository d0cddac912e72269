//! `loam speed`: prefill and decode rates of a language model, in the manner of llama.cpp's own benchmark.

use std::time::Instant;

use clap::Args;
use loam::engine::{LanguageModel, PREFILL_CHUNK};
use loam::model::backbone::{Entry, Row, Want, Workspace, token_rows};
use loam::quant::kernels;
use serde_json::json;

use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam speed                                  rates of the default foundation
  loam speed -p 128 -n 64 --repeat 5 --json
  RAYON_NUM_THREADS=1 loam speed              with one thread";

/// `loam speed` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SpeedArgs {
    /// Tokens of the prompt
    #[arg(short, long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    prompt: u32,
    /// Tokens to decode, from an empty context
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    decode: u32,
    /// Sequences decoded together
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    sequences: u32,
    /// Counted runs, after one that warms up
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes the rates.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &SpeedArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let model = engine.language()?;
    let deltas = model.deltas(adapter.as_deref())?;
    let limit = model.backbone().config().max_position_embeddings;
    let longest = args.prompt.max(args.decode) as usize;
    if longest > limit {
        let reason = format!("{longest} tokens do not fit into the window of {limit}");
        return Err(Error::Argument { name: "prompt or decode", reason }.into());
    }
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for run in 0..=args.repeat {
        let rates = (
            rate(args.prompt as usize, || prompt(&model, args.prompt as usize, deltas))?,
            rate((args.decode * args.sequences) as usize, || steps(&model, args, deltas))?,
        );
        if run > 0 {
            prefill.push(rates.0);
            decode.push(rates.1);
        }
    }
    let (prefill, decode) = (median(prefill), median(decode));
    if console.format() == Format::Json {
        console.json(&json!({
            "prompt": args.prompt, "decode": args.decode, "sequences": args.sequences, "runs": args.repeat,
            "prefill_tokens_per_second": prefill, "decode_tokens_per_second": decode,
            "kernels": kernels().name, "threads": std::thread::available_parallelism()?.get(),
        }))?;
    } else {
        console.line(format!(
            "prefill {prefill:.0} tok/s ({} tokens) · decode {decode:.0} tok/s ({} tokens x {} sequences) · {} · median of {}",
            args.prompt, args.decode, args.sequences, kernels().name, args.repeat
        ))?;
    }
    Ok(())
}

fn rate(tokens: usize, work: impl FnOnce() -> loam::Result<()>) -> loam::Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(tokens as f64 / start.elapsed().as_secs_f64())
}

/// Some token of the vocabulary: what it means does not change the work.
fn token(model: &LanguageModel, index: usize) -> u32 {
    u32::try_from(1 + index % (model.backbone().config().vocab_size - 1)).unwrap_or(1)
}

fn prompt(model: &LanguageModel, count: usize, deltas: Option<&loam::quant::Deltas>) -> loam::Result<()> {
    let mut cache = model.backbone().new_cache();
    let mut work = Workspace::default();
    for start in (0..count).step_by(PREFILL_CHUNK) {
        let end = count.min(start + PREFILL_CHUNK);
        let ids: Vec<u32> = (start..end).map(|position| token(model, position)).collect();
        let want = |position| if position + 1 == count { Want::Logits } else { Want::Nothing };
        let rows = token_rows(&ids, start, deltas, want);
        model.backbone().forward(&rows, &mut [&mut cache], &mut work)?;
    }
    Ok(())
}

fn steps(model: &LanguageModel, args: &SpeedArgs, deltas: Option<&loam::quant::Deltas>) -> loam::Result<()> {
    let mut caches: Vec<_> = (0..args.sequences).map(|_| model.backbone().new_cache()).collect();
    let mut work = Workspace::default();
    for position in 0..args.decode as usize {
        let rows: Vec<Row<'_>> = (0..caches.len())
            .map(|sequence| Row {
                entry: Entry::Token(token(model, position + sequence)),
                sequence,
                position,
                deltas,
                want: Want::Logits,
            })
            .collect();
        let mut borrowed: Vec<_> = caches.iter_mut().collect();
        model.backbone().forward(&rows, &mut borrowed, &mut work)?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
