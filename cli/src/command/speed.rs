//! `loam speed`: prefill and decode rates of a language model, in the manner of llama.cpp's own benchmark.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use loam::adapter::Adapter;
use loam::engine::{LanguageModel, PREFILL_CHUNK, ProcessMemory};
use loam::model::KvCache;
use loam::model::backbone::{Entry, Row, Want, token_rows};
use loam::pool;
use loam::quant::{Deltas, kernels};
use serde_json::json;

use super::model::{ModelArgs, install_adapter};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam speed                                  rates of the default foundation
  loam speed -p 128 -n 64 --repeat 5 --json
  loam speed --threads 1 --context 1024       one thread, decoding behind 1024 tokens
  loam speed --sequences 4 --adapter a --adapter b    four sequences, two adapters in turn";

/// Rounds in which the first step after a switch of adapters is compared with the second.
const SWITCHES: usize = 16;

/// `loam speed` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SpeedArgs {
    /// Tokens of the prompt
    #[arg(short, long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    prompt: u32,
    /// Tokens to decode
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    decode: u32,
    /// Tokens that are there before decoding begins
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    context: u32,
    /// Sequences decoded together
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    sequences: u32,
    /// Counted runs, after one that warms up
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Threads that share the work [default: the fast cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// Installed adapter, package file or PEFT directory; given several times, sequences take them in turn
    #[arg(short, long, value_name = "ALIAS|PATH")]
    adapter: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

/// What is measured on.
struct Subject<'a> {
    model: &'a LanguageModel,
    args: &'a SpeedArgs,
    adapters: Vec<&'a Deltas>,
}

/// Writes the rates.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &SpeedArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    if let Some(threads) = args.threads {
        pool::set_threads(threads as usize);
    }
    let engine = args.model.open(home)?;
    let adapters: Vec<Arc<Adapter>> =
        args.adapter.iter().map(|name| install_adapter(name, &engine, home)).collect::<anyhow::Result<_>>()?;
    let model = engine.language()?;
    let deltas = adapters.iter().map(|adapter| model.deltas(Some(adapter))).collect::<loam::Result<Vec<_>>>()?;
    let subject = Subject { model: &model, args, adapters: deltas.into_iter().flatten().collect() };
    subject.check()?;
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for run in 0..=args.repeat {
        let rates = (subject.prefill()?, subject.decode()?);
        if run > 0 {
            prefill.push(rates.0);
            decode.push(rates.1);
        }
    }
    let switch = if adapters.is_empty() { None } else { Some(subject.switch()?) };
    let memory = ProcessMemory::now();
    let (usual_prefill, usual_decode) = (median(&prefill), median(&decode));
    if console.format() == Format::Json {
        console.json(&json!({
            "prompt": args.prompt, "decode_tokens": args.decode, "context": args.context, "sequences": args.sequences,
            "runs": args.repeat, "prefill": prefill, "decode": decode,
            "prefill_tokens_per_second": usual_prefill, "decode_tokens_per_second": usual_decode,
            "adapter_switch_ms": switch, "kernels": kernels().name, "threads": pool::threads(), "threads_for_few_rows": pool::threads_for_few_rows(),
            "peak_rss_bytes": memory.map(|memory| memory.peak),
            "anonymous_bytes": memory.map(|memory| memory.anonymous),
        }))?;
    } else {
        console.line(format!(
            "prefill {usual_prefill:.0} tok/s ({} tokens) · decode {usual_decode:.0} tok/s ({} tokens x {} sequences) · \
             {} on {} threads · median of {}",
            args.prompt, args.decode, args.sequences, kernels().name, pool::threads(), args.repeat
        ))?;
    }
    Ok(())
}

impl Subject<'_> {
    fn check(&self) -> Result<(), Error> {
        let limit = self.model.backbone().config().max_position_embeddings;
        let longest = self.args.prompt.max(self.args.context.saturating_add(self.args.decode)) as usize;
        if longest <= limit {
            return Ok(());
        }
        let reason = format!("{longest} tokens do not fit into the window of {limit}");
        Err(Error::Argument { name: "prompt, context or decode", reason })
    }

    /// Tokens per second of a prompt from an empty context.
    fn prefill(&self) -> loam::Result<f64> {
        let count = self.args.prompt as usize;
        let start = Instant::now();
        self.fill(&mut self.model.backbone().new_cache(), count, self.adapters.first().copied(), Want::Logits)?;
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }

    /// Runs a prompt in chunks, asking for `last` at its end.
    fn fill(&self, cache: &mut KvCache, count: usize, deltas: Option<&Deltas>, last: Want) -> loam::Result<()> {
        for start in (0..count).step_by(PREFILL_CHUNK) {
            let end = count.min(start + PREFILL_CHUNK);
            let ids: Vec<u32> = (start..end).map(|position| self.token(position)).collect();
            let want = |position| if position + 1 == count { last } else { Want::Nothing };
            let rows = token_rows(&ids, start, deltas, want);
            self.model.backbone().forward(&rows, &mut [&mut *cache])?;
        }
        Ok(())
    }

    /// Tokens per second of all sequences together, behind the context.
    fn decode(&self) -> loam::Result<f64> {
        let mut first = self.model.backbone().new_cache();
        self.fill(&mut first, self.args.context as usize, self.adapters.first().copied(), Want::Nothing)?;
        let mut caches = vec![first; self.args.sequences as usize];
        let adapters: Vec<Option<&Deltas>> = (0..caches.len())
            .map(|i| (!self.adapters.is_empty()).then(|| self.adapters[i % self.adapters.len()]))
            .collect();
        let start = Instant::now();
        for step in 0..self.args.decode as usize {
            self.step(&mut caches, self.args.context as usize + step, &adapters)?;
        }
        Ok(f64::from(self.args.decode * self.args.sequences) / start.elapsed().as_secs_f64())
    }

    /// One token of every sequence.
    fn step(&self, caches: &mut [KvCache], position: usize, adapters: &[Option<&Deltas>]) -> loam::Result<()> {
        let rows: Vec<Row<'_>> = (0..caches.len())
            .map(|sequence| Row {
                entry: Entry::Token(self.token(position + sequence)),
                sequence,
                position,
                deltas: adapters[sequence],
                want: Want::Logits,
            })
            .collect();
        let mut borrowed: Vec<_> = caches.iter_mut().collect();
        self.model.backbone().forward(&rows, &mut borrowed).map(|_| ())
    }

    /// What the first token after a switch from the bare base to an adapter takes beyond the second, in milliseconds.
    fn switch(&self) -> loam::Result<f64> {
        let mut caches = [self.model.backbone().new_cache()];
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut position = 0;
        for round in 0..SWITCHES.min(self.model.backbone().config().max_position_embeddings / 4) {
            let adapter = Some(self.adapters[round % self.adapters.len()]);
            for (deltas, times) in
                [(None, None), (None, None), (adapter, Some(&mut first)), (adapter, Some(&mut second))]
            {
                let start = Instant::now();
                self.step(&mut caches, position, &[deltas])?;
                if let Some(times) = times {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
                position += 1;
            }
        }
        Ok(median(&first) - median(&second))
    }

    /// Some token of the vocabulary: what it means does not change the work.
    fn token(&self, index: usize) -> u32 {
        u32::try_from(1 + index % (self.model.backbone().config().vocab_size - 1)).unwrap_or(1)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
