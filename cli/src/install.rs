//! Putting a file or a whole directory under its final name in one step.
//!
//! Content is written beside its target as `.staging-NAME`, forced to disk, and renamed. What stood there before is kept
//! as `.previous-NAME` until the new one stands, so that a failure, a kill or a full disk at any moment costs nothing
//! that the user had: [`sweep`] undoes or completes what was interrupted. The caller holds the home's [`Lock`].

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::home::Lock;

/// Name prefix of what is not yet installed.
const STAGING: &str = ".staging-";

/// Name prefix of what is being replaced.
const PREVIOUS: &str = ".previous-";

/// A directory in the making. Dropped without [`Staging::commit`], it is removed and the target is as before.
#[derive(Debug)]
pub struct Staging<'a> {
    path: PathBuf,
    target: PathBuf,
    _lock: &'a Lock,
}

impl<'a> Staging<'a> {
    /// Creates an empty directory beside `target`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Argument`] if `target` has no name.
    pub fn begin(lock: &'a Lock, target: &Path) -> Result<Self> {
        let path = sibling(target, STAGING)?;
        remove(&path)?;
        fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Ok(Self { path, target: target.to_path_buf(), _lock: lock })
    }

    /// Where to put the content.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forces all directories to disk and makes this one the target, replacing what was there.
    ///
    /// The files' own content must have been forced to disk by who wrote them.
    ///
    /// # Errors
    /// [`Error::Io`]; the target is then as before.
    pub fn commit(self) -> Result<()> {
        sync_tree(&self.path)?;
        let previous = sibling(&self.target, PREVIOUS)?;
        remove(&previous)?;
        let replaced = match fs::rename(&self.target, &previous) {
            Ok(()) => true,
            Err(e) if e.kind() == ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io(&self.target)(e)),
        };
        if let Err(e) = fs::rename(&self.path, &self.target) {
            if replaced {
                fs::rename(&previous, &self.target).map_err(Error::io(&previous))?;
            }
            return Err(Error::io(&self.target)(e));
        }
        sync_parent(&self.target)?;
        if let Err(reason) = remove(&previous) {
            log::warn!("the replaced directory stays until the next installation: {reason}");
        }
        Ok(())
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // After a commit the path is gone already.
        if let Err(reason) = remove(&self.path) {
            log::warn!("an unfinished installation stays until the next one: {reason}");
        }
    }
}

/// Writes a file under its final name in one step, replacing what was there.
///
/// # Errors
/// [`Error::Io`]; the target is then as before.
pub fn write_file(_lock: &Lock, target: &Path, content: &[u8]) -> Result<()> {
    let path = sibling(target, STAGING)?;
    let written = write_new(&path, content)
        .and_then(|()| fs::rename(&path, target).map_err(Error::io(target)))
        .and_then(|()| sync_parent(target));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written
}

/// Writes a file that a user named, in one step, replacing what was there. What is no plain file, such as a pipe, is
/// written to as it is; a link is followed.
///
/// # Errors
/// [`Error::Io`]; a plain file is then as before.
pub fn replace_file(target: &Path, content: &[u8]) -> Result<()> {
    if fs::metadata(target).is_ok_and(|found| !found.is_file()) {
        let mut file = File::options().write(true).open(target).map_err(Error::io(target))?;
        return file.write_all(content).map_err(Error::io(target));
    }
    let real = fs::canonicalize(target);
    let target = real.as_deref().unwrap_or(target);
    let path = sibling(target, &format!("{STAGING}{}-", std::process::id()))?;
    let written = write_new(&path, content).and_then(|()| fs::rename(&path, target).map_err(Error::io(target)));
    written.map_err(|reason| {
        let _ = fs::remove_file(&path);
        match reason {
            // Who named the target knows nothing of the file beside it.
            Error::Io { source, .. } => Error::io(target)(source),
            other => other,
        }
    })
}

/// Creates a file with that content and forces it to disk; an old file is overwritten, so use it below a staging
/// directory only.
///
/// # Errors
/// [`Error::Io`].
pub fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io(path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::io(path))
}

/// Ends an interrupted replacement of `target`, which need not be in a home directory: what stood there comes back.
///
/// # Errors
/// [`Error::Io`].
pub fn recover(_lock: &Lock, target: &Path) -> Result<()> {
    let previous = sibling(target, PREVIOUS)?;
    if previous.exists() && !target.exists() {
        fs::rename(&previous, target).map_err(Error::io(&previous))?;
    }
    Ok(())
}

/// Ends interrupted installations in `directory`: a replaced one comes back if the new one is not there, everything
/// else unfinished is removed.
///
/// # Errors
/// [`Error::Io`].
pub fn sweep(directory: &Path) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(directory)(e)),
    };
    for entry in entries {
        let name = entry.map_err(Error::io(directory))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = directory.join(name);
        if let Some(original) = name.strip_prefix(PREVIOUS) {
            let target = directory.join(original);
            if !target.exists() {
                log::info!("{} is restored: its replacement was interrupted", target.display());
                fs::rename(&path, &target).map_err(Error::io(&path))?;
                continue;
            }
            remove(&path)?;
        } else if name.starts_with(STAGING) {
            log::info!("{} is removed: its installation was interrupted", path.display());
            remove(&path)?;
        }
    }
    Ok(())
}

fn sibling(target: &Path, prefix: &str) -> Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(Error::Argument { name: "path", reason: format!("'{}' names no file", target.display()) });
    };
    let mut sibling = OsString::from(prefix);
    sibling.push(name);
    Ok(target.with_file_name(sibling))
}

/// Removes a file or a directory with all below it, which need not exist.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(path)(e)),
        _ => Ok(()),
    }
}

fn sync_tree(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io(directory))? {
        let entry = entry.map_err(Error::io(directory))?;
        if entry.file_type().map_err(Error::io(entry.path()))?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_directory(directory)
}

fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        None => Ok(()),
        // A bare name lies in the working directory.
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
    }
}

/// Makes names in a directory survive a power cut.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(Error::io(directory))
}

/// Windows has no such call: renames are journalled by the file system.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::home::Home;

    fn home() -> (tempfile::TempDir, Home, Lock) {
        let place = tempfile::tempdir().expect("temporary directory");
        let home = Home::at(place.path());
        let lock = home.lock(Duration::ZERO, || {}).expect("free");
        (place, home, lock)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("directory");
        entries.map(|e| e.expect("entry").file_name().into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn commit_replaces_the_whole_directory() {
        let (_place, home, lock) = home();
        for content in ["old", "new"] {
            let staging = Staging::begin(&lock, &home.foundation("one")).expect("staging");
            write_new(&staging.path().join(content), content.as_bytes()).expect("written");
            staging.commit().expect("committed");
        }
        assert_eq!(names(&home.foundation("one")), ["new"]);
        assert_eq!(names(&home.foundations()), ["one"]);
    }

    #[test]
    fn dropped_staging_leaves_the_old_one() {
        let (_place, home, lock) = home();
        fs::create_dir(home.foundation("one")).expect("old");
        let staging = Staging::begin(&lock, &home.foundation("one")).expect("staging");
        write_new(&staging.path().join("half"), b"half").expect("written");
        drop(staging);
        assert_eq!(names(&home.foundations()), ["one"]);
        assert!(names(&home.foundation("one")).is_empty());
    }

    #[test]
    fn file_is_replaced_in_one_step() {
        let (_place, home, lock) = home();
        let target = home.adapters().join("a.loam");
        write_file(&lock, &target, b"old").expect("written");
        write_file(&lock, &target, b"new").expect("written");
        assert_eq!(fs::read(&target).expect("file"), b"new");
        assert_eq!(names(&home.adapters()), ["a.loam"]);
    }

    #[test]
    fn sweep_keeps_the_new_one_if_it_stands() {
        let (_place, home, _lock) = home();
        fs::create_dir(home.foundation("one")).expect("new");
        fs::create_dir(home.foundations().join(".previous-one")).expect("old");
        sweep(&home.foundations()).expect("swept");
        assert_eq!(names(&home.foundations()), ["one"]);
    }
}
