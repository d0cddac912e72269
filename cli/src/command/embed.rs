//! `loam embed`: texts, pictures, sounds and motion to vectors.

use clap::Args;
use loam::engine::Trace;
use loam::input::Input;
use loam::task::{EmbedOptions, Embedding, similarity};

use super::input::message_or_stdin;
use super::media::MediaArgs;
use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// Characters of an input by which a note names it.
const SHOWN: usize = 40;

/// `loam embed` as typed.
#[derive(Debug, Clone, Args)]
pub struct EmbedArgs {
    /// Texts; the lines of standard input when absent
    texts: Vec<String>,
    #[command(flatten)]
    media: MediaArgs,
    /// Show the cosine similarity of every pair instead of the vectors
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes the embeddings, one per line, or the similarities.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &EmbedArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    args.media.alike()?;
    let media = args.media.read()?;
    let (names, inputs): (Vec<String>, Vec<Input>) = if media.is_empty() {
        let texts = if args.texts.is_empty() {
            message_or_stdin(None)?.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        } else {
            args.texts.clone()
        };
        let inputs = texts.iter().map(|text| text.as_str().into()).collect();
        (texts, inputs)
    } else if args.texts.is_empty() {
        (args.media.names(), media)
    } else {
        let reason = "texts and files; their vectors lie apart, embed them one kind at a time".to_owned();
        return Err(Error::Argument { name: "input", reason }.into());
    };
    let engine = args.model.open(home)?;
    let options = EmbedOptions { adapter: args.adapter.install(&engine, home)?, modality: args.media.modality() };
    let embedded =
        inputs.into_iter().map(|input| engine.embed(input, &options)).collect::<loam::Result<Vec<Embedding>>>()?;
    let embeddings: Vec<&[f32]> = embedded.iter().map(|embedding| embedding.vector.as_slice()).collect();
    for (name, reason) in names.iter().zip(&embedded).filter_map(|(name, e)| Some((name, fallback(&e.trace)?))) {
        let beginning: String = name.chars().take(SHOWN).collect();
        console.note(format!("[on the processor, {reason}: {beginning}]"));
    }
    if args.compare {
        return compare(&names, &embeddings, console);
    }
    if console.format() == Format::Json {
        console.json(&serde_json::json!({
            "component": embedded.first().and_then(|e| e.trace.steps.first()).map(|step| step.component.as_str()),
            "dim": embeddings.first().map(|vector| vector.len()),
            "embeddings": embeddings,
            "trace": embedded.first().map(|embedding| &embedding.trace),
            "fallbacks": embedded.iter().map(|embedding| fallback(&embedding.trace)).collect::<Vec<_>>(),
        }))?;
    } else {
        for embedding in &embeddings {
            let values: Vec<String> = embedding.iter().map(|v| format!("{v:.6}")).collect();
            console.line(values.join(" "))?;
        }
    }
    Ok(())
}

/// Why a delegate did not make it, where one was asked.
fn fallback(trace: &Trace) -> Option<String> {
    trace.steps.iter().find_map(|step| step.fallback.as_ref()).map(ToString::to_string)
}

fn compare(texts: &[String], embeddings: &[&[f32]], console: &Console) -> anyhow::Result<()> {
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
