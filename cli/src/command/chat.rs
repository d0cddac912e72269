//! `loam chat`: one answer, or a conversation.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use loam::Engine;
use loam::engine::GenerateOptions;
use loam::task::Chat;
use rustyline::error::ReadlineError;

use super::input::message_or_stdin;
use super::model::{AdapterArgs, ModelArgs, install_adapter};
use super::sampling::SamplingArgs;
use super::stream::{check_interrupted, stream};
use crate::console::Console;
use crate::home::Home;

const HELP: &str = "\
/adapter ALIAS|PATH  answer with this adapter from now on
/adapter             answer with the bare model again
/clear               forget the conversation
/history             show the conversation
/quit                leave (also Ctrl-D)
//TEXT               a message that begins with a slash
Ctrl-C ends an answer early. Anything else is a message.";

/// `loam chat` as typed.
#[derive(Debug, Clone, Args)]
pub struct ChatArgs {
    /// Message to answer; a conversation on a terminal, or standard input, when absent
    prompt: Option<String>,
    /// System message; the adapter's own by default
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Answers.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &ChatArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let interactive = args.prompt.is_none() && std::io::stdin().is_terminal();
    let prompt = if interactive { None } else { Some(message_or_stdin(args.prompt.as_deref())?) };
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    let trained_with = adapter.as_ref().and_then(|adapter| adapter.package.task().instructions.clone());
    let system = args.system.clone().or(trained_with);
    let mut chat = Chat::new(&engine, system.as_deref());
    chat.set_adapter(adapter);
    let options = args.sampling.options();
    match prompt {
        Some(prompt) => one_answer(&mut chat, &prompt, &options, console),
        None => {
            let scene = Scene { engine: &engine, home, system: args.system.as_deref() };
            conversation(&scene, &mut chat, &options, console)
        }
    }
}

fn one_answer(
    chat: &mut Chat<&Engine>,
    prompt: &str,
    options: &GenerateOptions,
    console: &Console,
) -> anyhow::Result<()> {
    let streamed = stream(console, |sink| chat.respond(prompt, options, sink))?;
    streamed.show(console)?;
    Ok(check_interrupted(&streamed.stats)?)
}

/// What the commands of a conversation need.
struct Scene<'a> {
    engine: &'a Engine,
    home: &'a Home,
    /// The system message that the user gave, if any.
    system: Option<&'a str>,
}

fn conversation(
    scene: &Scene<'_>,
    chat: &mut Chat<&Engine>,
    options: &GenerateOptions,
    console: &Console,
) -> anyhow::Result<()> {
    let engine = scene.engine;
    // The model is loaded before the first prompt, so that an unusable one is refused at once.
    engine.language()?;
    console.note(format!("{} · /help lists commands, Ctrl-D leaves", engine.foundation().id()));
    let mut lines = Vec::new();
    loop {
        let line = match read_line(&lines) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Io(reason)) if reason.kind() == std::io::ErrorKind::InvalidData => {
                console.complain(&"the line is not UTF-8");
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(reason) => return Err(reason.into()),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        lines.push(line.to_owned());
        if line == "/quit" || line == "/exit" {
            return Ok(());
        }
        // Two slashes begin a message with one.
        let done = match line.strip_prefix('/') {
            Some(message) if message.starts_with('/') => answer(chat, message, options, console),
            Some(command) => obey(command, scene, chat, console),
            None => answer(chat, line, options, console),
        };
        // A turn that fails, for instance because the window is full, leaves the conversation usable.
        if let Err(reason) = done {
            if matches!(reason.downcast_ref(), Some(crate::error::Error::OutputClosed)) {
                return Err(reason);
            }
            console.complain(&reason);
        }
    }
}

/// Reads a line with editing and the earlier `lines` to go back to.
///
/// The editor lives for one line only: for as long as it does, it takes Ctrl-C for itself, also while an answer runs.
fn read_line(lines: &[String]) -> rustyline::Result<String> {
    let mut editor = rustyline::DefaultEditor::new()?;
    for line in lines {
        editor.add_history_entry(line)?;
    }
    editor.readline("> ")
}

fn answer(chat: &mut Chat<&Engine>, line: &str, options: &GenerateOptions, console: &Console) -> anyhow::Result<()> {
    let streamed = stream(console, |sink| chat.respond(line, options, sink))?;
    Ok(streamed.show(console)?)
}

fn obey(command: &str, scene: &Scene<'_>, chat: &mut Chat<&Engine>, console: &Console) -> anyhow::Result<()> {
    let Scene { engine, home, system } = scene;
    let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match (verb, rest.trim()) {
        ("help", _) => console.line(HELP)?,
        ("clear", _) => chat.clear(),
        ("history", _) => {
            for message in chat.messages() {
                console.line(format!("{}: {}", message.role.as_str(), message.content))?;
            }
        }
        ("adapter", "") => {
            if system.is_none() {
                chat.set_instructions(None);
            }
            chat.set_adapter(None);
            console.note("the bare model answers");
        }
        ("adapter", name) => {
            let adapter = install_adapter(Path::new(name), engine, home)?;
            console.note(format!("adapter {} answers", adapter.alias));
            // An adapter expects the system message that it was trained with, unless the user chose another.
            if system.is_none() {
                chat.set_instructions(adapter.package.task().instructions.as_deref());
            }
            chat.set_adapter(Some(adapter));
        }
        (other, _) => console.complain(&format!("/{other} is no command; /help lists them")),
    }
    Ok(())
}
