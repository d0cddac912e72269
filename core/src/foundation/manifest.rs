//! `foundation.json`: which components a foundation has, in which files, with which digests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component as PathPart, Path};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::integrity::read_manifest;
use super::wiring::{self, Wiring};
use crate::error::{Error, Result};
use crate::model::Modality;
use crate::model::encoder::modality;

/// File name of the manifest within a foundation's directory.
pub const MANIFEST: &str = "foundation.json";
const FORMAT: &str = "foundation.json";
pub(super) const MAX_MANIFEST: u64 = 4 << 20;
const MAX_COMPONENTS: usize = 64;
const MAX_FILES: usize = 4096;
const MAX_NAME: usize = 64;
/// One file; far beyond what fits a phone.
const MAX_BYTES: u64 = 1 << 44;
const MAX_DIM: usize = 1 << 20;
/// Where a Hugging Face directory keeps how raw data is prepared.
const PREPROCESSOR: &str = "preprocessor_config.json";

/// The manifest as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format; 1.
    pub schema: u32,
    /// Name of the foundation.
    pub id: String,
    /// Version of the foundation.
    pub version: String,
    /// Its parts.
    pub components: Vec<ComponentRecord>,
}

/// What a component does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// A causal language model: `backbone`.
    Backbone,
    /// Data of one modality to a vector: `text-encoder`, `image-encoder`, ...
    Encoder(Modality),
    /// What an encoder gives of one modality to soft tokens of the backbone: `image-projector`, ...
    Projector(Modality),
    /// Encoder, projector and backbone of one checkpoint: `vision-language`.
    VisionLanguage,
    /// Text to speech: `speech-generator`.
    SpeechGenerator,
    /// Pictures at a larger size: `super-resolution`.
    SuperResolution,
}

/// Ending of the kinds of encoders.
const ENCODER: &str = "-encoder";
/// Ending of the kinds of projectors.
const PROJECTOR: &str = "-projector";
/// Kinds that are there for no modality in particular.
const WHOLE: [(&str, ComponentKind); 4] = [
    ("backbone", ComponentKind::Backbone),
    ("vision-language", ComponentKind::VisionLanguage),
    ("speech-generator", ComponentKind::SpeechGenerator),
    ("super-resolution", ComponentKind::SuperResolution),
];

impl ComponentKind {
    /// The text encoder.
    pub const TEXT: Self = Self::Encoder(Modality::TEXT);

    /// The kind of that name, `None` for one that this engine does not know.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((_, kind)) = WHOLE.iter().find(|(known, _)| *known == name) {
            return Some(*kind);
        }
        let encoder = name.strip_suffix(ENCODER).and_then(modality).map(Self::Encoder);
        encoder.or_else(|| name.strip_suffix(PROJECTOR).and_then(modality).map(Self::Projector))
    }
}

impl std::fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encoder(modality) => write!(f, "{modality}{ENCODER}"),
            Self::Projector(modality) => write!(f, "{modality}{PROJECTOR}"),
            whole => {
                let name = WHOLE.iter().find(|(_, kind)| kind == whole).map_or("component", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

impl Serialize for ComponentKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ComponentKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom(format!("no component is a '{name}'")))
    }
}

/// One component of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentRecord {
    /// Name, unique in the foundation.
    pub name: String,
    /// What it does.
    pub kind: ComponentKind,
    /// How its files are read: `gguf` or `hugging-face`.
    pub format: String,
    /// The file or directory to open, relative to the manifest.
    pub entry: String,
    /// Its files.
    pub files: Vec<FileRecord>,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Width of its embeddings or of its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dim: Option<usize>,
    /// Where its files came from: a package with its version and digest, an address, a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<BTreeMap<String, String>>,
    /// How raw data becomes its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// Its connections to other components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Wiring>,
    /// Fields that describe the component further, such as `model` and `quantization`.
    #[serde(flatten)]
    pub properties: BTreeMap<String, serde_json::Value>,
}

/// How raw data becomes the input of an encoder. Without it the directory's own `preprocessor_config.json` decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preprocessing {
    /// One of the component's files, with the fields of a `preprocessor_config.json`.
    File(String),
    /// Those fields themselves.
    Constants(serde_json::Map<String, serde_json::Value>),
}

/// One file of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path relative to the manifest, with forward slashes.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Digest, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Reads and checks a manifest, whose bytes are those of the digest beside it where there is one.
    ///
    /// # Errors
    /// As [`super::check_manifest`]; [`Error::Malformed`] naming the field: also for a path that leaves the directory.
    pub fn read(path: &Path) -> Result<Self> {
        let malformed = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        let manifest: Self = serde_json::from_slice(&read_manifest(path)?).map_err(|e| malformed(e.to_string()))?;
        if manifest.schema != 1 {
            return Err(Error::unsupported(format!("foundation schema {}", manifest.schema), "schema 1 is read"));
        }
        if manifest.components.is_empty() || manifest.components.len() > MAX_COMPONENTS {
            return Err(malformed(format!("{} components, expected 1 to {MAX_COMPONENTS}", manifest.components.len())));
        }
        manifest.check().map_err(malformed)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        check_name("id", &self.id)?;
        check_name("version", &self.version)?;
        // File systems of phones fold case, so paths must differ in more than that.
        let mut paths = BTreeSet::new();
        for (i, component) in self.components.iter().enumerate() {
            check_name("name", &component.name)?;
            if self.components[..i].iter().any(|other| other.name == component.name) {
                return Err(format!("two components named '{}'", component.name));
            }
            component.check()?;
            if let Some(twice) = component.files.iter().find(|file| !paths.insert(file.path.to_lowercase())) {
                return Err(format!("'{}' is listed twice", twice.path));
            }
            wiring::check(component, &self.components)?;
        }
        Ok(())
    }
}

impl ComponentRecord {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.files.is_empty() || self.files.len() > MAX_FILES {
            return Err(format!("'{name}' has {} files", self.files.len()));
        }
        for path in self.files.iter().map(|file| &file.path).chain([&self.entry]) {
            if !stays_inside(path) {
                return Err(format!("'{path}' of '{name}' leaves the directory"));
            }
        }
        for file in &self.files {
            if file.bytes > MAX_BYTES || !is_digest(&file.sha256) {
                return Err(format!("'{}' has {} bytes and sha256 '{}'", file.path, file.bytes, file.sha256));
            }
        }
        let inside = |file: &FileRecord| Path::new(&file.path).starts_with(&self.entry);
        if !self.files.iter().any(inside) {
            return Err(format!("entry '{}' of '{name}' is none of its files and holds none", self.entry));
        }
        if !matches!(self.format.as_str(), "gguf" | "hugging-face") {
            return Err(format!("format of '{name}' is '{}', gguf and hugging-face are read", self.format));
        }
        if self.dim.is_some_and(|dim| dim == 0 || dim > MAX_DIM) {
            return Err(format!("dim of '{name}' is {:?}, expected 1 to {MAX_DIM}", self.dim));
        }
        self.check_preprocessing()
    }

    /// What is given must have an effect: constants and files of other names are read for encoders of raw data only.
    fn check_preprocessing(&self) -> Result<(), String> {
        let own = format!("{}/{PREPROCESSOR}", self.entry);
        match &self.preprocessing {
            None => Ok(()),
            Some(Preprocessing::File(path)) if !self.files.iter().any(|file| file.path == *path) => {
                Err(format!("preprocessing of '{}' is '{path}', which is none of its files", self.name))
            }
            Some(Preprocessing::File(path)) if *path == own => Ok(()),
            Some(_) => match self.kind {
                ComponentKind::Encoder(modality) if modality != Modality::TEXT && modality != Modality::SPEECH => {
                    Ok(())
                }
                kind => Err(format!("preprocessing of '{}': a {kind} reads its own {PREPROCESSOR} only", self.name)),
            },
        }
    }
}

/// Names become one path component, and part of messages.
fn check_name(field: &str, name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+!-".contains(&b));
    if plain && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && name.len() <= MAX_NAME {
        return Ok(());
    }
    let shown: String = name.escape_debug().take(MAX_NAME).collect();
    Err(format!("{field} '{shown}' is not at most {MAX_NAME} letters, digits and . _ + ! - after a letter or digit"))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\\')
        && Path::new(path).components().all(|part| matches!(part, PathPart::Normal(_)))
}
