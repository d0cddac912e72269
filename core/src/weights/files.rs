//! Small files as a whole: configurations and other JSON.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::mmap::Bytes;
use crate::error::{Error, Result};

/// Configurations of models are a few KB of JSON; those that list every label or token id stay below this too.
pub(crate) const MAX_CONFIG: u64 = 4 << 20;

/// Reads a whole small file, refusing one over `limit` bytes before reading it.
///
/// # Errors
/// [`Error::Io`], or [`Error::Malformed`] naming the size.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    bounded_size(path, limit)?;
    let mut bytes = Vec::new();
    // It may have grown meanwhile.
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|e| Error::io(path, e))?;
    Ok(bytes)
}

/// As [`read_bounded`], as bytes that are shared and aligned as tensors like it.
///
/// # Errors
/// As [`read_bounded`].
pub(crate) fn read_shared(path: &Path, limit: u64) -> Result<Bytes> {
    let size = usize::try_from(bounded_size(path, limit)?).unwrap_or(usize::MAX);
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut read = Ok(());
    let bytes = Bytes::aligned(size, |content| read = file.read_exact(content));
    read.map_err(|e| Error::io(path, e))?;
    Ok(bytes)
}

fn bounded_size(path: &Path, limit: u64) -> Result<u64> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !meta.is_file() {
        return Err(Error::io(path, std::io::Error::other("not a regular file")));
    }
    let size = meta.len();
    if size > limit {
        return Err(Error::malformed(path.display(), "file", format!("{size} bytes, the limit is {limit}")));
    }
    Ok(size)
}

/// The JSON in a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`read_bounded`]; [`Error::Malformed`] for what is no JSON.
pub(crate) fn read_json(path: &Path, limit: u64) -> Result<Value> {
    serde_json::from_slice(&read_bounded(path, limit)?).map_err(|e| Error::malformed(path.display(), "JSON", e))
}
