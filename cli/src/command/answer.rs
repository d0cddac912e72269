//! `loam answer` and `loam caption`: text about pictures, sound and motion.

use clap::Args;
use loam::Engine;
use loam::engine::{GenerateStats, Sink};
use loam::input::Input;
use loam::task::AnswerOptions;

use super::input::message_or_stdin;
use super::media::MediaArgs;
use super::model::{AdapterArgs, ModelArgs};
use super::sampling::SamplingArgs;
use super::stream::{check_interrupted, stream};
use crate::console::Console;
use crate::error::Error;
use crate::home::Home;

/// What both commands share.
#[derive(Debug, Clone, Args)]
struct AboutArgs {
    /// System message; the adapter's own by default
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    media: MediaArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// `loam answer` as typed.
#[derive(Debug, Clone, Args)]
pub struct AnswerArgs {
    /// The question; standard input when absent or '-'
    question: Option<String>,
    #[command(flatten)]
    about: AboutArgs,
}

/// `loam caption` as typed.
#[derive(Debug, Clone, Args)]
pub struct CaptionArgs {
    #[command(flatten)]
    about: AboutArgs,
}

/// Answers a question.
///
/// # Errors
/// The engine's and the console's.
pub fn answer(args: &AnswerArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let question = message_or_stdin(args.question.as_deref())?;
    let inputs = args.about.media.read()?;
    if inputs.is_empty() {
        let reason = "nothing to answer about; name a file with --image, --sound or --motion".to_owned();
        return Err(Error::Argument { name: "input", reason }.into());
    }
    args.about.run(home, console, |engine, options, sink| engine.answer(&inputs, &question, options, sink))
}

/// Describes one input.
///
/// # Errors
/// The engine's and the console's.
pub fn caption(args: &CaptionArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let input: Input = args.about.media.one()?.ok_or_else(|| Error::Argument {
        name: "input",
        reason: "nothing to describe; name a file with --image, --sound or --motion".to_owned(),
    })?;
    args.about.run(home, console, |engine, options, sink| engine.caption(&input, options, sink))
}

impl AboutArgs {
    fn run(
        &self,
        home: &Home,
        console: &Console,
        ask: impl FnOnce(&Engine, &AnswerOptions, &mut dyn Sink) -> loam::Result<GenerateStats>,
    ) -> anyhow::Result<()> {
        let engine = self.model.open(home)?;
        let options = AnswerOptions {
            generate: self.sampling.options(),
            instructions: self.system.clone(),
            adapter: self.adapter.install(&engine, home)?,
            modality: self.media.modality(),
        };
        let streamed = stream(console, |sink| ask(&engine, &options, sink))?;
        streamed.show(console)?;
        Ok(check_interrupted(&streamed.stats)?)
    }
}
