//! A file that is being fetched: `NAME.partial`, with the running digest of what it holds.
//!
//! It outlives the process, so that the next one goes on where this one was stopped. What an earlier process left is
//! hashed when it is opened; whether it was the right bytes shows at the end.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// A file in the making.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    len: u64,
}

/// The name under which `target` is fetched.
#[must_use]
pub fn path_for(target: &Path) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(".partial");
    PathBuf::from(path)
}

impl Partial {
    /// Opens what is there for `target`, or creates it; something longer than `limit` is begun anew.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(target: &Path, limit: u64) -> Result<Self> {
        let path = path_for(target);
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io(&path))?;
        let mut hasher = Hasher::default();
        let len = hasher.drain(Read::by_ref(&mut file).take(limit + 1), |_| {}).map_err(Error::io(&path))?;
        let mut partial = Self { path, file, hasher, len };
        if len > limit {
            log::info!("{} is longer than the file it should become; starting anew", partial.path.display());
            partial.restart()?;
        }
        Ok(partial)
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Forgets all bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(Error::io(&self.path))?;
        self.hasher = Hasher::default();
        self.len = 0;
        Ok(())
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`Error::Io`], as for a full disk; all bytes before these are kept.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// What the bytes hash to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Forces the file to disk and gives it its final name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(Error::io(&self.path))?;
        drop(self.file);
        fs::rename(&self.path, target).map_err(Error::io(target))
    }

    /// Removes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard(self) -> Result<()> {
        drop(self.file);
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(&self.path)(e)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_continued_or_dropped() {
        let place = tempfile::tempdir().expect("temporary directory");
        let target = place.path().join("x.whl");
        let mut first = Partial::open(&target, 6).expect("new");
        first.append(b"abc").expect("written");
        drop(first);
        let mut second = Partial::open(&target, 6).expect("old");
        assert_eq!(second.len(), 3);
        second.append(b"def").expect("written");
        let mut whole = Hasher::default();
        whole.update(b"abcdef");
        assert_eq!(second.digest(), whole.finish());
        second.finish(&target).expect("renamed");
        assert_eq!(fs::read(&target).expect("file"), b"abcdef");
        fs::write(path_for(&target), b"abcdefg").expect("too long");
        assert_eq!(Partial::open(&target, 6).expect("old").len(), 0);
    }
}
