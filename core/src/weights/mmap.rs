//! Read-only file mappings: the only place in the engine that maps memory.
//!
//! A mapping is shared by reference count, so tensors stay valid as long as anything uses them, and two processes
//! that open one file share its pages.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// A whole file, mapped read-only. Cloning is cheap and shares the mapping.
#[derive(Clone)]
pub struct MappedFile {
    map: Arc<Mmap>,
    path: Arc<Path>,
}

impl MappedFile {
    /// Maps `path`. Costs one system call; pages are read on first use.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened, is empty, or is not a regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // Asked before opening: opening a named pipe would wait for a writer.
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !meta.is_file() {
            return Err(Error::io(path, std::io::Error::other("not a regular file")));
        }
        if meta.len() == 0 {
            return Err(Error::io(path, std::io::Error::other("the file is empty")));
        }
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        // SAFETY: the mapping is private to this type and only ever handed out as `&[u8]`. Another process could
        // truncate or rewrite the file; installs replace files by rename and never write in place, which is the
        // condition under which a read-only mapping is sound in practice.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
        Ok(Self { map: Arc::new(map), path: Arc::from(path) })
    }

    /// The file behind the mapping.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A part of the file as shared bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `start + len` lies beyond the end of the file.
    pub fn slice(&self, start: usize, len: usize) -> Result<Bytes> {
        let end = start.checked_add(len).filter(|&end| end <= self.map.len()).ok_or_else(|| {
            Error::malformed(
                self.path.display(),
                "weights",
                format!("bytes {start}..+{len} lie beyond the file's {} bytes", self.map.len()),
            )
        })?;
        Ok(Bytes { source: Source::Mapped(self.clone()), start, end })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl std::fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MappedFile({}, {} bytes)", self.path.display(), self.map.len())
    }
}

/// Bytes that a processor fetches at once.
const CACHE_LINE: usize = 64;

/// Where shared bytes live.
#[derive(Clone, Debug)]
enum Source {
    Mapped(MappedFile),
    Owned(Arc<[u8]>),
}

/// A reference-counted range of bytes: a part of a mapped file, or of a buffer that was converted on load.
#[derive(Clone, Debug)]
pub struct Bytes {
    source: Source,
    start: usize,
    end: usize,
}

impl Bytes {
    /// Bytes of anonymous memory behind this range: zero for mapped files.
    #[must_use]
    pub fn anonymous_len(&self) -> usize {
        match &self.source {
            Source::Mapped(_) => 0,
            Source::Owned(_) => self.end - self.start,
        }
    }

    /// The file that this is a part of, and where it begins in it; `None` for memory.
    #[must_use]
    pub fn place(&self) -> Option<(&Path, usize)> {
        match &self.source {
            Source::Mapped(file) => Some((file.path(), self.start)),
            Source::Owned(_) => None,
        }
    }

    /// Bytes `start..end` of this range, shared.
    ///
    /// # Panics
    /// When they are not within it.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= self.len(), "invariant: callers check the range");
        Self { source: self.source.clone(), start: self.start + start, end: self.start + end }
    }
}

impl Bytes {
    /// `len` bytes of anonymous memory at a multiple of 64, as vector instructions like them, written by `fill`.
    #[must_use]
    pub fn aligned(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut memory: Arc<[u8]> = std::iter::repeat_n(0, len + CACHE_LINE).collect();
        let start = memory.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE);
        let bytes = Arc::get_mut(&mut memory).expect("invariant: nobody else has just been given it");
        fill(&mut bytes[start..start + len]);
        Self { source: Source::Owned(memory), start, end: start + len }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(owned: Vec<u8>) -> Self {
        let end = owned.len();
        Self { source: Source::Owned(owned.into()), start: 0, end }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.source {
            Source::Mapped(file) => &file[self.start..self.end],
            Source::Owned(bytes) => &bytes[self.start..self.end],
        }
    }
}
