//! `loam inspect`: what a file or directory holds: foundations, models, adapters, sound files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use loam::Engine;
use loam::adapter::{AdapterPackage, SignaturePolicy};
use loam::engine::{
    GenerateOptions, Loading, Part, ProcessMemory, Request, SpeechGenerator, Upscaler, VisionLanguageModel,
};
use loam::foundation::{ComponentKind, Foundation, Verify};
use loam::model::Modality;
use loam::model::encoder::TextEncoder;
use loam::weights::{Checkpoint, TensorInfo, sha256_file};
use serde::Serialize;
use serde_json::{Value, json};

use super::model::{DEFAULT_FOUNDATION, locate_adapter, locate_model};
use super::signature;
use crate::audio::{AudioFile, is_named_as_sound};
use crate::console::{Console, Format};
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam inspect                       the default foundation: components, files, digests
  loam inspect model.gguf --tensors  every tensor's name, type, shape and size
  loam inspect shell                 an installed adapter
  loam inspect speech.flac           a sound file, decoded to its end
  loam inspect --memory              load it, generate 32 tokens, show time and memory
  loam inspect --verify              hash every file of the foundation";

/// `loam inspect` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// Foundation, GGUF file, Hugging Face directory, adapter package, PEFT directory, sound file, or the name of an
    /// installed one
    #[arg(default_value = DEFAULT_FOUNDATION)]
    target: PathBuf,
    /// List every tensor
    #[arg(long)]
    tensors: bool,
    /// Load the language model, generate, and show time, page faults and memory
    #[arg(long)]
    memory: bool,
    /// Hash the files and compare with the manifest
    #[arg(long)]
    verify: bool,
}

/// Shows what the target holds.
///
/// # Errors
/// The engine's and the console's.
pub fn run(args: &InspectArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    if is_named_as_sound(&args.target) {
        return show(&sound(&args.target)?, console);
    }
    let (path, is_adapter) = locate(&args.target, home)?;
    if is_adapter {
        return show(&adapter(&path, &SignaturePolicy::Any)?, console);
    }
    if args.memory {
        return memory(&path, console);
    }
    let foundation = Foundation::open(&path)?;
    if args.verify {
        let total =
            foundation.components().iter().filter_map(|c| c.record()).flat_map(|r| &r.files).map(|f| f.bytes).sum();
        let progress = console.progress("verifying", Some(total));
        foundation.verify(Verify::Digests, |bytes| progress.advance(bytes))?;
        progress.done();
    }
    show(&describe(&foundation, args)?, console)
}

/// Decodes the whole file, since a header may say anything.
fn sound(path: &Path) -> anyhow::Result<Value> {
    let mut file = AudioFile::open(path)?;
    let mut samples = 0;
    while let Some(block) = file.next_block()? {
        samples += block.samples().len();
    }
    let rate = file.rate().hertz();
    Ok(json!({
        "seconds": samples as f64 / f64::from(rate),
        "sample_rate": rate,
        "channels": file.channels().count(),
        "samples": samples,
    }))
}

/// Adapters are told from models by what they hold, so that one command serves both.
fn locate(target: &Path, home: &Home) -> anyhow::Result<(PathBuf, bool)> {
    if let Ok(path) = locate_model(target, home) {
        let is_adapter =
            path.join("adapter_config.json").is_file() || path.is_file() && AdapterPackage::open(&path).is_ok();
        return Ok((path, is_adapter));
    }
    match locate_adapter(target, home) {
        Ok(path) => Ok((path, true)),
        // The message about models lists both places less well than the caller's own word does.
        Err(_) => Ok((locate_model(target, home)?, false)),
    }
}

/// Writes a report: JSON, or indented text.
///
/// # Errors
/// The console's.
pub fn show(report: &Value, console: &Console) -> anyhow::Result<()> {
    if console.format() == Format::Json {
        console.json(report)?;
    } else {
        lines(report, 0).into_iter().try_for_each(|line| console.line(line))?;
    }
    Ok(())
}

/// A report as indented text: one field per line, lists of plain values in one line.
fn lines(value: &Value, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let Value::Object(fields) = value else { return vec![format!("{indent}{}", plain(value))] };
    let mut out = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(_) => {
                out.push(format!("{indent}{name}:"));
                out.extend(lines(value, depth + 1));
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.push(format!("{indent}{name}:"));
                for item in items {
                    let mut inner = lines(item, depth + 2).into_iter();
                    if let Some(first) = inner.next() {
                        out.push(format!("{indent}  - {}", first.trim_start()));
                    }
                    out.extend(inner);
                }
            }
            _ => out.push(format!("{indent}{name}: {}", plain(value))),
        }
    }
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// One line per tensor instead of four.
fn tensor_line(tensor: &TensorInfo) -> String {
    format!("{} {} {:?} {} bytes", tensor.name, tensor.kind, tensor.shape, tensor.bytes)
}

fn describe(foundation: &Foundation, args: &InspectArgs) -> anyhow::Result<Value> {
    let components = foundation.components().iter().map(|component| {
        let checkpoint = Checkpoint::open(component.entry())?;
        let tensors = checkpoint.describe()?;
        let bytes: usize = tensors.iter().map(|t| t.bytes).sum();
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for tensor in &tensors {
            match kinds.iter_mut().find(|(kind, _)| *kind == tensor.kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((tensor.kind.clone(), 1)),
            }
        }
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} x {kind}")).collect();
        let record = component.record();
        let config = config(component.kind(), component.entry())?;
        Ok(json!({
            "name": component.name(),
            "kind": component.kind(),
            "entry": component.entry().display().to_string(),
            "model": record.and_then(|r| r.properties.get("model")),
            "licence": record.and_then(|r| r.licence.as_ref()),
            "fingerprint": component.fingerprint()?,
            "config": config,
            "tensors": tensors.len(),
            "types": kinds,
            "weight_bytes": bytes,
            "files": record.map(|r| r.files.iter().map(|f| format!("{} {} bytes sha256 {}", f.path, f.bytes, f.sha256)).collect::<Vec<_>>()),
            "tensor_list": if args.tensors { Some(tensors.iter().map(tensor_line).map(|line| json!({ "tensor": line })).collect::<Vec<_>>()) } else { None },
        }))
    });
    Ok(json!({
        "foundation": foundation.id(),
        "version": foundation.version(),
        "path": foundation.root().display().to_string(),
        "verified": args.verify.then_some(true),
        "components": components.collect::<anyhow::Result<Vec<_>>>()?,
    }))
}

/// Opens a component as the engine would, and says what it is.
///
/// # Errors
/// The engine's.
pub fn config(kind: ComponentKind, entry: &Path) -> anyhow::Result<Value> {
    match kind {
        ComponentKind::Backbone => {
            let mut value = serde_json::to_value(loam::model::backbone::Backbone::open(entry)?.config())?;
            // A window per layer reads better as the number of layers that slide.
            if let Some(windows) = value.get("windows").and_then(Value::as_array).cloned() {
                let sliding = windows.iter().filter(|w| !w.is_null()).count();
                value["windows"] = json!(format!("{sliding} of {} layers slide", windows.len()));
            }
            Ok(value)
        }
        ComponentKind::Encoder(modality) if modality != Modality::TEXT => {
            let encoder = loam::model::encoder::open(entry, modality)?;
            Ok(json!({ "dim": encoder.dim(), "state_width": encoder.state_width() }))
        }
        ComponentKind::Encoder(_) if !entry.join("1_Pooling").exists() => {
            let encoder = loam::model::encoder::open_text(entry)?;
            Ok(json!({ "dim": encoder.dim(), "max_tokens": encoder.max_tokens() }))
        }
        ComponentKind::Encoder(_) => {
            let encoder = loam::model::encoder::SentenceEncoder::open(entry)?;
            let mut value = serde_json::to_value(encoder.config())?;
            value["pooling"] = json!(encoder.pooling());
            value["max_tokens"] = json!(encoder.max_tokens());
            Ok(value)
        }
        ComponentKind::Projector(_) => Ok(json!(loam::model::projector::Projector::open(entry)?.config())),
        ComponentKind::VisionLanguage => {
            let part = Part::new(&kind.to_string(), 0, Loading::First);
            let model = VisionLanguageModel::open(part, entry)?;
            Ok(json!({
                "backbone": model.language().backbone().config(),
                "vision": { "patches": model.vision().side().pow(2), "state_width": model.vision().state_width() },
                "connector": model.connector().config(),
            }))
        }
        ComponentKind::SpeechGenerator => {
            let part = Part::new(&kind.to_string(), 0, Loading::First);
            let model = SpeechGenerator::open(part, entry)?;
            Ok(json!({ "sample_rate": model.model().config().sampling_rate, "reads": model.script() }))
        }
        ComponentKind::SuperResolution => {
            let part = Part::new(&kind.to_string(), 0, Loading::First);
            let model = Upscaler::open(part, entry)?;
            let config = model.model().config();
            Ok(json!({ "scale": config.scale, "blocks": config.blocks, "features": config.features }))
        }
    }
}

/// Everything about an adapter that can be told without its base.
///
/// # Errors
/// As [`AdapterPackage::open_as`].
pub fn adapter(path: &Path, signatures: &SignaturePolicy) -> anyhow::Result<Value> {
    let package = AdapterPackage::open_as(path, signatures)?;
    let tensors = package.tensors();
    let parameters: usize = tensors
        .names()
        .iter()
        .filter_map(|name| tensors.describe(name))
        .map(|(_, shape, _)| shape.iter().product::<usize>())
        .sum();
    let files: Vec<PathBuf> = tensors.paths().map(Path::to_path_buf).collect();
    let digests: Vec<String> = files.iter().map(|file| sha256_file(file)).collect::<loam::Result<_>>()?;
    let config = package.config();
    Ok(json!({
        "adapter": package.name(),
        "path": path.display().to_string(),
        "rank": config.rank,
        "alpha": config.alpha,
        "target_modules": config.targets,
        "modules_to_save": config.modules_to_save,
        "trained_on": config.base_model,
        "tensors": tensors.names().len(),
        "parameters": parameters,
        "bytes": files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum::<u64>(),
        "sha256": digests,
        "signature": signature::report(&package)?,
        "task": package.task(),
    }))
}

/// What opening and running the language model costs.
#[derive(Debug, Serialize)]
pub struct MemoryReport {
    /// Header, tokenizer, template, norms: everything until the first token can be computed, in ms.
    pub open_ms: f64,
    /// Page faults while opening: served from memory, and from disk.
    pub open_faults: [u64; 2],
    /// Anonymous memory before opening, after opening, and after generating, in bytes.
    pub anonymous: [u64; 3],
    /// Mapped file pages in memory after generating, in bytes.
    pub file: u64,
    /// Key-value cache after generating, in bytes.
    pub cache: usize,
    /// Activations: the largest forward pass, estimated from its shape, in bytes.
    pub activations: usize,
    /// What remains of the anonymous growth: vocabulary, template, norms, allocator.
    pub other: i64,
}

/// Opens the language model at `path` and generates 32 tokens.
///
/// # Errors
/// The engine's; on systems that do not tell, all memory is zero.
pub fn measure(path: &Path) -> anyhow::Result<MemoryReport> {
    let before = ProcessMemory::now().unwrap_or_default();
    let start = Instant::now();
    let engine = Engine::open(path)?;
    let model = engine.language()?;
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let opened = ProcessMemory::now().unwrap_or_default();
    let config = model.backbone().config();
    let prompt: Vec<u32> = (1..=64).map(|i| i % u32::try_from(config.vocab_size).unwrap_or(u32::MAX)).collect();
    let options = GenerateOptions { max_tokens: 32, ..GenerateOptions::default() };
    let finished = engine.generate(Request::new(prompt, None, options), &mut String::new())?;
    let after = ProcessMemory::now().unwrap_or_default();
    let per_row = 6 * config.hidden_size + 4 * config.intermediate_size;
    let activations = (64 * per_row + 2 * config.vocab_size) * size_of::<f32>();
    let cache = finished.stats.cache_bytes;
    let grown = i64::try_from(after.anonymous).unwrap_or(0) - i64::try_from(before.anonymous).unwrap_or(0);
    Ok(MemoryReport {
        open_ms,
        open_faults: [opened.minor_faults - before.minor_faults, opened.major_faults - before.major_faults],
        anonymous: [before.anonymous, opened.anonymous, after.anonymous],
        file: after.file,
        cache,
        activations,
        other: grown - i64::try_from(cache + activations).unwrap_or(0),
    })
}

/// A memory report for people.
#[must_use]
pub fn memory_lines(report: &MemoryReport) -> Vec<String> {
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let grown = mib(report.anonymous[2] as f64 - report.anonymous[0] as f64);
    vec![
        format!(
            "opened in {:.1} ms, with {} page faults from memory and {} from disk",
            report.open_ms, report.open_faults[0], report.open_faults[1]
        ),
        format!(
            "anonymous memory grew by {grown}: key-value cache {}, activations {}, everything else {} (limit: 64 MiB)",
            mib(report.cache as f64),
            mib(report.activations as f64),
            mib(report.other as f64)
        ),
        format!("mapped weights in memory: {}, shared and given back under pressure", mib(report.file as f64)),
    ]
}

fn memory(path: &Path, console: &Console) -> anyhow::Result<()> {
    let report = measure(path)?;
    if console.format() == Format::Json {
        console.json(&report)?;
    } else {
        memory_lines(&report).into_iter().try_for_each(|line| console.line(line))?;
    }
    Ok(())
}
