//! Where a component's packed weights belong, and what tells that they are still those of its files.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where a component's packed weights belong.
#[derive(Clone, Debug)]
pub(crate) struct StorePlace {
    /// The folder.
    pub(crate) dir: PathBuf,
    /// The component's name.
    pub(crate) component: String,
    /// Name of the store: the component's and digits that no other model's component has.
    pub(crate) name: String,
    /// The file or folder that holds the weights.
    pub(crate) origin: String,
    /// Files that hold the weights.
    pub(crate) sources: Vec<PathBuf>,
    /// Their digest, where it is known without reading them.
    pub(crate) digest: Option<String>,
    /// How closely the store is looked at before it is used.
    pub(crate) check: Check,
}

/// How closely a store is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Its header, and that it has all bytes.
    Header,
    /// Every byte.
    Content,
}

impl StorePlace {
    /// Whether the sources have so many bytes; packing hardly adds to them.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        let sizes = self.sources.iter().map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len()));
        sizes.sum::<u64>() >= bytes as u64
    }

    /// What the weight files are known by: their digest where a manifest has it, else their names, sizes and times of change.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn identity(&self) -> Result<String> {
        if let Some(digest) = &self.digest {
            return Ok(digest.clone());
        }
        let of = |path: &PathBuf| -> Result<String> {
            let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
            let name = path.file_name().unwrap_or(Path::new("").as_os_str()).to_string_lossy();
            Ok(format!("{name}:{}:{}", meta.len(), changed(&meta)))
        };
        Ok(self.sources.iter().map(of).collect::<Result<Vec<_>>>()?.join("|"))
    }
}

/// When content and status of a file last changed. The second cannot be set by those who write the first.
#[cfg(unix)]
fn changed(meta: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}.{}:{}.{}", meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}

/// When the content of a file last changed.
#[cfg(not(unix))]
fn changed(meta: &std::fs::Metadata) -> String {
    let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    meta.modified().map_or_else(|_| String::new(), |time| since(time).to_string())
}
