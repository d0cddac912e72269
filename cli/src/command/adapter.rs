//! `loam adapter`: import, inspect, install, list and remove adapters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use loam::Engine;
use loam::adapter::{Adapter, AdapterPackage, DataPath, InstallPolicy, check_alias};
use loam::foundation::ComponentKind;
use serde_json::{Value, json};

use super::inspect;
use super::model::{ADAPTER_ENDING, ModelArgs, installed_adapter, locate_adapter};
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;
use crate::install::write_file;

const EXAMPLES: &str = "\
Examples:
  loam adapter import peft_dir --output mine.loam   a PEFT directory as one file, bound to the default foundation
  loam adapter inspect mine.loam                    rank, targets, size, task, digest
  loam adapter install mine.loam --alias mine       check it against the foundation and keep it
  loam adapter list
  loam adapter remove mine";

/// How long to wait for another process that installs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Adapters above this size are no adapters; reading one whole must not exhaust memory.
const MAX_BYTES: u64 = 1 << 30;

/// `loam adapter` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct AdapterCommand {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with adapters.
#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Turn a PEFT directory into one file that is bound to this base
    #[command(
        after_help = "Examples:\n  loam adapter import peft_dir --output mine.loam --instructions 'Answer briefly.'\n  \
                      loam adapter import peft_dir --output birds.loam --component image --model clip-vit-base-patch32\n\n\
                      A task.json in the directory says more: docs/adapters.md."
    )]
    Import(ImportArgs),
    /// Show what an adapter is
    #[command(after_help = "Example:\n  loam adapter inspect mine.loam --json")]
    Inspect {
        /// Package file, PEFT directory or installed alias
        adapter: PathBuf,
    },
    /// Check an adapter against its base and keep a copy under an alias
    #[command(after_help = "Example:\n  loam adapter install mine.loam --alias mine")]
    Install(InstallArgs),
    /// List installed adapters
    #[command(after_help = "Example:\n  loam adapter list --json")]
    List,
    /// Remove an installed adapter
    #[command(after_help = "Example:\n  loam adapter remove mine")]
    Remove {
        /// Its alias
        alias: String,
    },
}

#[derive(Debug, Clone, Args)]
struct ImportArgs {
    /// Directory with adapter_config.json and adapter_model.safetensors
    directory: PathBuf,
    /// Package file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Component of the foundation that it acts on; what its task.json says, else the backbone
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Name to suggest for it
    #[arg(long)]
    name: Option<String>,
    /// What it does
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// System message that it was trained with
    #[arg(long, value_name = "TEXT")]
    instructions: Option<String>,
    /// Class names, separated by commas
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    labels: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Debug, Clone, Args)]
struct InstallArgs {
    /// Package file or PEFT directory
    adapter: PathBuf,
    /// Name to call it by; its own name by default
    #[arg(long)]
    alias: Option<String>,
    /// Replace an installed adapter of that alias
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Does what was asked.
///
/// # Errors
/// The engine's and the console's.
pub fn run(command: &AdapterCommand, home: &Home, console: &Console) -> anyhow::Result<()> {
    match &command.verb {
        Verb::Import(args) => import(args, home, console),
        Verb::Inspect { adapter } => {
            let report = inspect::adapter(&locate_adapter(adapter, home)?)?;
            inspect::show(&report, console)
        }
        Verb::Install(args) => install(args, home, console),
        Verb::List => list(home, console),
        Verb::Remove { alias } => remove(alias, home, console),
    }
}

/// Binds the adapter, so that one that does not fit is refused before anything is written.
fn bound_report(engine: &Engine, alias: &str, package: AdapterPackage) -> anyhow::Result<(Value, Arc<Adapter>)> {
    let adapter = engine.install_package(alias, package, InstallPolicy::Upsert)?;
    let base = engine.adaptable_parameters(&adapter.package.task().component)?;
    let share = adapter.bound.parameters as f64 / base as f64;
    let report = json!({
        "alias": alias,
        "component": adapter.package.task().component,
        "rank": adapter.bound.rank,
        "parameters": adapter.bound.parameters,
        "share_of_base": share,
        "bytes": adapter.bytes(),
    });
    Ok((report, adapter))
}

fn import(args: &ImportArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let engine = args.model.open(home)?;
    let mut package = AdapterPackage::open(&args.directory)?;
    let mut task = package.task().clone();
    if args.name.is_some() {
        task.name.clone_from(&args.name);
    }
    task.name.get_or_insert_with(|| package.name().to_owned());
    if args.description.is_some() {
        task.description.clone_from(&args.description);
    }
    if args.instructions.is_some() {
        task.instructions.clone_from(&args.instructions);
    }
    if !args.labels.is_empty() {
        task.labels.clone_from(&args.labels);
    }
    if let Some(name) = &args.component {
        task.component.clone_from(name);
        let kind = engine.foundation().named(name)?.kind();
        task.path = match kind {
            ComponentKind::Encoder(_) => DataPath::Encoder,
            ComponentKind::Projector(_) | ComponentKind::VisionLanguage => DataPath::EncoderBackbone,
            _ => DataPath::Backbone,
        };
    }
    let component = engine.foundation().named(&task.component)?;
    task.base.insert(task.component.clone(), component.fingerprint()?.to_owned());
    package.set_task(task);
    let alias = package.name().to_owned();
    let (report, adapter) = bound_report(&engine, &alias, package)?;
    adapter.package.save(&args.output)?;
    let bytes = std::fs::metadata(&args.output).map_err(Error::io(&args.output))?.len();
    if console.format() == Format::Json {
        console.json(&json!({ "package": args.output, "bytes": bytes, "bound": report }))?;
    } else {
        console.line(format!("{} ({bytes} bytes), bound to {}", args.output.display(), component.name()))?;
    }
    Ok(())
}

fn install(args: &InstallArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let engine = args.model.open(home)?;
    let package = AdapterPackage::open(&args.adapter)?;
    let alias = args.alias.clone().unwrap_or_else(|| package.name().to_owned());
    check_alias(&alias)?;
    let (report, adapter) = bound_report(&engine, &alias, package)?;
    let package = &adapter.package;
    let lock = home.lock(PATIENCE, || console.note("waiting for another loam that installs"))?;
    let target = installed_adapter(&alias, home);
    if target.exists() && !args.replace {
        return Err(Error::Argument {
            name: "alias",
            reason: format!("'{alias}' is installed already; --replace replaces it"),
        }
        .into());
    }
    // A PEFT directory is kept as one file.
    let content = if args.adapter.is_dir() {
        let one_file = home.downloads().join(format!("{alias}.{}.import", std::process::id()));
        package.save(&one_file)?;
        let content = std::fs::read(&one_file).map_err(Error::io(&one_file));
        std::fs::remove_file(&one_file).map_err(Error::io(&one_file))?;
        content?
    } else {
        let size = std::fs::metadata(&args.adapter).map_err(Error::io(&args.adapter))?.len();
        if size > MAX_BYTES {
            return Err(Error::malformed(
                args.adapter.display(),
                "adapter",
                format!("{size} bytes, the limit is {MAX_BYTES}"),
            )
            .into());
        }
        std::fs::read(&args.adapter).map_err(Error::io(&args.adapter))?
    };
    write_file(&lock, &target, &content)?;
    if console.format() == Format::Json {
        console.json(&json!({ "installed": target, "adapter": report }))?;
    } else {
        console.line(format!("installed {alias} as {}", target.display()))?;
        inspect::show(&report, console)?;
    }
    Ok(())
}

/// Installed packages with their aliases, in order.
///
/// # Errors
/// [`Error::Io`].
fn installed(home: &Home) -> Result<Vec<(String, PathBuf)>, Error> {
    let directory = home.adapters();
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(Error::io(&directory))? {
        let path = entry.map_err(Error::io(&directory))?.path();
        let alias = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|e| e == ADAPTER_ENDING) && check_alias(&alias).is_ok() {
            found.push((alias, path));
        }
    }
    found.sort();
    Ok(found)
}

fn list(home: &Home, console: &Console) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for (alias, path) in installed(home)? {
        // A damaged package is listed as such: it must be possible to see and remove it.
        reports.push(match AdapterPackage::open(&path) {
            Ok(package) => json!({
                "alias": alias,
                "path": path,
                "rank": package.config().rank,
                "component": package.task().component,
                "description": package.task().description,
            }),
            Err(reason) => json!({ "alias": alias, "path": path, "error": reason.to_string() }),
        });
    }
    if console.format() == Format::Json {
        return Ok(console.json(&json!({ "adapters": reports }))?);
    }
    if reports.is_empty() {
        console.note(format!("no adapter in {}", home.adapters().display()));
    }
    for report in &reports {
        let text = |field: &str| report.get(field).and_then(Value::as_str).unwrap_or_default();
        let about = if report.get("error").is_some() { text("error") } else { text("description") };
        let rank = report.get("rank").map_or_else(String::new, |rank| format!("rank {rank} on {}", text("component")));
        console.line(format!("{:<16} {rank:<20} {about}", text("alias")))?;
    }
    Ok(())
}

fn remove(alias: &str, home: &Home, console: &Console) -> anyhow::Result<()> {
    check_alias(alias)?;
    let _lock = home.lock(PATIENCE, || console.note("waiting for another loam that installs"))?;
    let path = installed_adapter(alias, home);
    if !path.is_file() {
        return Err(loam::Error::UnknownAdapter(alias.to_owned()).into());
    }
    std::fs::remove_file(&path).map_err(Error::io(&path))?;
    if console.format() == Format::Json {
        console.json(&json!({ "removed": path }))?;
    } else {
        console.line(format!("removed {alias}"))?;
    }
    Ok(())
}
