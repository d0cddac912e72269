//! Where a wheel comes from: a directory of the user's, an earlier run, the index, or pip as the last resort.
//!
//! The first that has the file with the right digest is taken. Files in the user's own directories are used where they
//! lie and never changed; only what was fetched goes to the home's downloads. The index is asked for only if needed.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use url::Url;

use super::download::Download;
use super::index::Index;
use super::python::Python;
use super::recipe::Source;
use super::transport::{Patience, Transport, shown};
use crate::console::Console;
use crate::digest::{self, Digest};
use crate::error::{Error, Result};

/// Environment variable with directories (and addresses, which are ignored here) of wheels, as pip has it.
const LINKS_VARIABLE: &str = "PIP_FIND_LINKS";

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shelf {
    /// Only in this directory; nothing is sent over the network.
    Directory(PathBuf),
    /// In pip's directories, then on this index, or on the one that is configured.
    Index(Option<String>),
}

/// How a wheel was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It lay in a directory of the user's.
    Directory,
    /// An earlier run had fetched it.
    Kept,
    /// From the index.
    Index,
    /// From the index, by pip.
    Pip,
}

/// A wheel with the right digest.
#[derive(Debug, Clone, Serialize)]
pub struct Fetched {
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Name of the wheel's file.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// What it hashes to.
    pub sha256: Digest,
    /// How it was got.
    pub way: Way,
    /// From where: a directory or an address without credentials.
    pub place: String,
    /// Bytes that came over the network; unknown with pip.
    pub received: Option<u64>,
    /// Bytes that an interrupted run had left.
    pub resumed_from: u64,
    /// Time it took.
    pub seconds: f64,
    /// Where it lies.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Gets wheels.
pub struct Supply<'a> {
    shelf: &'a Shelf,
    downloads: PathBuf,
    retries: u32,
    console: &'a Console,
    python: Python,
    index: OnceCell<Index>,
    transport: OnceCell<Transport>,
}

impl<'a> Supply<'a> {
    /// Looks on `shelf`, fetches to `downloads`, and tries each request `retries` times more.
    #[must_use]
    pub fn new(shelf: &'a Shelf, downloads: PathBuf, retries: u32, console: &'a Console) -> Self {
        let python = Python::from_environment();
        Self { shelf, downloads, retries, console, python, index: OnceCell::new(), transport: OnceCell::new() }
    }

    /// Gets one wheel.
    ///
    /// # Errors
    /// [`Error::WheelNotFound`], [`Error::Digest`], [`Error::Network`], [`Error::NoIndex`], [`Error::Io`].
    pub fn obtain(&self, source: &Source) -> Result<Fetched> {
        let begun = Instant::now();
        let mut fetched = match self.shelf {
            Shelf::Directory(directory) => self.look_in(source, directory)?,
            Shelf::Index(given) => match self.at_hand(source)? {
                Some(fetched) => fetched,
                None => self.fetch(source, given.as_deref())?,
            },
        };
        fetched.seconds = begun.elapsed().as_secs_f64();
        Ok(fetched)
    }

    fn look_in(&self, source: &Source, directory: &Path) -> Result<Fetched> {
        let path = directory.join(&source.file);
        if !path.is_file() {
            let place = format!("in {}", directory.display());
            return Err(Error::WheelNotFound { file: source.file.clone(), place });
        }
        self.hashed(source, path, Way::Directory)?.map_err(|mismatch| mismatch.error("; it was left as it is"))
    }

    /// What needs no network: a wheel of an earlier run, or one in pip's directories.
    fn at_hand(&self, source: &Source) -> Result<Option<Fetched>> {
        let kept = self.downloads.join(&source.file);
        if kept.is_file() {
            match self.hashed(source, kept, Way::Kept)? {
                Ok(fetched) => return Ok(Some(fetched)),
                Err(mismatch) => {
                    self.console.note(format_args!("  {} is damaged; fetching it anew", mismatch.path.display()));
                    std::fs::remove_file(&mismatch.path).map_err(Error::io(&mismatch.path))?;
                }
            }
        }
        let links = std::env::var(LINKS_VARIABLE).unwrap_or_default();
        for link in links.split_whitespace() {
            let directory =
                Url::parse(link).ok().and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| link.into());
            let path = directory.join(&source.file);
            if !path.is_file() {
                continue;
            }
            match self.hashed(source, path, Way::Directory)? {
                Ok(fetched) => return Ok(Some(fetched)),
                Err(mismatch) => log::warn!("{}", mismatch.error("; it is not used")),
            }
        }
        Ok(None)
    }

    fn fetch(&self, source: &Source, given: Option<&str>) -> Result<Fetched> {
        let index = self.index(given)?;
        match self.directly(source, index) {
            Err(reason @ Error::Network { .. }) => self.by_pip(source, index, reason),
            other => other,
        }
    }

    fn directly(&self, source: &Source, index: &Index) -> Result<Fetched> {
        let transport = self.transport()?;
        let url = index.locate(source, transport, Patience::new(self.retries))?;
        if let Ok(path) = url.to_file_path() {
            return self
                .hashed(source, path, Way::Directory)?
                .map_err(|mismatch| mismatch.error("; it was left as it is"));
        }
        let transfer =
            Download::new(source, &url, &self.downloads, transport, self.console).run(Patience::new(self.retries))?;
        let path = self.downloads.join(&source.file);
        let bytes = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        let mut fetched = Fetched::new(source, path, Way::Index, bytes);
        fetched.place = shown(&url);
        fetched.received = Some(transfer.received);
        fetched.resumed_from = transfer.resumed_from;
        Ok(fetched)
    }

    /// Pip may know proxies and credentials that are unknown here. If it fails as well, the direct way's reason is the
    /// one to report.
    fn by_pip(&self, source: &Source, index: &Index, reason: Error) -> Result<Fetched> {
        self.console.note(format_args!("  {reason}\n  {}: trying 'pip download' instead", source.file));
        let path = match self.python.download(source, index.base(), &self.downloads) {
            Ok(path) => path,
            Err(words) => {
                self.console.note(format_args!("  pip failed as well: {words}"));
                return Err(reason);
            }
        };
        match self.hashed(source, path, Way::Pip)? {
            Ok(mut fetched) => {
                fetched.place = shown(index.base());
                fetched.received = None;
                Ok(fetched)
            }
            Err(mismatch) => {
                std::fs::remove_file(&mismatch.path).map_err(Error::io(&mismatch.path))?;
                Err(mismatch.error("; the file was removed and nothing was installed"))
            }
        }
    }

    fn index(&self, given: Option<&str>) -> Result<&Index> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = Index::choose(given, &self.python)?;
        self.console.note(format_args!("index {}", shown(index.base())));
        Ok(self.index.get_or_init(|| index))
    }

    fn transport(&self) -> Result<&Transport> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let transport = Transport::new()?;
        Ok(self.transport.get_or_init(|| transport))
    }

    /// Hashes a file that is there.
    fn hashed(&self, source: &Source, path: PathBuf, way: Way) -> Result<Result<Fetched, Mismatch>> {
        let bytes = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        let progress = self.console.progress(&source.file, Some(bytes));
        let found = digest::of_file(&path, |n| progress.advance(n))?;
        progress.done();
        if found != source.sha256 {
            return Ok(Err(Mismatch { path, found, expected: source.sha256.clone() }));
        }
        Ok(Ok(Fetched::new(source, path, way, bytes)))
    }
}

impl Fetched {
    fn new(source: &Source, path: PathBuf, way: Way, bytes: u64) -> Self {
        let place = path.parent().unwrap_or(Path::new("")).display().to_string();
        Self {
            package: source.name.clone(),
            version: source.version.clone(),
            file: source.file.clone(),
            bytes,
            sha256: source.sha256.clone(),
            way,
            place,
            received: Some(0),
            resumed_from: 0,
            seconds: 0.0,
            path,
        }
    }
}

/// A file that is not the one wanted.
struct Mismatch {
    path: PathBuf,
    found: Digest,
    expected: Digest,
}

impl Mismatch {
    fn error(self, advice: &'static str) -> Error {
        Error::Digest { path: self.path, found: self.found.to_string(), expected: self.expected.to_string(), advice }
    }
}
