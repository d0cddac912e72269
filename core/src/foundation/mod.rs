//! The foundation: frozen components in files, and the only owner of base weights.
//!
//! A foundation is a directory with a manifest, or a bare model: a GGUF file or a Hugging Face directory, which counts
//! as a foundation of one component without recorded digests.

mod integrity;
mod manifest;
mod wiring;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use integrity::{MANIFEST_DIGEST, Verify, check_manifest, manifest_digest};
pub use manifest::{ComponentKind, ComponentRecord, FileRecord, MANIFEST, Manifest, Preprocessing};
pub use wiring::Wiring;

use crate::error::{Error, Result};
use crate::model::Modality;
use crate::model::encoder::{FAMILIES, TEXT_FAMILIES};
use crate::weights::{Checkpoint, MAX_CONFIG, is_named_as_weights, read_bounded, read_json, sha256_file};

/// One part of an opened foundation.
#[derive(Debug)]
pub struct Component {
    name: String,
    kind: ComponentKind,
    root: PathBuf,
    entry: PathBuf,
    record: Option<ComponentRecord>,
    fingerprint: OnceLock<String>,
}

impl Component {
    /// Name, unique in the foundation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    #[must_use]
    pub fn kind(&self) -> ComponentKind {
        self.kind
    }

    /// The file or directory that is opened.
    #[must_use]
    pub fn entry(&self) -> &Path {
        &self.entry
    }

    /// Bytes of its weight files.
    ///
    /// # Errors
    /// [`Error::Io`]; as [`Checkpoint::open`] for a bare model.
    pub fn weight_bytes(&self) -> Result<u64> {
        match &self.record {
            Some(record) => Ok(record
                .files
                .iter()
                .filter(|file| is_named_as_weights(Path::new(&file.path)))
                .map(|file| file.bytes)
                .sum()),
            None => Checkpoint::open(&self.entry)?
                .files()
                .iter()
                .map(|file| Ok(std::fs::metadata(file).map_err(|e| Error::io(file, e))?.len()))
                .sum(),
        }
    }

    /// The folder of the foundation that it is a part of; `None` for a bare model.
    #[must_use]
    pub(crate) fn foundation_dir(&self) -> Option<&Path> {
        self.record.as_ref().map(|_| &*self.root)
    }

    /// The files that hold its weights.
    ///
    /// # Errors
    /// As [`Checkpoint::open`] for a bare model.
    pub(crate) fn weight_files(&self) -> Result<Vec<PathBuf>> {
        let Some(record) = &self.record else { return Ok(Checkpoint::open(&self.entry)?.files()) };
        let weights = record.files.iter().filter(|file| is_named_as_weights(Path::new(&file.path)));
        Ok(weights.map(|file| self.root.join(&file.path)).collect())
    }

    /// The encoder whose space it shares, where its wiring says so.
    #[must_use]
    pub fn space(&self) -> Option<&str> {
        self.record.as_ref()?.wiring.as_ref()?.space.as_deref()
    }

    /// Its line of the manifest; `None` for a bare model.
    #[must_use]
    pub fn record(&self) -> Option<&ComponentRecord> {
        self.record.as_ref()
    }

    /// How raw data becomes its input, where the manifest says so: the fields of a `preprocessor_config.json`, which take
    /// the place of the directory's own.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Malformed`] for a file that the manifest refers to.
    pub fn preprocessing(&self) -> Result<Option<Value>> {
        match self.record.as_ref().and_then(|record| record.preprocessing.as_ref()) {
            None => Ok(None),
            Some(Preprocessing::Constants(fields)) => Ok(Some(Value::Object(fields.clone()))),
            Some(Preprocessing::File(path)) => read_json(&self.root.join(path), MAX_CONFIG).map(Some),
        }
    }

    /// SHA-256 of its weights: of the one weight file, or of the list of file names and digests where there are more.
    /// Read from the manifest where there is one, else computed once from the files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn fingerprint(&self) -> Result<&str> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(known);
        }
        let mut weights: Vec<(String, String)> = match &self.record {
            Some(record) => record
                .files
                .iter()
                .filter(|file| is_named_as_weights(Path::new(&file.path)))
                .map(|file| (file_name(&file.path), file.sha256.clone()))
                .collect(),
            None => Checkpoint::open(&self.entry)?
                .files()
                .iter()
                .map(|file| Ok((file_name(&file.to_string_lossy()), sha256_file(file)?)))
                .collect::<Result<_>>()?,
        };
        weights.sort();
        let fingerprint = match &weights[..] {
            [(_, digest)] => digest.clone(),
            many => {
                let list: String = many.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
                format!("{:x}", Sha256::digest(list))
            }
        };
        Ok(self.fingerprint.get_or_init(|| fingerprint))
    }
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Succeeds when a file begins as GGUF does: anything else would be found out at its first use only.
fn check_gguf(path: &Path) -> Result<()> {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(Error::io(path, error)),
        Ok(()) if magic == *b"GGUF" => Ok(()),
        _ => Err(Error::malformed(path.display(), "GGUF", "it does not begin with 'GGUF'")),
    }
}

/// `model_type`s of models that are one component, neither an encoder nor a backbone.
const WHOLE_MODELS: [(&str, ComponentKind); 4] = [
    ("idefics3", ComponentKind::VisionLanguage),
    ("smolvlm", ComponentKind::VisionLanguage),
    ("vits", ComponentKind::SpeechGenerator),
    // As super-image spells it.
    ("EDSR", ComponentKind::SuperResolution),
];

/// What the model of a `config.json` is: each of its encoders, or a backbone.
fn kinds_of(config: &Path) -> Result<Vec<ComponentKind>> {
    let mut kinds = Vec::new();
    if config.is_file() {
        let json: Value = serde_json::from_slice(&read_bounded(config, MAX_CONFIG)?)
            .map_err(|e| Error::malformed(config.display(), "config.json", e))?;
        let model_type = json.get("model_type").and_then(Value::as_str).unwrap_or_default();
        if let Some((_, kind)) = WHOLE_MODELS.iter().find(|(known, _)| *known == model_type) {
            return Ok(vec![*kind]);
        }
        if TEXT_FAMILIES.contains(&model_type) {
            kinds.push(ComponentKind::TEXT);
        }
        // Our own towers say which one modality they read; other models have all of their towers.
        let only = json.get("modality").and_then(Value::as_str);
        let towers = FAMILIES.iter().filter(|family| {
            family.model_type == model_type && only.is_none_or(|only| only == family.modality.as_str())
        });
        kinds.extend(towers.map(|family| ComponentKind::Encoder(family.modality)));
    }
    if kinds.is_empty() {
        kinds.push(ComponentKind::Backbone);
    }
    Ok(kinds)
}

/// An opened foundation. Components are found, not yet loaded.
#[derive(Debug)]
pub struct Foundation {
    root: PathBuf,
    id: String,
    version: Option<String>,
    components: Vec<Component>,
}

impl Foundation {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Reads the manifest, compares it with the digest
    /// beside it, and asks for the sizes of the files that it lists.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`] or [`Error::Unsupported`]; as [`check_manifest`] and as [`Foundation::verify`] by [`Verify::Sizes`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let manifest = path.join(MANIFEST);
        if manifest.is_file() { Self::from_manifest(path, &manifest) } else { Self::bare(path) }
    }

    fn from_manifest(root: &Path, path: &Path) -> Result<Self> {
        let manifest = Manifest::read(path)?;
        for record in &manifest.components {
            let is_gguf = record.format == "gguf";
            if is_gguf == root.join(&record.entry).is_dir() {
                let expected = if is_gguf { "a file" } else { "a directory" };
                let reason = format!("format of '{}' is {}, its entry is not {expected}", record.name, record.format);
                return Err(Error::malformed(path.display(), "foundation.json", reason));
            }
        }
        let components = manifest
            .components
            .into_iter()
            .map(|record| Component {
                name: record.name.clone(),
                kind: record.kind,
                root: root.to_path_buf(),
                entry: root.join(&record.entry),
                record: Some(record),
                fingerprint: OnceLock::new(),
            })
            .collect();
        let opened = Self { root: root.to_path_buf(), id: manifest.id, version: Some(manifest.version), components };
        opened.verify(Verify::Sizes, |_| {})?;
        Ok(opened)
    }

    fn bare(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::io(path, std::io::ErrorKind::NotFound.into()));
        }
        if path.is_file() {
            check_gguf(path)?;
        }
        let kinds = kinds_of(&path.join("config.json"))?;
        let components = kinds
            .into_iter()
            .map(|kind| Component {
                name: match kind {
                    ComponentKind::Encoder(modality) => modality.as_str().into(),
                    whole => whole.to_string(),
                },
                kind,
                root: path.to_path_buf(),
                entry: path.to_path_buf(),
                record: None,
                fingerprint: OnceLock::new(),
            })
            .collect();
        let id = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self { root: path.to_path_buf(), id, version: None, components })
    }

    /// The directory or file that was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Name of the foundation.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Version of the foundation; `None` for a bare model.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Its parts.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The first component of a kind.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] naming the kind.
    pub fn component(&self, kind: ComponentKind) -> Result<&Component> {
        self.components.iter().find(|c| c.kind == kind).ok_or_else(|| Error::MissingComponent(kind.to_string()))
    }

    /// The component of that name.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] naming it.
    pub fn named(&self, name: &str) -> Result<&Component> {
        self.components.iter().find(|c| c.name() == name).ok_or_else(|| Error::MissingComponent(name.to_owned()))
    }

    /// The text encoder whose embeddings can be compared with those of the encoder of `modality`: the one that its wiring
    /// leads to, or whose own wiring leads to the same encoder; the first text encoder where nothing is wired.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without the encoder, or without a text encoder in its space.
    pub fn anchor(&self, modality: Modality) -> Result<&Component> {
        let encoder = self.component(ComponentKind::Encoder(modality))?;
        let Some(space) = encoder.space() else { return self.component(ComponentKind::TEXT) };
        let mut texts = self.components.iter().filter(|other| other.kind == ComponentKind::TEXT);
        let found = texts.find(|text| text.name == space || text.space() == Some(space));
        found.ok_or_else(|| Error::MissingComponent(format!("{} in the space of '{space}'", ComponentKind::TEXT)))
    }

    /// Whether there is a component of a kind.
    #[must_use]
    pub fn has(&self, kind: ComponentKind) -> bool {
        self.components.iter().any(|c| c.kind == kind)
    }
}
