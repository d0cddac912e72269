//! `loam foundation`: builds a foundation from checkpoints, proves an installed one, lists them.

mod build;
mod gather;
mod list;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::command::model::DEFAULT_FOUNDATION;
use crate::console::Console;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam foundation build mine.toml                 assemble and install what the recipe describes
  loam foundation build mine.toml --output DIR    assemble it elsewhere
  loam foundation verify                          hash every file of the default foundation
  loam foundation list

docs/foundation.md describes recipes and manifests.";

const BUILD_EXAMPLES: &str = "\
Example:
  loam foundation build mine.toml --output mine

Paths in the recipe are relative to it. Everything is put together beside the \
target, every component is opened once, and then it takes its place in one \
step: a build that is interrupted or fails leaves what was there.";

/// `loam foundation` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct FoundationArgs {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with foundations.
#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Assemble a foundation from checkpoints on this machine, addresses and wheels, as a recipe says
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BuildArgs),

    /// Prove that every file is there, that none was added to a component, and that every byte is as the manifest says
    #[command(after_help = "Example:\n  loam foundation verify mine --json")]
    Verify {
        /// Installed foundation or foundation directory
        #[arg(value_name = "NAME|DIR", default_value = DEFAULT_FOUNDATION)]
        foundation: PathBuf,
    },

    /// List installed foundations and their components
    #[command(after_help = "Example:\n  loam foundation list --json")]
    List,
}

/// `loam foundation build` as typed.
#[derive(Debug, Clone, Args)]
pub(crate) struct BuildArgs {
    /// The recipe
    recipe: PathBuf,

    /// Where the foundation is put; installed under its id by default
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Replace a foundation that is there
    #[arg(long)]
    replace: bool,

    /// Take wheels from this directory only
    #[arg(long, value_name = "DIR", conflicts_with = "index_url")]
    from: Option<PathBuf>,

    /// Package index for wheels, as of `loam pull`
    #[arg(long, value_name = "URL")]
    index_url: Option<String>,

    /// How often a failing request is tried again
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,

    /// How long to wait for another loam that is installing
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

/// Does what `args` says.
///
/// # Errors
/// The engine's, those of fetching, and [`crate::error::Error::Io`].
pub fn run(args: &FoundationArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Build(args) => build::run(args, home, console),
        Verb::Verify { foundation } => verify::run(foundation, home, console),
        Verb::List => list::run(home, console),
    }
}
