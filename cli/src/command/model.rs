//! Which model and which adapter a command uses.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use loam::Engine;
use loam::adapter::{Adapter, InstallPolicy, SignaturePolicy, check_alias};
use loam::dispatch::{DispatchOptions, FirstUse, Preference, Strictness};
use loam::engine::{EngineOptions, Packing};
use loam::foundation::Verify;
use loam::model::CacheType;
use loam_delegates::runtime::Libraries;
use loam_delegates::{Choice, Target};

use super::signature::policy;
use crate::error::Error;
use crate::home::Home;
use crate::pull::recipe::Recipe;

/// Foundation that commands use when none is named.
pub const DEFAULT_FOUNDATION: &str = "loam-nano";
/// Ending of installed adapter packages.
pub const ADAPTER_ENDING: &str = "loam";

/// The unit of `--budget`.
const MEGABYTE: u64 = 1_000_000;
/// A petabyte, so that no product overflows.
const MAX_BUDGET: u64 = 1_000_000_000;

/// The model of a command.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Installed foundation, foundation directory, GGUF file or Hugging Face directory
    #[arg(short, long, value_name = "NAME|PATH", default_value = DEFAULT_FOUNDATION)]
    model: PathBuf,
    /// Weights that may be loaded at a time, in MB; what was used least recently makes room [default: all]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=MAX_BUDGET))]
    budget: Option<u64>,
    /// Hash every file of a foundation before it is used; a changed byte is refused
    #[arg(long)]
    check: bool,
    /// How keys and values of a context are kept; q8 takes about half of the memory of f16 [default: f16, or f32 for a model of
    /// single precision]
    #[arg(long, value_name = "TYPE")]
    kv: Option<Kv>,
    /// Run components on what `loam compile` made for this target, where that is possible; may be given several times, the best
    /// first
    #[arg(long, value_name = "TARGET", value_parser = Target::from_str)]
    delegate: Vec<Target>,
    /// Folder of what was compiled, as `loam compile --output` was given it [default: beside the foundation]
    #[arg(long, value_name = "DIR", requires = "delegate")]
    artefacts: Option<PathBuf>,
    /// Fail where a delegate cannot run a component, instead of running it on the processor
    #[arg(long, requires = "delegate")]
    strict: bool,
    /// Compile a component when it is first used and nothing was compiled for the delegate, in a process of its own; minutes, once.
    /// `loam compile` does so ahead of time, with samples of other data than texts
    #[arg(long, requires = "delegate")]
    compile: bool,
    /// Use adapters only that this public key has signed; may be given several times, for one of several
    #[arg(long, value_name = "PUBFILE")]
    require_signature: Vec<PathBuf>,
}

/// `--kv` as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kv {
    F32,
    F16,
    Q8,
}

impl From<Kv> for CacheType {
    fn from(kv: Kv) -> Self {
        match kv {
            Kv::F32 => Self::F32,
            Kv::F16 => Self::F16,
            Kv::Q8 => Self::Q8,
        }
    }
}

impl ModelArgs {
    /// Opens the model; a path that exists wins over an installed name.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] with the command that would fetch it; as [`Engine::open`] otherwise.
    pub fn open(&self, home: &Home) -> anyhow::Result<Engine> {
        let budget = self.budget.map(|megabytes| megabytes * MEGABYTE);
        let verify = if self.check { Verify::Digests } else { Verify::Sizes };
        let options = EngineOptions {
            component_budget: budget,
            verify,
            packing: Packing::In(home.packed()),
            cache: self.kv.map(CacheType::from),
            signatures: self.signatures()?,
            dispatch: self.dispatch(home)?,
            ..EngineOptions::default()
        };
        let engine = Engine::open_with(self.path(home)?, options)?;
        advise(&engine);
        Ok(engine)
    }

    /// What is not as usual and changes answers or what they take, as it was typed; empty where all is.
    #[must_use]
    pub fn told(&self) -> String {
        let budget = self.budget.map(|megabytes| format!("--budget {megabytes}"));
        let kv = self.kv.and_then(|kv| Some(format!("--kv {}", kv.to_possible_value()?.get_name())));
        let delegates = self.delegate.iter().map(|target| format!("--delegate {}", target.name()));
        budget.into_iter().chain(kv).chain(delegates).collect::<Vec<_>>().join(" ")
    }

    /// Whether a delegate is named.
    #[must_use]
    pub fn asks_delegates(&self) -> bool {
        !self.delegate.is_empty()
    }

    /// Delegates that the user asked for, and what was found out about them before.
    fn dispatch(&self, home: &Home) -> anyhow::Result<DispatchOptions> {
        let compiler = self.compile.then(std::env::current_exe).transpose().context("this program's own file")?;
        let choice = Choice {
            targets: self.delegate.clone(),
            libraries: Libraries::of_environment(),
            artefacts: self.artefacts.clone(),
            preference: Preference::Delegate,
            strictness: if self.strict { Strictness::Strict } else { Strictness::Fallback },
            // A command does one thing and ends: it waits for what an app would do meanwhile.
            first_use: FirstUse::Waits,
            compiler,
            ..Choice::default()
        };
        let mut options = choice.dispatch(&self.path(home)?)?;
        if let Some(preparation) = &mut options.preparation {
            preparation.arguments.extend(["--home".into(), home.root().into()]);
        }
        Ok(options)
    }

    /// Whose adapters may be used.
    ///
    /// # Errors
    /// [`loam::Error::Io`] or [`loam::Error::Malformed`] for what is no public key.
    pub fn signatures(&self) -> loam::Result<SignaturePolicy> {
        policy(&self.require_signature)
    }

    /// Where the model lies.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub fn path(&self, home: &Home) -> Result<PathBuf, Error> {
        locate_model(&self.model, home)
    }
}

/// Says so when a newer version of a built-in foundation is there to be pulled.
fn advise(engine: &Engine) {
    let foundation = engine.foundation();
    let current = Recipe::built_in_version(foundation.id());
    let Some((current, found)) = current.as_deref().zip(foundation.version()) else { return };
    if current != found {
        let id = foundation.id();
        log::warn!("{id} {found} is installed, this program brings {current}; run `loam pull {id}`");
    }
}

/// Where the model `name` lies: a path that exists, else an installed foundation.
///
/// # Errors
/// [`Error::NotInstalled`].
pub fn locate_model(name: &Path, home: &Home) -> Result<PathBuf, Error> {
    if name.exists() {
        return Ok(name.to_path_buf());
    }
    let label = name.display().to_string();
    home.recover();
    let place = home.foundation(&label);
    if check_alias(&label).is_ok() && place.is_dir() {
        return Ok(place);
    }
    let reason = if label == DEFAULT_FOUNDATION {
        "run `loam pull loam-nano`".to_owned()
    } else {
        "no such file or directory, and no foundation of that name".to_owned()
    };
    Err(Error::NotInstalled { what: label, place: home.foundations(), reason })
}

/// The adapter of a command.
#[derive(Debug, Clone, Args)]
pub struct AdapterArgs {
    /// Installed adapter, package file or PEFT directory
    #[arg(short, long, value_name = "ALIAS|PATH")]
    adapter: Option<PathBuf>,
}

impl AdapterArgs {
    /// Binds the adapter to `engine`, if one is named.
    ///
    /// # Errors
    /// As [`install_adapter`].
    pub fn install(&self, engine: &Engine, home: &Home) -> anyhow::Result<Option<Arc<Adapter>>> {
        self.adapter.as_deref().map(|name| install_adapter(name, engine, home)).transpose()
    }
}

/// Binds the adapter `name` (a path that exists, else an installed alias) to `engine`.
///
/// # Errors
/// [`Error::NotInstalled`]; as [`Engine::install`] otherwise.
pub fn install_adapter(name: &Path, engine: &Engine, home: &Home) -> anyhow::Result<Arc<Adapter>> {
    let path = locate_adapter(name, home)?;
    let alias = path.file_stem().map_or_else(|| "adapter".into(), |stem| stem.to_string_lossy().into_owned());
    Ok(engine.install(&alias, &path, InstallPolicy::Upsert)?)
}

/// Where the adapter `name` lies.
///
/// # Errors
/// [`Error::NotInstalled`].
pub fn locate_adapter(name: &Path, home: &Home) -> Result<PathBuf, Error> {
    if name.exists() {
        return Ok(name.to_path_buf());
    }
    let alias = name.display().to_string();
    let place = installed_adapter(&alias, home);
    if check_alias(&alias).is_ok() && place.is_file() {
        return Ok(place);
    }
    let reason = "no such file or directory, and no adapter of that alias; see `loam adapter list`".to_owned();
    Err(Error::NotInstalled { what: alias, place: home.adapters(), reason })
}

/// File of an installed adapter.
pub fn installed_adapter(alias: &str, home: &Home) -> PathBuf {
    home.adapters().join(format!("{alias}.{ADAPTER_ENDING}"))
}
