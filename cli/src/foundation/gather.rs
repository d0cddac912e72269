//! The files of one component, from wherever they are, into the foundation that is being built.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use loam::foundation::FileRecord;
use loam::weights::{Checkpoint, Safetensors, is_named_as_weights};
use url::Url;

use crate::console::Console;
use crate::digest::{self, Digest, Hasher};
use crate::error::{Error, Result};
use crate::pull::download::Download;
use crate::pull::manifest::locate;
use crate::pull::recipe::{Component, Part, Source};
use crate::pull::transport::{Patience, Transport};

/// Endings of what a Hugging Face directory holds beside its weights: configuration, vocabularies, templates.
const BESIDE: [&str; 4] = ["jinja", "json", "model", "txt"];
/// Directories below a model's own, such as sentence-transformers' `1_Pooling`.
const MAX_DEPTH: usize = 2;
/// Files of one model.
const MAX_FILES: usize = 1000;
/// Bytes copied at once.
const CHUNK: usize = 1 << 20;
/// Ending of the index of a checkpoint in several files.
const INDEX: &str = ".index.json";

/// A file to take: where it is, where it goes, and what it must be if the recipe says so.
struct Taken {
    from: PathBuf,
    path: String,
    pinned: Option<(u64, Digest)>,
}

/// What a component on this machine consists of.
pub struct Local {
    files: Vec<Taken>,
    /// What is opened, relative to the foundation.
    pub entry: String,
    /// Where the weights are.
    pub weights: PathBuf,
}

impl Local {
    /// Finds the files of `component` in `place`, a directory or one file. `weights` says whether those of the weights are
    /// among them: they are not when they are to be quantized.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Argument`]; those of [`Checkpoint::open`].
    pub fn find(component: &Component, place: &Path, weights: Weights) -> anyhow::Result<Self> {
        let name = &component.name;
        let own = |entry: &str, default: &str| if entry.is_empty() { default.to_owned() } else { entry.to_owned() };
        if !component.files.is_empty() {
            let files = component.files.iter().map(|part| Taken {
                from: locate(place, &part.from),
                path: part.path.clone(),
                pinned: Some((part.bytes, part.sha256.clone())),
            });
            let mut files: Vec<_> = files.collect();
            if weights == Weights::Leave {
                files.retain(|taken| !is_named_as_weights(&taken.from));
            }
            return Ok(Self { files, entry: own(&component.entry, name), weights: place.to_path_buf() });
        }
        if !place.is_dir() {
            let file = place.file_name().and_then(|file| file.to_str()).ok_or_else(|| named_badly(place))?;
            let path = format!("{name}/{file}");
            let entry = own(&component.entry, &path);
            let taken = Taken { from: place.to_path_buf(), path, pinned: None };
            return Ok(Self { files: vec![taken], entry, weights: place.to_path_buf() });
        }
        let checkpoint = Checkpoint::open(place)?;
        let mut found = Vec::new();
        walk(place, name, 0, &mut found)?;
        let index = match (weights, &checkpoint) {
            (Weights::Leave, _) => "",
            (_, Checkpoint::Safetensors(files)) if is_sharded(files) => "model.safetensors.index.json",
            (_, Checkpoint::Pytorch(files)) if files.paths().count() > 1 => "pytorch_model.bin.index.json",
            _ => "",
        };
        found.retain(|taken: &Taken| !taken.path.ends_with(INDEX) || taken.path.ends_with(&format!("/{index}")));
        if weights == Weights::Take {
            for from in checkpoint.files() {
                let file = from.file_name().and_then(|file| file.to_str()).ok_or_else(|| named_badly(&from))?;
                found.push(Taken { path: format!("{name}/{file}"), from, pinned: None });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files: found, entry: own(&component.entry, name), weights: place.to_path_buf() })
    }

    /// Copies the files below `staging` and hashes them on the way.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] or [`Error::Digest`] for a file that is not what the recipe says.
    pub fn copy(&self, staging: &Path, console: &Console) -> Result<Vec<FileRecord>> {
        let mut total = 0;
        for taken in &self.files {
            total += std::fs::metadata(&taken.from).map_err(Error::io(&taken.from))?.len();
        }
        let progress = console.progress(&format!("copying {}", self.entry), Some(total));
        let records = self.files.iter().map(|taken| copy(taken, staging, |bytes| progress.advance(bytes)));
        let records = records.collect::<Result<Vec<_>>>()?;
        progress.done();
        Ok(records)
    }
}

/// What becomes of the files that hold weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// They are part of the component.
    Take,
    /// They are not: others are made of them.
    Leave,
}

fn is_sharded(files: &Safetensors) -> bool {
    files.paths().any(|path| path.file_name().is_none_or(|name| name != "model.safetensors"))
}

fn named_badly(path: &Path) -> Error {
    let reason = format!("'{}' has no name that a manifest can hold", path.display());
    Error::Argument { name: "path", reason }
}

/// Files beside the weights, links followed; hidden ones are left out.
fn walk(directory: &Path, path: &str, depth: usize, found: &mut Vec<Taken>) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(Error::io(directory))? {
        let from = entry.map_err(Error::io(directory))?.path();
        let name = from.file_name().and_then(|name| name.to_str()).ok_or_else(|| named_badly(&from))?.to_owned();
        if name.starts_with('.') {
            continue;
        }
        if from.is_dir() {
            if depth < MAX_DEPTH {
                walk(&from, &format!("{path}/{name}"), depth + 1, found)?;
            }
        } else if from.extension().and_then(|e| e.to_str()).is_some_and(|ending| BESIDE.contains(&ending)) {
            if found.len() >= MAX_FILES {
                let reason = format!("'{}' has more than {MAX_FILES} files", directory.display());
                return Err(Error::Argument { name: "path", reason });
            }
            found.push(Taken { path: format!("{path}/{name}"), from, pinned: None });
        }
    }
    Ok(())
}

fn copy(taken: &Taken, staging: &Path, mut seen: impl FnMut(u64)) -> Result<FileRecord> {
    let target = locate(staging, &taken.path);
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    // A pipe would be waited for.
    if !std::fs::metadata(&taken.from).map_err(Error::io(&taken.from))?.is_file() {
        return Err(Error::io(&taken.from)(std::io::Error::other("not a regular file")));
    }
    let mut source = File::open(&taken.from).map_err(Error::io(&taken.from))?;
    let mut file = File::create_new(&target).map_err(Error::io(&target))?;
    let (mut hasher, mut buffer, mut bytes) = (Hasher::default(), vec![0; CHUNK], 0);
    loop {
        let n = source.read(&mut buffer).map_err(Error::io(&taken.from))?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(Error::io(&target))?;
        hasher.update(&buffer[..n]);
        bytes += n as u64;
        seen(n as u64);
    }
    file.sync_all().map_err(Error::io(&target))?;
    let sha256 = hasher.finish();
    if let Some((wanted, expected)) = &taken.pinned {
        if bytes != *wanted {
            let reason = format!("it has {bytes} bytes, the recipe says {wanted}");
            return Err(Error::malformed(taken.from.display(), "model file", reason));
        }
        if sha256 != *expected {
            return Err(Error::Digest {
                path: taken.from.clone(),
                found: sha256.to_string(),
                expected: expected.to_string(),
                advice: "; nothing was installed",
            });
        }
    }
    Ok(FileRecord { path: taken.path.clone(), bytes, sha256: sha256.to_string() })
}

/// Fetches files below an address.
pub struct Web<'a> {
    /// Where what is fetched lies until it is complete, and from which an interrupted transfer resumes.
    pub downloads: &'a Path,
    /// The means.
    pub transport: &'a Transport,
    /// Tries of each request after the first.
    pub retries: u32,
    /// Where progress is shown.
    pub console: &'a Console,
}

impl Web<'_> {
    /// Fetches `part` from `base` into `staging`. Returns also where the download lies.
    ///
    /// # Errors
    /// Those of [`Download::run`], and [`Error::Io`].
    pub fn fetch(&self, base: &Url, part: &Part, staging: &Path) -> Result<(FileRecord, PathBuf)> {
        let url = below(base, &part.from)?;
        let target = locate(staging, &part.path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        // Files of different models have the same names; digests tell them apart.
        let name = part.from.rsplit('/').next().unwrap_or_default();
        let source = Source {
            name: name.to_owned(),
            version: String::new(),
            file: format!("{}-{name}", part.sha256),
            bytes: Some(part.bytes),
            sha256: part.sha256.clone(),
        };
        let fetched = self.downloads.join(&source.file);
        let is_there = fetched.is_file() && digest::of_file(&fetched, |_| {})? == part.sha256;
        if !is_there {
            Download::new(&source, &url, self.downloads, self.transport, self.console)
                .run(Patience::new(self.retries))?;
        }
        // The download stays until the foundation stands, so that a build that fails need not fetch it again.
        if std::fs::hard_link(&fetched, &target).is_err() {
            std::fs::copy(&fetched, &target).map_err(Error::io(&target))?;
            File::open(&target).and_then(|file| file.sync_all()).map_err(Error::io(&target))?;
        }
        let record = FileRecord { path: part.path.clone(), bytes: part.bytes, sha256: part.sha256.to_string() };
        Ok((record, fetched))
    }
}

/// The address of `from` below `base`.
fn below(base: &Url, from: &str) -> Result<Url> {
    let mut url = base.clone();
    let reason = || Error::Argument { name: "url", reason: format!("nothing can be below '{}'", base.scheme()) };
    url.path_segments_mut().map_err(|()| reason())?.pop_if_empty().extend(from.split('/'));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_hub_are_below_its_revision() {
        for base in ["https://hub.example/org/model/resolve/main", "https://hub.example/org/model/resolve/main/"] {
            let url = below(&Url::parse(base).expect("address"), "1_Pooling/config x.json").expect("address");
            assert_eq!(url.as_str(), "https://hub.example/org/model/resolve/main/1_Pooling/config%20x.json");
        }
    }
}
