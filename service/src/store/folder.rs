//! The folder that holds an app's adapters. What is acknowledged stays; what was cut off in the middle is never seen.
//!
//! ```text
//! state/u1000.com.example.mail/adapters/
//!   spam@7/spam.safetensors      a one-file package
//!   spam@7/spam.safetensors.minisig   its signature, where it has one
//!   tone@9/tone/                 a PEFT directory; errors name it as its client does
//!   .last@9                      the highest number of one that is gone, so that none is used twice
//!   .partial-3/                  being written, or cut off: removed at the next start
//!   .gone-4/                     being removed, likewise
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use loam::adapter::SIGNATURE_ENDING;

use crate::call::AdapterFile;
use crate::error::{Error, Result};

/// Largest file of an adapter, in bytes: as many as the registry takes of all adapters together.
pub(crate) const MAX_FILE: u64 = 512 << 20;
/// Largest signature; the engine's own limit is below.
const MAX_SIGNATURE: u64 = 64 << 10;
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;
const PARTIAL: &str = ".partial-";
const GONE: &str = ".gone-";
const LAST: &str = ".last@";

/// A file that a client attached: opened by it, so that it could read it. Its content may change at any time.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) kind: AdapterFile,
    pub(crate) file: File,
}

/// An installed generation on disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) alias: String,
    pub(super) generation: u64,
    /// What [`loam::adapter::AdapterPackage::open`] opens.
    pub(super) path: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Numbers what is being written or removed.
    work: AtomicU64,
}

/// A copy that is on disk but not yet installed; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    installed: bool,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.installed {
            remove(&self.path);
        }
    }
}

impl Folder {
    /// The folder `root`, which is made when the first adapter comes. Removes what was cut off.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be read.
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        sweep(&root)?;
        Ok(Self { root, work: AtomicU64::new(0) })
    }

    /// All generations, the newest first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = names(&self.root)?.iter().filter_map(|name| self.entry(name)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.generation));
        Ok(entries)
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let (alias, generation) = name.rsplit_once('@').filter(|(alias, _)| !alias.starts_with('.'))?;
        let dir = self.root.join(name);
        let package = dir.join(package_name(alias));
        let path = if package.is_file() { package } else { dir.join(alias) };
        Some(Entry { alias: alias.to_owned(), generation: generation.parse().ok()?, path })
    }

    /// The highest number that was ever used.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn last(&self) -> Result<u64> {
        let names = names(&self.root)?;
        let number = |name: &String| name.rsplit_once('@').and_then(|(_, number)| number.parse().ok());
        Ok(names.iter().filter_map(number).max().unwrap_or(0))
    }

    /// Copies the files of an adapter, bounded, and waits until they are on disk.
    ///
    /// # Errors
    /// [`Error::Io`], also for a full disk; [`Error::Adapter`] for a file that is too large or was cut meanwhile.
    pub(super) fn stage(&self, alias: &str, sources: Vec<Source>) -> Result<Staged> {
        create_dirs(&self.root)?;
        let path = self.root.join(format!("{PARTIAL}{}", self.work.fetch_add(1, Ordering::Relaxed)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| Error::io(&path, error))?;
        let staged = Staged { path, installed: false };
        let place = match sources.as_slice() {
            [Source { kind: AdapterFile::Package, .. }, ..] => staged.path.clone(),
            _ => staged.path.join(alias),
        };
        create_dirs(&place)?;
        for source in sources {
            copy(alias, &source, &place.join(file_name(source.kind, alias)))?;
        }
        sync(&place)?;
        sync(&staged.path)?;
        Ok(staged)
    }

    /// Puts a copy in its place. It is there after any crash once this has returned.
    ///
    /// # Errors
    /// [`Error::Io`]; it is not there then.
    pub(super) fn commit(&self, mut staged: Staged, alias: &str, generation: u64) -> Result<Entry> {
        let name = format!("{alias}@{generation}");
        let place = self.root.join(&name);
        std::fs::rename(&staged.path, &place).map_err(|error| Error::io(&place, error))?;
        // From here on the copy lies elsewhere.
        staged.installed = true;
        let kept = sync(&self.root).and_then(|()| {
            self.entry(&name).ok_or_else(|| Error::io(&place, std::io::Error::from(std::io::ErrorKind::NotFound)))
        });
        kept.inspect_err(|_| remove(&place))
    }

    /// Removes a generation; it is gone after any crash once this has returned.
    ///
    /// # Errors
    /// [`Error::Io`]; it may still be there then.
    pub(super) fn discard(&self, alias: &str, generation: u64) -> Result<()> {
        // Its number stays taken. Older marks say nothing more.
        if generation >= self.last()? {
            let mark = self.root.join(format!("{LAST}{generation}"));
            File::create(&mark).map_err(|error| Error::io(&mark, error))?;
            for old in names(&self.root)?.iter().filter(|name| name.starts_with(LAST)) {
                if self.root.join(old) != mark {
                    let _ = std::fs::remove_file(self.root.join(old));
                }
            }
        }
        let place = self.root.join(format!("{alias}@{generation}"));
        let gone = self.root.join(format!("{GONE}{}", self.work.fetch_add(1, Ordering::Relaxed)));
        std::fs::rename(&place, &gone).map_err(|error| Error::io(&place, error))?;
        sync(&self.root)?;
        remove(&gone);
        Ok(())
    }
}

/// Removes what was cut off in the folder of an app that nobody uses yet.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be read.
pub(crate) fn sweep(root: &Path) -> Result<()> {
    for name in names(root)?.iter().filter(|name| name.starts_with(PARTIAL) || name.starts_with(GONE)) {
        log::info!("{}: removing what was cut off", root.join(name).display());
        remove(&root.join(name));
    }
    Ok(())
}

/// Bytes of all files below `root`, which may be absent.
pub(crate) fn stored_bytes(root: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(root) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => stored_bytes(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |data| data.size()),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}

/// Names in a folder; none where it is absent.
fn names(root: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(root, error)),
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| match entry {
        Ok(entry) => Ok(entry.file_name().to_string_lossy().into_owned()),
        Err(error) => Err(Error::io(root, error)),
    };
    entries.map(name).collect()
}

fn package_name(alias: &str) -> String {
    format!("{alias}.safetensors")
}

fn file_name(kind: AdapterFile, alias: &str) -> String {
    match kind {
        AdapterFile::Package => package_name(alias),
        AdapterFile::Config => "adapter_config.json".to_owned(),
        AdapterFile::Weights => "adapter_model.safetensors".to_owned(),
        AdapterFile::Task => "task.json".to_owned(),
        AdapterFile::Signature => format!("{}{SIGNATURE_ENDING}", package_name(alias)),
    }
}

/// Makes a folder and those above it, each of which is on disk before anything is put into it.
fn create_dirs(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new("/"));
    create_dirs(above)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io(path, error)),
        _ => sync(above),
    }
}

/// By `pread` and never by a mapping: the file is the client's, who may cut it short at any moment.
fn copy(alias: &str, Source { kind, file: from }: &Source, to: &Path) -> Result<()> {
    let refuse =
        |reason: String| Error::Adapter { adapter: alias.to_owned(), reason: format!("adapter '{alias}': {reason}") };
    let unreadable = |error| refuse(format!("an attached file: {error}"));
    let size = from.metadata().map_err(unreadable)?.len();
    let limit = if *kind == AdapterFile::Signature { MAX_SIGNATURE } else { MAX_FILE };
    if size > limit {
        return Err(refuse(format!("a file of {size} bytes, the limit is {limit}")));
    }
    let full = |error| Error::io(to, error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(full)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let wanted = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
        let count = match from.read_at(&mut piece[..wanted], at) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.map_err(unreadable)?,
        };
        if count == 0 {
            return Err(refuse(format!("a file of {size} bytes ended after {at}")));
        }
        file.write_all(&piece[..count]).map_err(full)?;
        at += count as u64;
    }
    file.sync_all().map_err(full)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::io(dir, error))
}

/// What cannot be removed is only untidy: its name says that it is nothing.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        log::warn!("{}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(dir: &Path, content: &[u8]) -> Vec<Source> {
        let path = dir.join("source");
        std::fs::write(&path, content).expect("written");
        vec![Source { kind: AdapterFile::Package, file: File::open(path).expect("opened") }]
    }

    #[test]
    fn a_number_is_never_used_twice_and_halves_are_swept() {
        let dir = tempfile::tempdir().expect("folder");
        let root = dir.path().join("apps/mail");
        let folder = Folder::open(root.clone()).expect("opened");
        assert_eq!(folder.last().expect("read"), 0);
        let staged = folder.stage("spam", source(dir.path(), b"abc")).expect("staged");
        folder.commit(staged, "spam", 1).expect("committed");
        let staged = folder.stage("spam", source(dir.path(), b"def")).expect("staged");
        let entry = folder.commit(staged, "spam", 2).expect("committed");
        assert_eq!(std::fs::read(&entry.path).expect("read"), b"def");
        assert_eq!(folder.entries().expect("read").iter().map(|e| e.generation).collect::<Vec<_>>(), [2, 1]);
        folder.discard("spam", 1).expect("discarded");
        folder.discard("spam", 2).expect("discarded");
        assert_eq!((folder.entries().expect("read"), folder.last().expect("read")), (vec![], 2));
        // One that is not committed is gone with its owner, and one that a crash left behind at the next start.
        drop(folder.stage("spam", source(dir.path(), b"ghi")).expect("staged"));
        std::fs::create_dir_all(root.join(".partial-7")).expect("made");
        std::fs::write(root.join(".partial-7/x"), b"half").expect("written");
        let again = Folder::open(root.clone()).expect("opened");
        assert_eq!(again.last().expect("read"), 2);
        assert_eq!(names(&root).expect("read"), [".last@2"]);
        assert_eq!(stored_bytes(&root), 0);
    }
}
