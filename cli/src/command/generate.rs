//! `loam generate`: continues a text as it stands, without a chat template.

use clap::Args;
use loam::engine::Request;
use loam::input::{Affixes, Special};

use super::input::message_or_stdin;
use super::model::{AdapterArgs, ModelArgs};
use super::sampling::SamplingArgs;
use super::stream::{check_interrupted, stream};
use crate::console::Console;
use crate::home::Home;

/// `loam generate` as typed.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// Text to continue; standard input when absent or '-'
    prompt: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Writes the continuation.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &GenerateArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let prompt = message_or_stdin(args.prompt.as_deref())?;
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let tokens = engine.language()?.tokenizer()?.encode(&prompt, Special::Plain, Affixes::Add)?;
    let request = Request::new(tokens, adapter, args.sampling.options());
    let streamed = stream(console, |sink| Ok(engine.generate(request, sink)?.stats))?;
    streamed.show(console)?;
    Ok(check_interrupted(&streamed.stats)?)
}
