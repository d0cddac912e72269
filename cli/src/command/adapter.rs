//! `loam adapter`: import, sign, inspect, install, list and remove adapters.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use loam::Engine;
use loam::adapter::{Adapter, AdapterPackage, DataPath, InstallPolicy, SignaturePolicy, check_alias};
use loam::foundation::ComponentKind;
use loam::weights::read_bounded;
use serde_json::{Value, json};

use super::inspect;
use super::model::{ADAPTER_ENDING, ModelArgs, installed_adapter, locate_adapter};
use super::signature::{self, KeyArgs, KeygenArgs, SignArgs, VerifyArgs, signature_file};
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
  loam adapter sign mine.loam --key maker.key       so that others can tell who made it
  loam adapter verify mine.loam --key maker.pub
  loam adapter remove mine";

/// How long to wait for another process that installs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Adapters above this size are no adapters; reading one whole must not exhaust memory.
const MAX_BYTES: u64 = 1 << 30;
/// As [`loam::adapter::Signature`] bounds it, and more than that.
const MAX_SIGNATURE: u64 = 1 << 20;

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
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Check an adapter against its base and keep a copy under an alias
    #[command(after_help = "Example:\n  loam adapter install mine.loam --alias mine")]
    Install(InstallArgs),
    /// List installed adapters
    #[command(after_help = "Examples:\n  loam adapter list --json\n  loam adapter list --key maker.pub")]
    List {
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Make a pair of keys to sign adapters with
    #[command(after_help = "Example:\n  loam adapter keygen --output maker      maker.key signs, maker.pub verifies")]
    Keygen(KeygenArgs),
    /// Sign a package file, as `minisign -S` does
    #[command(after_help = "Example:\n  loam adapter sign mine.loam --key maker.key      writes mine.loam.minisig")]
    Sign(SignArgs),
    /// Tell whether a package file is as one of these keys has signed it
    #[command(after_help = "Example:\n  loam adapter verify mine.loam --key maker.pub")]
    Verify(VerifyArgs),
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
        Verb::Inspect { adapter, keys } => {
            let report = inspect::adapter(&locate_adapter(adapter, home)?, &keys.policy()?)?;
            inspect::show(&report, console)
        }
        Verb::Install(args) => install(args, home, console),
        Verb::List { keys } => list(&keys.policy()?, home, console),
        Verb::Keygen(args) => signature::keygen(args, console),
        Verb::Sign(args) => signature::sign(args, console),
        Verb::Verify(args) => signature::verify(args, console),
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
        "signer": adapter.package.signer().map(|signer| signer.key().id()),
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
    let package = AdapterPackage::open_as(&args.adapter, &args.model.signatures()?)?;
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
    // Not before the package: what a crash leaves between the two is refused and not taken for signed.
    let signature = signature_file(&args.adapter);
    let signature = if args.adapter.is_file() && signature.exists() {
        Some(read_bounded(&signature, MAX_SIGNATURE)?)
    } else {
        None
    };
    write_file(&lock, &target, &content)?;
    match signature {
        Some(signature) => write_file(&lock, &signature_file(&target), &signature)?,
        None => remove_signature(&target)?,
    }
    if console.format() == Format::Json {
        console.json(&json!({ "installed": target, "adapter": report }))?;
    } else {
        console.line(format!("installed {alias} as {}", target.display()))?;
        inspect::show(&report, console)?;
    }
    Ok(())
}

/// Removes the signature of a package, which need not have one.
fn remove_signature(package: &Path) -> Result<(), Error> {
    let path = signature_file(package);
    match std::fs::remove_file(&path) {
        Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path)(reason)),
        _ => Ok(()),
    }
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

fn list(signatures: &SignaturePolicy, home: &Home, console: &Console) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for (alias, path) in installed(home)? {
        let opened = AdapterPackage::open_as(&path, signatures)
            .and_then(|package| signature::report(&package).map(|signature| (package, signature)));
        // A damaged package is listed as such: it must be possible to see and remove it.
        reports.push(match opened {
            Ok((package, signature)) => json!({
                "alias": alias,
                "path": path,
                "rank": package.config().rank,
                "component": package.task().component,
                "description": package.task().description,
                "signature": signature,
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
        let key = report.pointer("/signature/key").and_then(Value::as_str);
        let verified = report.pointer("/signature/verified").and_then(Value::as_bool).unwrap_or_default();
        let says = if verified { "signed by" } else { "says it is signed by" };
        let signed = key.map_or_else(String::new, |key| format!(" ({says} {key})"));
        let rank = report.get("rank").map_or_else(String::new, |rank| format!("rank {rank} on {}", text("component")));
        console.line(format!("{:<16} {rank:<20} {about}{signed}", text("alias")))?;
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
    remove_signature(&path)?;
    if console.format() == Format::Json {
        console.json(&json!({ "removed": path }))?;
    } else {
        console.line(format!("removed {alias}"))?;
    }
    Ok(())
}
