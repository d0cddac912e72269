//! The folder that holds a set's files, with the name of the format for messages.
//!
//! Names in files lead nowhere but into the folder; links that its owner put there are followed.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Entries of a folder: ImageNet's validation part has 50,000 in one.
const MAX_ENTRIES: usize = 5_000_000;
/// A value in a message, in characters.
const SHOWN: usize = 80;

/// A folder of data, or a file in one.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    format: &'static str,
}

/// A file of a format, which knows how to say what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub path: PathBuf,
    pub format: &'static str,
}

impl Folder {
    pub fn new(path: &Path, format: &'static str) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        if !about.is_dir() {
            let reason = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is no folder");
            return Err(Error::io(path)(reason));
        }
        Ok(Self { path: path.to_path_buf(), format })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder within it that the code names.
    pub fn within(&self, name: &str) -> Self {
        Self { path: self.path.join(name), format: self.format }
    }

    /// The first of these files that is there.
    pub fn first(&self, names: &[&str]) -> Result<Text> {
        let found = names.iter().map(|name| self.path.join(name)).find(|path| path.is_file());
        let found = found.ok_or_else(|| Error::Missing {
            folder: self.path.clone(),
            format: self.format,
            what: names.join(" or "),
        })?;
        Ok(Text { path: found, format: self.format })
    }

    /// The first of these folders that is there.
    pub fn first_folder(&self, names: &[&str]) -> Result<Self> {
        let found = names.iter().map(|name| self.path.join(name)).find(|path| path.is_dir());
        let path = found.ok_or_else(|| Error::Missing {
            folder: self.path.clone(),
            format: self.format,
            what: format!("folder {}", names.join(" or ")),
        })?;
        Ok(Self { path, format: self.format })
    }

    /// Names of its entries that `take` takes, sorted; hidden ones are left out.
    pub fn list(&self, take: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (count, entry) in std::fs::read_dir(&self.path).map_err(Error::io(&self.path))?.enumerate() {
            if count >= MAX_ENTRIES {
                return Err(self.wrong("entries", format!("more than {MAX_ENTRIES}")));
            }
            let path = entry.map_err(Error::io(&self.path))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !name.starts_with('.') && take(&path) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Its folders, sorted; at least one.
    pub fn folders(&self) -> Result<Vec<String>> {
        let names = self.list(Path::is_dir)?;
        if names.is_empty() {
            return Err(self.wrong("entries", "no folder".to_owned()));
        }
        Ok(names)
    }

    /// Its files with one of these endings, sorted.
    pub fn files(&self, endings: &[&str]) -> Result<Vec<String>> {
        self.list(|path| has_ending(path, endings) && path.is_file())
    }

    pub fn wrong(&self, place: &str, reason: String) -> Error {
        Error::Malformed { path: self.path.clone(), place: place.to_owned(), format: self.format, reason }
    }
}

pub(super) const PICTURES: &[&str] = &["jpg", "jpeg", "png", "bmp", "webp"];

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

impl Text {
    pub fn wrong(&self, place: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Malformed { path: self.path.clone(), place: place.into(), format: self.format, reason: reason.into() }
    }

    /// A file within `base`, a folder of the data, that this file names.
    pub fn inside(&self, base: &Folder, place: &str, name: &str) -> Result<PathBuf> {
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain || name.is_empty() || name.contains(['\0', '\\']) {
            return Err(Error::Outside {
                path: self.path.clone(),
                place: place.to_owned(),
                name: shown(name),
                folder: base.path().to_path_buf(),
            });
        }
        Ok(base.path().join(name))
    }

    /// A number of a field.
    pub fn number<T: std::str::FromStr>(&self, place: &str, field: &str, value: &str) -> Result<T> {
        value.trim().parse().map_err(|_| self.wrong(place, format!("{field} is {:?}, expected a number", shown(value))))
    }

    /// A finite number of a field.
    pub fn real(&self, place: &str, field: &str, value: &str) -> Result<f64> {
        let number: f64 = self.number(place, field, value)?;
        if number.is_finite() { Ok(number) } else { Err(self.wrong(place, format!("{field} is {number}"))) }
    }

    /// A class by its name.
    pub fn label(&self, place: &str, labels: &[String], name: &str) -> Result<usize> {
        labels
            .iter()
            .position(|label| label == name)
            .ok_or_else(|| self.wrong(place, format!("class {:?} is none of the {} known", shown(name), labels.len())))
    }

    /// A class by its number.
    pub fn class(&self, place: &str, labels: usize, value: &str) -> Result<usize> {
        let class: usize = self.number(place, "class", value)?;
        if class >= labels {
            return Err(self.wrong(place, format!("class {class} of {labels}")));
        }
        Ok(class)
    }

    /// The file, up to `most` bytes.
    pub fn bytes(&self, most: u64) -> Result<Vec<u8>> {
        let file = File::open(&self.path).map_err(Error::io(&self.path))?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        if bytes.len() as u64 > most {
            return Err(self.wrong("size", format!("more than {most} bytes")));
        }
        Ok(bytes)
    }

    /// The file as text, up to `most` bytes.
    pub fn text(&self, most: u64) -> Result<String> {
        String::from_utf8(self.bytes(most)?)
            .map_err(|error| self.wrong(format!("byte {}", error.utf8_error().valid_up_to()), "it is no UTF-8"))
    }
}

/// A value for a message: its beginning.
pub(super) fn shown(value: &str) -> String {
    value.chars().take(SHOWN).collect()
}
