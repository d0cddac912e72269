//! `loam crowd`: what happens when many apps ask at once.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use loam::Engine;
use loam::adapter::Adapter;
use loam::engine::{Caller, Event, GenerateOptions, ProcessMemory, Quotas, Request, Sampling};
use loam::pool;
use serde_json::{Value, json};

use super::model::{ModelArgs, install_adapter};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam crowd                                    1, 2, 4 and 8 chats, a flood, prefixes
  loam crowd --chats 1,4 --seconds 10 --json
  loam crowd --adapter a --adapter b            chats take the adapters in turn

Each chat is an app of its own that asks again and again for the time given. What is measured:
  chats    tokens per second of all chats together
  flood    what an app waits for a token while another one asks for all it may, beside what it waits alone
  prefix   time to the first token of a prompt of 512 tokens and of one that begins alike
  switch   time to the first token when requests take adapters in turn, and when they do not";

/// Tokens of a flooding app's prompts.
const LONG: usize = 256;
/// Tokens that prompts of one app share, in the measurement of prefixes.
const SHARED: usize = 512;
/// Pairs of prompts, and requests of each kind.
const ROUNDS: u32 = 7;
const SWITCHES: u32 = 60;

/// `loam crowd` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct CrowdArgs {
    /// Numbers of chats at a time
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4,8", value_parser = clap::value_parser!(u32).range(1..=32))]
    chats: Vec<u32>,
    /// Length of each measurement in seconds
    #[arg(short, long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Tokens of a prompt
    #[arg(short, long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    prompt: u32,
    /// Tokens of an answer
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1024))]
    tokens: u32,
    /// Threads that share the work [default: the fast cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// Installed adapter, package file or PEFT directory; given several times, chats take them in turn
    #[arg(short, long, value_name = "ALIAS|PATH")]
    adapter: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

/// What is measured on.
struct Crowd<'a> {
    engine: &'a Engine,
    adapters: Vec<Arc<Adapter>>,
    vocabulary: u32,
    args: &'a CrowdArgs,
    /// Prompts so far: each is another one.
    prompts: AtomicU64,
}

/// When the tokens of a request came, counted from its beginning.
struct Times {
    first: f64,
    /// Between two tokens, in ms.
    gaps: Vec<f64>,
}

/// Writes the measurements.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &CrowdArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    if let Some(threads) = args.threads {
        pool::set_threads(threads as usize);
    }
    let engine = args.model.open(home)?;
    let adapters: Vec<Arc<Adapter>> =
        args.adapter.iter().map(|name| install_adapter(name, &engine, home)).collect::<anyhow::Result<_>>()?;
    let model = engine.language()?;
    let (limit, vocabulary) = (model.backbone().config().max_position_embeddings, model.tokenizer()?.vocab_size());
    let longest = (SHARED + 16 + 8).max((args.prompt + args.tokens) as usize);
    if longest > limit {
        let reason = format!("{longest} tokens do not fit into the window of {limit}");
        return Err(Error::Argument { name: "prompt or tokens", reason }.into());
    }
    let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX);
    let crowd = Crowd { engine: &engine, adapters, vocabulary, args, prompts: AtomicU64::new(1) };
    crowd.chats(1, 1)?;
    let mut rates = Vec::new();
    for &count in &args.chats {
        let rate = crowd.chats(count, args.seconds)?;
        rates.push(json!({ "chats": count, "tokens_per_second": rate }));
        let one = rates[0]["tokens_per_second"].as_f64().unwrap_or(rate);
        progress(
            console,
            format!("{count:>2} chats   {rate:7.1} tok/s together, {:.2} times {}", rate / one, name(args.chats[0])),
        )?;
    }
    let flood = crowd.flood(console)?;
    let prefix = crowd.prefix(console)?;
    let switch = crowd.switch(console)?;
    let memory = ProcessMemory::now();
    if console.format() == Format::Json {
        console.json(&json!({
            "chats": rates, "flood": flood, "prefix": prefix, "switch": switch,
            "threads": pool::threads(), "adapters": crowd.adapters.len(),
            "peak_rss_bytes": memory.map(|memory| memory.peak),
            "anonymous_bytes": memory.map(|memory| memory.anonymous),
        }))?;
    }
    Ok(())
}

/// What the others are compared with.
fn name(chats: u32) -> String {
    if chats == 1 { "one".to_owned() } else { format!("that of {chats}") }
}

fn progress(console: &Console, line: String) -> anyhow::Result<()> {
    if console.format() != Format::Json {
        console.line(line)?;
    }
    Ok(())
}

impl Crowd<'_> {
    /// A prompt that was not asked before.
    fn tokens(&self, count: usize) -> Vec<u32> {
        let mut state = self.prompts.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The first ones are often control tokens.
            let ordinary = u64::from(self.vocabulary.saturating_sub(20).max(1));
            u32::try_from((state >> 33) % ordinary).unwrap_or_default() + 20.min(self.vocabulary - 1)
        };
        (0..count).map(|_| next()).collect()
    }

    fn request(&self, app: &str, prompt: Vec<u32>, tokens: usize, adapter: Option<&Arc<Adapter>>) -> Request {
        let options = GenerateOptions {
            max_tokens: tokens,
            // Random prompts make a model repeat itself or end: with chance it goes on.
            sampling: Sampling { temperature: 1.0, top_k: 40, seed: 1, ..Sampling::default() },
            caller: Caller { app: Some(Arc::from(app)), ..Caller::default() },
            ..GenerateOptions::default()
        };
        Request::new(prompt, adapter.cloned(), options)
    }

    fn adapter(&self, number: u32) -> Option<&Arc<Adapter>> {
        self.adapters.get(number as usize % self.adapters.len().max(1))
    }

    /// No quota stands in the way of what is measured.
    fn admit(&self, app: &str) {
        let quotas = Quotas { tokens_per_minute: u64::MAX / 120_000, ..Quotas::default() };
        self.engine.set_quotas(app, quotas);
    }

    /// Tokens per second that `count` chats generate together in `seconds`.
    fn chats(&self, count: u32, seconds: u32) -> loam::Result<f64> {
        let (prompt, tokens) = (self.args.prompt as usize, self.args.tokens as usize);
        let begin = Instant::now();
        let until = begin + Duration::from_secs(u64::from(seconds));
        let chat = |number: u32| -> loam::Result<u64> {
            let app = format!("chat{number}");
            self.admit(&app);
            let mut made = 0;
            while Instant::now() < until {
                let request = self.request(&app, self.tokens(prompt), tokens, self.adapter(number));
                let mut until_then = |event: Event<'_>| {
                    // Tokens after the end are nobody's.
                    let over = Instant::now() >= until && matches!(event, Event::Text(_));
                    Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                };
                made += self.engine.generate(request, &mut until_then)?.stats.generated_tokens as u64;
            }
            Ok(made)
        };
        let made: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || chat(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<loam::Result<u64>>()
        })?;
        Ok(made as f64 / begin.elapsed().as_secs_f64())
    }

    /// Runs one request and notes when its tokens come.
    fn timed(&self, request: Request) -> loam::Result<Times> {
        let begin = Instant::now();
        let mut at = Vec::new();
        let mut note = |event: Event<'_>| {
            if matches!(event, Event::Text(_)) {
                at.push(begin.elapsed().as_secs_f64() * 1e3);
            }
            Ok(ControlFlow::Continue(()))
        };
        let stats = self.engine.generate(request, &mut note)?.stats;
        let gaps = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        Ok(Times { first: stats.time_to_first_token_ms, gaps })
    }

    /// What an app waits for while another one asks for all that it may, and what it waits alone.
    fn flood(&self, console: &Console) -> anyhow::Result<Value> {
        ["victim", "flood"].iter().for_each(|app| self.admit(app));
        let measure = || -> loam::Result<(Vec<f64>, Vec<f64>)> {
            let (mut firsts, mut gaps) = (Vec::new(), Vec::new());
            let until = Instant::now() + Duration::from_secs(u64::from(self.args.seconds));
            while Instant::now() < until {
                let prompt = self.tokens(self.args.prompt as usize);
                let times = self.timed(self.request("victim", prompt, 24, self.adapter(0)))?;
                firsts.push(times.first);
                gaps.extend(times.gaps);
            }
            Ok((firsts, gaps))
        };
        let alone = measure()?;
        let over = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| {
            let flooding: Vec<_> = (1..=Quotas::default().running)
                .map(|number| {
                    let over = &over;
                    scope.spawn(move || -> loam::Result<()> {
                        while !over.load(Ordering::Relaxed) {
                            let adapter = self.adapter(u32::try_from(number).unwrap_or_default());
                            let request = self.request("flood", self.tokens(LONG), 256, adapter);
                            let mut until_over = |event: Event<'_>| {
                                let over = over.load(Ordering::Relaxed) && matches!(event, Event::Text(_));
                                Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                            };
                            self.engine.generate(request, &mut until_over)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(500));
            let beside = measure();
            over.store(true, Ordering::Relaxed);
            // What was measured beside nobody is no measurement.
            flooding.into_iter().try_for_each(|thread| thread.join().expect("no panic"))?;
            beside
        })?;
        let (first, gap) =
            ((part(&alone.0, 0.95), part(&beside.0, 0.95)), (part(&alone.1, 0.95), part(&beside.1, 0.95)));
        progress(
            console,
            format!(
                "flood      p95 of the first token {:.0} ms, alone {:.0}; of the next ones {:.0} ms, alone {:.0}",
                first.1, first.0, gap.1, gap.0
            ),
        )?;
        let shape = |(firsts, gaps): &(Vec<f64>, Vec<f64>)| {
            json!({
                "first_token_ms": { "p50": part(firsts, 0.5), "p95": part(firsts, 0.95), "count": firsts.len() },
                "token_ms": { "p50": part(gaps, 0.5), "p95": part(gaps, 0.95), "count": gaps.len() },
            })
        };
        Ok(json!({ "alone": shape(&alone), "beside": shape(&beside), "streams": Quotas::default().running }))
    }

    /// Time to the first token of a long prompt, and of one that begins alike.
    fn prefix(&self, console: &Console) -> anyhow::Result<Value> {
        self.admit("prefix");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let shared = self.tokens(SHARED);
            let ask = || {
                let prompt = [shared.clone(), self.tokens(16)].concat();
                self.timed(self.request("prefix", prompt, 2, self.adapter(0))).map(|times| times.first)
            };
            let pair = (ask()?, ask()?);
            if round > 0 {
                first.push(pair.0);
                second.push(pair.1);
            }
        }
        let (first, second) = (part(&first, 0.5), part(&second, 0.5));
        let share = second / first;
        progress(
            console,
            format!("prefix     first token after {second:.0} ms of {first:.0}: {:.0} %", share * 100.0),
        )?;
        Ok(json!({ "tokens": SHARED, "first_ms": first, "second_ms": second, "share": share }))
    }

    /// Time to the first token of short requests with one adapter, and with several in turn.
    fn switch(&self, console: &Console) -> anyhow::Result<Value> {
        if self.adapters.len() < 2 {
            return Ok(Value::Null);
        }
        self.admit("switch");
        let measure = |adapters: u32| -> loam::Result<Vec<f64>> {
            let run = |number: u32| {
                let request = self.request("switch", self.tokens(1), 2, self.adapter(number % adapters));
                self.timed(request).map(|times| times.first)
            };
            run(0)?;
            (0..SWITCHES).map(run).collect()
        };
        let (same, turns) = (measure(1)?, measure(u32::try_from(self.adapters.len()).unwrap_or(1))?);
        progress(
            console,
            format!(
                "switch     first token p95 {:.2} ms with adapters in turn, {:.2} with one",
                part(&turns, 0.95),
                part(&same, 0.95)
            ),
        )?;
        let shape = |times: &[f64]| json!({ "p50": part(times, 0.5), "p95": part(times, 0.95), "count": times.len() });
        Ok(json!({ "same": shape(&same), "in_turn": shape(&turns) }))
    }
}

/// The value below which `share` of `values` are; 0 of none.
fn part(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_are_of_the_sorted_values() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((part(&values, 0.5), part(&values, 0.95), part(&values, 0.0)), (3.0, 5.0, 1.0));
        assert_eq!(part(&[], 0.5), 0.0);
    }
}
