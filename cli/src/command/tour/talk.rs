//! The tour's conversations: streamed, with an adapter, without it, and after it was removed.

use std::path::Path;

use loam::Engine;
use loam::adapter::InstallPolicy;
use loam::engine::GenerateOptions;
use loam::task::Chat;
use serde_json::json;

use super::adapter_path;
use super::guide::Guide;
use crate::command::stream::{stream, summary};

/// Tokens of an answer.
const LENGTH: usize = 96;
const QUESTION: &str = "What is the capital of France, and what is it known for? Answer in two sentences.";
const FOLLOW_UP: &str = "Which river flows through it?";
/// The adapter that writes, and what it is asked.
const WRITER: (&str, &str) = ("brief", "Explain photosynthesis.");

pub(super) fn chat(engine: &Engine, guide: &mut Guide<'_>) -> anyhow::Result<()> {
    guide.chapter("Chat, streamed; the second turn reuses the first one's cache")?;
    let mut chat = Chat::new(engine, None);
    ask(&mut chat, QUESTION, guide)?;
    ask(&mut chat, FOLLOW_UP, guide)
}

pub(super) fn adapters(engine: &Engine, directory: &Path, guide: &mut Guide<'_>) -> anyhow::Result<()> {
    let (name, question) = WRITER;
    guide.chapter("Text without an adapter, then with one")?;
    let adapter = engine.install(name, adapter_path(directory, name), InstallPolicy::Upsert)?;
    let instructions = adapter.package.task().instructions.clone();
    ask(&mut Chat::new(engine, instructions.as_deref()), question, guide)?;
    guide.say(format_args!(
        "'{name}' is generation {}: {} parameters, {} kB beside {} million frozen ones",
        adapter.generation.0,
        adapter.bound.parameters,
        adapter.bytes() / 1000,
        engine.language()?.backbone().parameters() / 1_000_000,
    ))?;
    let mut adapted = Chat::new(engine, instructions.as_deref());
    adapted.set_adapter(Some(adapter));
    ask(&mut adapted, question, guide)?;
    guide.chapter("The adapter removed: asking for it fails, and the base answers as before")?;
    engine.adapters().remove(name)?;
    if let Err(reason) = engine.adapter(name) {
        guide.say(reason)?;
    }
    ask(&mut Chat::new(engine, instructions.as_deref()), question, guide)
}

fn ask(chat: &mut Chat<&Engine>, question: &str, guide: &Guide<'_>) -> anyhow::Result<()> {
    guide.say(format_args!("> {question}"))?;
    let options = GenerateOptions { max_tokens: LENGTH, ..GenerateOptions::default() };
    let streamed = stream(guide.console(), |sink| chat.respond(question, &options, sink))?;
    guide.record(&json!({ "question": question, "text": streamed.text, "stats": streamed.stats }))?;
    guide.say(summary(&streamed.stats))
}
