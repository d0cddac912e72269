//! `loam tour`: the engine on real input, step by step; what `make demo` ends with.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use loam::Engine;
use loam::adapter::{AdapterPackage, InstallPolicy};
use loam::engine::GenerateOptions;
use loam::task::{Chat, ClassifyOptions, similarity};
use serde_json::json;

use super::inspect::{measure, memory_lines};
use super::model::ModelArgs;
use super::stream::{stream, summary};
use super::{classify, model};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Example:
  loam tour --adapters models/adapters";

/// Adapters that the tour uses.
const ADAPTERS: [&str; 2] = ["shell", "news"];
/// Questions that are asked.
const QUESTION: &str = "What is the capital of France, and what is it known for? Answer in two sentences.";
const FOLLOW_UP: &str = "Which river flows through it?";
/// A request for the shell adapter.
const COMMAND: &str = "Extract a tar archive";
/// Headlines for zero-shot classification and for the news adapter.
const HEADLINES: [&str; 3] = [
    "The striker scored twice in the last ten minutes and sent the visitors home without a point.",
    "Shares of the chip maker fell after the company cut its forecast for the quarter.",
    "A new telescope sent back its first pictures of a galaxy 13 billion light years away.",
];
const TOPICS: [&str; 4] = ["sports", "business", "science", "politics"];
const SENTENCES: [&str; 3] = [
    "A cat sleeps on the warm windowsill.",
    "The kitten is napping in the sun.",
    "The central bank raised interest rates.",
];

/// `loam tour` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TourArgs {
    /// Directory with the 'shell' and 'news' adapters
    #[arg(long, value_name = "DIR", default_value = "models/adapters")]
    adapters: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
}

/// Shows everything in turn; in JSON form, one object per line for each result.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &TourArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let path = args.model.path(home)?;
    for name in ADAPTERS {
        // Known before the tour starts, not in its middle.
        AdapterPackage::open(adapter_path(&args.adapters, name))?;
    }
    title(console, "1. Opening the foundation")?;
    let report = measure(&path)?;
    say(console, path.display())?;
    memory_lines(&report).into_iter().try_for_each(|line| say(console, line))?;
    record(console, &json!({ "foundation": path, "memory": report }))?;
    let engine = Engine::open(&path)?;
    chat(&engine, console)?;
    zero_shot(&engine, console)?;
    adapters(&engine, args, console)?;
    title(console, "That was the tour. Try: loam chat")
}

/// The package of that name, else the PEFT directory.
fn adapter_path(directory: &Path, name: &str) -> PathBuf {
    let package = directory.join(format!("{name}.{}", model::ADAPTER_ENDING));
    if package.is_file() { package } else { directory.join(name) }
}

/// Words around the results; JSON has the results alone.
fn say(console: &Console, text: impl std::fmt::Display) -> anyhow::Result<()> {
    if console.format() == Format::Text {
        console.line(text)?;
    }
    Ok(())
}

/// A result in JSON form.
fn record(console: &Console, value: &serde_json::Value) -> anyhow::Result<()> {
    if console.format() == Format::Json {
        console.json(value)?;
    }
    Ok(())
}

fn title(console: &Console, text: &str) -> anyhow::Result<()> {
    say(console, format!("\n== {text}"))
}

fn ask(chat: &mut Chat<&Engine>, question: &str, console: &Console) -> anyhow::Result<()> {
    say(console, format!("> {question}"))?;
    let options = GenerateOptions { max_tokens: 96, ..GenerateOptions::default() };
    let streamed = stream(console, |sink| chat.respond(question, &options, sink))?;
    record(console, &json!({ "question": question, "text": streamed.text, "stats": streamed.stats }))?;
    say(console, summary(&streamed.stats))
}

fn chat(engine: &Engine, console: &Console) -> anyhow::Result<()> {
    title(console, "2. Chat, streamed; the second turn reuses the first one's cache")?;
    let mut chat = Chat::new(engine, None);
    ask(&mut chat, QUESTION, console)?;
    ask(&mut chat, FOLLOW_UP, console)
}

fn zero_shot(engine: &Engine, console: &Console) -> anyhow::Result<()> {
    title(console, "3. Zero-shot classification and similarity (text encoder alone, no adapter)")?;
    // Loaded here, so that the first figure below is not that of loading.
    engine.text()?;
    let labels = TOPICS.iter().map(|&topic| topic.to_owned()).collect();
    let options = ClassifyOptions { labels, ..ClassifyOptions::default() };
    classify_headlines(engine, &options, console)?;
    let embeddings = engine.text()?.embed(&SENTENCES, None)?;
    for other in 1..SENTENCES.len() {
        let cosine = similarity(&embeddings[0], &embeddings[other]);
        record(console, &json!({ "texts": [SENTENCES[0], SENTENCES[other]], "similarity": cosine }))?;
        say(console, format!("similarity {cosine:.3}  '{}' ~ '{}'", SENTENCES[0], SENTENCES[other]))?;
    }
    Ok(())
}

/// The two best labels of each headline, and what the classification cost.
fn classify_headlines(engine: &Engine, options: &ClassifyOptions, console: &Console) -> anyhow::Result<()> {
    for headline in HEADLINES {
        let start = Instant::now();
        let result = engine.classify(headline, options)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        record(console, &json!({ "text": headline, "classification": result, "ms": ms }))?;
        say(console, format!("> {headline}"))?;
        classify::table(&result)
            .into_iter()
            .take(2)
            .try_for_each(|line| say(console, format!("  {}", line.trim_end())))?;
        say(console, format!("[{ms:.0} ms · {}]", result.trace.summary()))?;
    }
    Ok(())
}

fn adapters(engine: &Engine, args: &TourArgs, console: &Console) -> anyhow::Result<()> {
    title(console, "4. Without an adapter, then with one")?;
    let shell = engine.install("task", adapter_path(&args.adapters, "shell"), InstallPolicy::Create)?;
    let instructions = shell.package.task().instructions.clone();
    ask(&mut Chat::new(engine, instructions.as_deref()), COMMAND, console)?;
    say(
        console,
        format!(
            "adapter loaded: generation {}, {} parameters, {} kB beside {} million frozen ones",
            shell.generation.0,
            shell.bound.parameters,
            shell.bytes() / 1000,
            engine.language()?.backbone().parameters() / 1_000_000,
        ),
    )?;
    let mut adapted = Chat::new(engine, instructions.as_deref());
    adapted.set_adapter(Some(shell));
    ask(&mut adapted, COMMAND, console)?;

    title(console, "5. The adapter swapped for another one, under the same alias, without reloading the base")?;
    let news = engine.install("task", adapter_path(&args.adapters, "news"), InstallPolicy::Upsert)?;
    say(console, format!("generation {} answers now", news.generation.0))?;
    let options = ClassifyOptions { adapter: Some(news), ..ClassifyOptions::default() };
    classify_headlines(engine, &options, console)?;

    title(console, "6. The adapter removed: asking for it fails, and the base answers as before")?;
    engine.adapters().remove("task")?;
    if let Err(reason) = engine.adapters().get("task") {
        say(console, reason)?;
    }
    ask(&mut Chat::new(engine, instructions.as_deref()), COMMAND, console)
}
