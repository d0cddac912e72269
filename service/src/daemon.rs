//! The daemon: opens a foundation, listens, and ends cleanly.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use loam::adapter::SignaturePolicy;
use loam::budget::MemoryLimits;
use loam::engine::EngineOptions;
use loam_service::{Error, Limits, Listener, Result, Server};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::Args;

/// Name of the environment variable that overrides what is logged.
const LOG_VARIABLE: &str = "LOAM_LOG";

/// Runs until it is asked to end; the exit code is the error's.
pub fn main() -> ExitCode {
    loam::engine::keep_memory_tight();
    let args = Args::parse();
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| args.filter().to_owned());
    env_logger::Builder::new().parse_filters(&filter).init();
    // Before there is a socket that others could open, and a file that others could read.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "loamd: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// As many descriptors as this process may have: each call of a client may bring some.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit on descriptors stays: {error}");
    }
}

fn run(args: &Args) -> Result<()> {
    raise_limit();
    let keys = args.trusted_keys()?;
    let (quotas, by_app) = args.quotas();
    let bytes = |megabytes: u64| megabytes.saturating_mul(1_000_000);
    let options = EngineOptions {
        component_budget: args.budget.map(bytes),
        memory: MemoryLimits { budget: args.memory.map(bytes), ..MemoryLimits::default() },
        swap: Some(args.swap.clone().unwrap_or_else(|| args.state.clone())),
        cache: args.cache,
        dispatch: args.dispatch()?,
        ..EngineOptions::default()
    };
    let engine = Arc::new(loam::Engine::open_with(&args.foundation, options)?);
    let server = Server::open(engine, &args.state, Limits::default())?;
    server.set_default_quotas(quotas);
    by_app.iter().try_for_each(|(app, quotas)| server.set_quotas(app, *quotas))?;
    keys.into_iter().for_each(|(app, keys)| server.set_signatures(&app, SignaturePolicy::Required(keys)));
    let listener = Arc::new(Listener::bind(&args.socket, args.mode, args.users())?);
    let ending = Arc::clone(&listener);
    ctrlc::set_handler(move || ending.end()).map_err(|error| Error::Internal { reason: error.to_string() })?;
    log::info!("{} listens on {}", server.engine().foundation().id(), args.socket.display());
    listener.serve(&server)?;
    log::info!("ended");
    Ok(())
}
