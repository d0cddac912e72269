//! The command line: what the user typed ([`Typed`]) and what it means ([`Invocation`]).
//!
//! Parsing decides nothing and touches no file; the second stage turns flags into the types that commands work with.
//! Each command keeps its own arguments in its own module and adds one line to each of the two enums here.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use loam::task::{TASKS, TaskSpec};

use crate::bench::BenchCommand;
use crate::command::adapter::AdapterCommand;
use crate::command::answer::{AnswerArgs, CaptionArgs};
use crate::command::chat::ChatArgs;
use crate::command::classify::ClassifyArgs;
use crate::command::crowd::CrowdArgs;
use crate::command::embed::EmbedArgs;
use crate::command::eval::EvalArgs;
use crate::command::generate::GenerateArgs;
use crate::command::inspect::InspectArgs;
use crate::command::logits::LogitsArgs;
use crate::command::ops::OpsArgs;
use crate::command::perplexity::PerplexityArgs;
use crate::command::place::{CountArgs, DetectArgs, LocateArgs, SegmentArgs};
use crate::command::places::PlacesArgs;
use crate::command::regress::RegressArgs;
use crate::command::retrieve::RetrieveArgs;
use crate::command::sense::SenseArgs;
use crate::command::speak::SpeakArgs;
use crate::command::speed::SpeedArgs;
use crate::command::spell::SpellArgs;
use crate::command::tag::TagArgs;
use crate::command::tasks::TasksArgs;
use crate::command::top::TopArgs;
use crate::command::tour::TourArgs;
use crate::command::transcribe::TranscribeArgs;
use crate::command::upscale::UpscaleArgs;
use crate::compile::CompileArgs;
use crate::console::{Console, Detail, Format};
use crate::error::Result;
use crate::foundation;
use crate::home::{HOME_VARIABLE, Home};
use crate::pull;

const OVERVIEW: &str = "\
Examples:
  loam pull loam-nano               fetch the built-in foundation
  loam chat 'Why is the sky blue?'  one answer; without a message: a conversation
  loam classify 'Rain until Friday' --labels weather,sports
  loam transcribe talk.mp3 -m DIR   speech to text
  loam tour                         everything in turn

Results go to standard output, everything else to standard error.

Exit codes: 0 success, 1 unexpected, 2 wrong argument, 3 file not readable or \
writable, 4 malformed file, 5 unsupported, 6 missing or misshapen tensor, 7 \
adapter refused, 8 no such adapter, 9 wrong digest, 10 context full, 11 no such \
component, 12 tokenizer or template, 13 stopped by the receiver, 14 out of the memory budget, \
18 signature of an adapter, 19 no delegate, 20 network, 21 no index, 22 package not found, 23 another loam installs, 24 not installed, 130 \
Ctrl-C.";

const COMPLETION_EXAMPLES: &str = "\
Example:
  loam completions bash > ~/.local/share/bash-completion/completions/loam";

/// One frozen foundation model on this device, one small adapter per task
#[derive(Debug, Parser)]
#[command(name = "loam", version, propagate_version = true, after_help = OVERVIEW)]
pub struct Typed {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: TypedCommand,
}

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Globals {
    /// Write results as JSON
    #[arg(long, global = true)]
    json: bool,

    /// Say what is done and why; twice: also what the libraries do
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,

    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Directory for foundations, adapters and downloads [env: LOAM_HOME] [default: "loam" in the user's cache]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
}

/// The commands as typed.
#[derive(Debug, Subcommand)]
enum TypedCommand {
    /// Fetch a foundation, check every byte and install it
    Pull(pull::PullArgs),

    /// Build, verify and list foundations
    Foundation(foundation::FoundationArgs),

    #[command(flatten)]
    Run(Box<Run>),

    /// Write a completion script for a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Typed {
    /// All commands; summaries and examples of tasks come from their table.
    pub fn definition() -> Command {
        TASKS.iter().fold(Self::command(), |command, task| {
            command.mut_subcommand(task.name, |own| own.about(task.summary).after_help(examples(task)))
        })
    }

    /// Reads the program's arguments.
    ///
    /// # Errors
    /// What is wrong with them, or the help that they ask for.
    pub fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::definition().try_get_matches()?)
    }
}

/// A task's examples as help shows them: what each is about stands beside it, or below it where it is long.
fn examples(task: &TaskSpec) -> String {
    const COLUMN: usize = 60;
    let lines = task.examples.iter().map(|(command, about)| match command.len() {
        0..COLUMN => format!("\n  {command:<COLUMN$}  {about}"),
        _ => format!("\n  {command}\n  {:<COLUMN$}  {about}", ""),
    });
    format!("Examples:{}", lines.collect::<String>())
}

/// What the user wants.
#[derive(Debug)]
pub struct Invocation {
    /// Where results, notes and progress go.
    pub console: Console,
    /// What to log: the program's own messages, or all.
    pub logging: Logging,
    /// The command.
    pub action: Action,
    home: Option<PathBuf>,
}

/// The commands as meant.
#[derive(Debug)]
pub enum Action {
    /// `loam pull`.
    Pull(pull::Request),
    /// `loam foundation`.
    Foundation(foundation::FoundationArgs),
    /// A command that runs the engine.
    Run(Box<Run>),
    /// `loam completions`.
    Completions(Shell),
}

/// Commands that run the engine: as typed is as meant. Those of tasks have their words from [`TASKS`].
#[derive(Debug, Subcommand)]
pub enum Run {
    Chat(ChatArgs),

    Generate(GenerateArgs),

    Classify(ClassifyArgs),

    Embed(EmbedArgs),

    Tag(TagArgs),

    Regress(RegressArgs),

    Segment(SegmentArgs),

    Detect(DetectArgs),

    Locate(LocateArgs),

    Count(CountArgs),

    Retrieve(RetrieveArgs),

    Sense(SenseArgs),

    Answer(AnswerArgs),

    Caption(CaptionArgs),

    Transcribe(TranscribeArgs),

    Spell(SpellArgs),

    Speak(SpeakArgs),

    Upscale(UpscaleArgs),

    /// List what can be asked for, and what each task runs
    Tasks(TasksArgs),

    /// Import, sign, inspect, install, list and remove adapters
    Adapter(AdapterCommand),

    /// Score an adapter, and the bare foundation, on a data folder
    Eval(EvalArgs),

    /// Measure the tasks of eAIBench, compare and report them
    Bench(BenchCommand),

    /// Show what a foundation, model or adapter holds
    Inspect(InspectArgs),

    /// Count the operators of a foundation's graphs, and those of models of one task each
    Ops(OpsArgs),

    /// Teacher-forced logits of a text
    Logits(LogitsArgs),

    /// How well a model predicts a text
    Perplexity(PerplexityArgs),

    /// Compile components for NPUs and other processors
    Compile(CompileArgs),

    /// Show what components run on: delegates or the processor, and why
    Places(PlacesArgs),

    /// Measure prefill and decode rates
    Speed(SpeedArgs),

    /// Measure what many apps at once get
    Crowd(CrowdArgs),

    /// Watch what a service is doing
    Top(TopArgs),

    /// See everything in turn, on real input
    Tour(TourArgs),
}

/// How much of the log is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logging {
    /// Errors and warnings of this program.
    Warnings,
    /// What this program does.
    Steps,
    /// All that it and its libraries say.
    Everything,
}

impl From<Typed> for Invocation {
    fn from(typed: Typed) -> Self {
        let globals = typed.globals;
        let detail = match (globals.quiet, globals.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Normal,
            (false, _) => Detail::Verbose,
        };
        let logging = match globals.verbose {
            0 => Logging::Warnings,
            1 => Logging::Steps,
            _ => Logging::Everything,
        };
        let format = if globals.json { Format::Json } else { Format::Text };
        let action = match typed.command {
            TypedCommand::Pull(arguments) => Action::Pull(arguments.into()),
            TypedCommand::Foundation(arguments) => Action::Foundation(arguments),
            TypedCommand::Run(run) => Action::Run(run),
            TypedCommand::Completions { shell } => Action::Completions(shell),
        };
        Self { console: Console::new(format, detail), logging, action, home: globals.home }
    }
}

impl Invocation {
    /// The home directory: `--home`, else the environment, else the platform's default. It need not exist.
    ///
    /// # Errors
    /// [`crate::error::Error::Argument`] if this user has none.
    pub fn home(&self) -> Result<Home> {
        if let Some(root) = &self.home {
            return Ok(Home::at(root));
        }
        match std::env::var_os(HOME_VARIABLE).filter(|root| !root.is_empty()) {
            Some(root) => Ok(Home::at(root)),
            None => Home::default_root().map(Home::at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent() {
        Typed::definition().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Typed::definition().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains(&format!("loam {}", command.get_name())), "{command}");
        }
    }

    /// What a shell would make of an example: the words after `loam`, up to a pipe.
    fn words(command: &str) -> Vec<String> {
        let own = &command[command.find("loam ").expect("the program's name")..];
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in own.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                '|' | '>' if !quoted => break,
                c => words.last_mut().expect("a word").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn examples_of_tasks_are_accepted_by_their_commands() {
        for task in TASKS {
            for (command, _) in task.examples {
                let found = Typed::definition().try_get_matches_from(words(command));
                let found = found.unwrap_or_else(|reason| panic!("{command}: {reason}"));
                assert_eq!(found.subcommand_name(), Some(task.name), "{command}");
            }
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for words in [
            "loam pull",
            "loam pull a --recipe b",
            "loam pull a --force --verify",
            "loam pull a --from b --index-url c",
            "loam pull a --list",
            "loam -v -q pull a",
            "loam pull a --retries 99",
        ] {
            assert!(Typed::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
        let list = Typed::try_parse_from(["loam", "--json", "pull", "--list"]).map(Invocation::from);
        assert!(matches!(list.expect("accepted").action, Action::Pull(pull::Request::List)));
    }
}
