//! `foundation.json`: which components a foundation has, in which files, with which digests.

use std::collections::BTreeMap;
use std::path::{Component as PathPart, Path};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::model::Modality;
use crate::model::encoder::modality;
use crate::weights::read_bounded;

/// File name of the manifest within a foundation's directory.
pub const MANIFEST: &str = "foundation.json";
const FORMAT: &str = "foundation.json";
const MAX_MANIFEST: u64 = 4 << 20;
const MAX_COMPONENTS: usize = 64;
const MAX_FILES: usize = 4096;

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
}

/// Ending of the kinds of encoders.
const ENCODER: &str = "-encoder";

impl ComponentKind {
    /// The text encoder.
    pub const TEXT: Self = Self::Encoder(Modality::TEXT);

    /// The kind of that name, `None` for one that this engine does not know.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == "backbone" {
            return Some(Self::Backbone);
        }
        name.strip_suffix(ENCODER).and_then(modality).map(Self::Encoder)
    }
}

impl std::fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Backbone => f.write_str("backbone"),
            Self::Encoder(modality) => write!(f, "{modality}{ENCODER}"),
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
    /// Fields that describe the component further, such as `dim`, `model` and `source`.
    #[serde(flatten)]
    pub properties: BTreeMap<String, serde_json::Value>,
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
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] naming the field: also for a path that leaves the directory.
    pub fn read(path: &Path) -> Result<Self> {
        let malformed = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        let manifest: Self =
            serde_json::from_slice(&read_bounded(path, MAX_MANIFEST)?).map_err(|e| malformed(e.to_string()))?;
        if manifest.schema != 1 {
            return Err(Error::unsupported(format!("foundation schema {}", manifest.schema), "schema 1 is read"));
        }
        if manifest.components.is_empty() || manifest.components.len() > MAX_COMPONENTS {
            return Err(malformed(format!("{} components, expected 1 to {MAX_COMPONENTS}", manifest.components.len())));
        }
        for (i, component) in manifest.components.iter().enumerate() {
            if manifest.components[..i].iter().any(|other| other.name == component.name) {
                return Err(malformed(format!("two components named '{}'", component.name)));
            }
            if component.files.is_empty() || component.files.len() > MAX_FILES {
                return Err(malformed(format!("'{}' has {} files", component.name, component.files.len())));
            }
            let paths = component.files.iter().map(|file| &file.path).chain([&component.entry]);
            for path in paths {
                if !stays_inside(path) {
                    return Err(malformed(format!("'{path}' of '{}' leaves the directory", component.name)));
                }
            }
        }
        Ok(manifest)
    }
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\\')
        && Path::new(path).components().all(|part| matches!(part, PathPart::Normal(_)))
}
