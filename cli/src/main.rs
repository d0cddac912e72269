//! The `loam` program: parses, dispatches, and turns errors into exit codes. Commands live in their own modules.

mod args;
mod audio;
mod bench;
mod command;
mod compile;
mod completions;
mod console;
mod data;
mod digest;
mod error;
mod eval;
mod foundation;
mod home;
mod install;
mod mp4;
mod progress;
mod pull;

use std::io::Write;
use std::process::ExitCode;

use args::{Action, Invocation, Logging, Run, Typed};
use console::{Console, Detail, Format};
use error::Error;
use home::Home;

/// Name of the environment variable that overrides what is logged.
const LOG_VARIABLE: &str = "LOAM_LOG";

/// Exit code of an error that no type tells more about.
const UNKNOWN_FAILURE: u8 = 1;

fn main() -> ExitCode {
    let typed = match Typed::read() {
        Ok(typed) => typed,
        Err(reason) => {
            // Help and version arrive here too; a closed pipe is no failure.
            let _ = reason.print();
            if reason.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                let error = serde_json::json!({ "error": { "code": reason.exit_code(), "message": told(&reason) } });
                let _ = Console::new(Format::Json, Detail::Normal).json(&error);
            }
            return ExitCode::from(u8::try_from(reason.exit_code()).unwrap_or(UNKNOWN_FAILURE));
        }
    };
    let invocation = Invocation::from(typed);
    start_log(invocation.logging);
    let code = match dispatch(&invocation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => report(&reason, &invocation.console),
    };
    console::close();
    code
}

/// What clap says is wrong, without the usage behind it.
fn told(reason: &clap::Error) -> String {
    let message = reason.to_string();
    let lines = message.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

fn dispatch(invocation: &Invocation) -> anyhow::Result<()> {
    let console = &invocation.console;
    match &invocation.action {
        Action::Pull(request) => pull::run(request, &invocation.home()?, console)?,
        Action::Foundation(arguments) => foundation::run(arguments, &invocation.home()?, console)?,
        Action::Run(run) => engine(run, &invocation.home()?, console)?,
        Action::Completions(shell) => completions::run(*shell, console)?,
    }
    Ok(())
}

fn engine(run: &Run, home: &Home, console: &Console) -> anyhow::Result<()> {
    command::interrupt::listen();
    match run {
        Run::Chat(args) => command::chat::run(args, home, console),
        Run::Generate(args) => command::generate::run(args, home, console),
        Run::Classify(args) => command::classify::run(args, home, console),
        Run::Embed(args) => command::embed::run(args, home, console),
        Run::Tag(args) => command::tag::run(args, home, console),
        Run::Regress(args) => command::regress::run(args, home, console),
        Run::Segment(args) => command::place::segment(args, home, console),
        Run::Detect(args) => command::place::detect(args, home, console),
        Run::Locate(args) => command::place::locate(args, home, console),
        Run::Count(args) => command::place::count(args, home, console),
        Run::Retrieve(args) => command::retrieve::run(args, home, console),
        Run::Sense(args) => command::sense::run(args, home, console),
        Run::Answer(args) => command::answer::answer(args, home, console),
        Run::Caption(args) => command::answer::caption(args, home, console),
        Run::Transcribe(args) => command::transcribe::run(args, home, console),
        Run::Spell(args) => command::spell::run(args, home, console),
        Run::Speak(args) => command::speak::run(args, home, console),
        Run::Upscale(args) => command::upscale::run(args, home, console),
        Run::Tasks(args) => command::tasks::run(args, console),
        Run::Adapter(args) => command::adapter::run(args, home, console),
        Run::Bench(args) => bench::run(args, home, console),
        Run::Eval(args) => command::eval::run(args, home, console),
        Run::Inspect(args) => command::inspect::run(args, home, console),
        Run::Ops(args) => command::ops::run(args, home, console),
        Run::Logits(args) => command::logits::run(args, home, console),
        Run::Perplexity(args) => command::perplexity::run(args, home, console),
        Run::Crowd(args) => command::crowd::run(args, home, console),
        Run::Top(args) => command::top::run(args, console),
        Run::Compile(args) => compile::run(args, home, console),
        Run::Places(args) => command::places::run(args, home, console),
        Run::Speed(args) => command::speed::run(args, home, console),
        Run::Tour(args) => command::tour::run(args, home, console),
    }
}

/// Shows an error and returns its exit code.
fn report(reason: &anyhow::Error, console: &Console) -> ExitCode {
    let code = exit_code(reason);
    // Ctrl-C needs no message: who pressed it knows.
    if code != 0 && code != command::interrupt::EXIT_CODE {
        let mut message = reason.to_string();
        if let Some(loam::Error::Delegate { reason, .. }) = reason.downcast_ref()
            && *reason == loam::dispatch::Reason::NotCompiled.to_string()
        {
            message += "; `loam compile` does it ahead of time, `--compile` now";
        }
        let _ = writeln!(std::io::stderr().lock(), "loam: {message}");
        if console.format() == Format::Json {
            let _ = console.json(&serde_json::json!({ "error": { "code": code, "message": message } }));
        }
    }
    ExitCode::from(code)
}

fn exit_code(reason: &anyhow::Error) -> u8 {
    let own = reason.downcast_ref::<Error>().map(Error::code);
    let engine = || reason.downcast_ref::<loam::Error>().map(loam::Error::code);
    let service = || reason.downcast_ref::<loam_service::Error>().map(loam_service::Error::code);
    own.or_else(engine).or_else(service).unwrap_or(UNKNOWN_FAILURE)
}

fn start_log(logging: Logging) {
    let filter = match logging {
        Logging::Warnings => "loam=warn",
        Logging::Steps => "loam=info",
        Logging::Everything => "debug",
    };
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| filter.to_owned());
    env_logger::Builder::new().parse_filters(&filter).format_timestamp(None).init();
}
