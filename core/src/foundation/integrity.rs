//! Whether a foundation's files are those that its manifest lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Foundation;
use super::manifest::{FileRecord, MANIFEST, MAX_MANIFEST};
use crate::error::{Error, Result};
use crate::weights::{read_bounded, sha256_file_with};

/// Name of the file beside a manifest that holds the manifest's own digest, in the form of `sha256sum`.
pub const MANIFEST_DIGEST: &str = "foundation.json.sha256";

const FORMAT: &str = "foundation";
/// Files below a component's directory, listed or not.
const MAX_WALKED: usize = 1 << 16;

/// Longest content of that file.
const MAX_LINE: u64 = 256;

/// Content of [`MANIFEST_DIGEST`] beside a manifest of these bytes.
#[must_use]
pub fn manifest_digest(manifest: &[u8]) -> String {
    format!("{:x}  {MANIFEST}\n", Sha256::digest(manifest))
}

/// Compares the manifest in `root` with the digest beside it. Where there is none, as beside one that was written by hand,
/// there is nothing to compare.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] for a digest file that is none; [`Error::Digest`] when either was changed.
pub fn check_manifest(root: &Path) -> Result<()> {
    read_manifest(&root.join(MANIFEST)).map(|_| ())
}

/// The bytes of the manifest at `path`, which are those of the digest beside it.
///
/// # Errors
/// As [`check_manifest`].
pub(super) fn read_manifest(path: &Path) -> Result<Vec<u8>> {
    let manifest = read_bounded(path, MAX_MANIFEST)?;
    let beside = path.with_file_name(MANIFEST_DIGEST);
    match std::fs::symlink_metadata(&beside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(manifest),
        _ => {}
    }
    let line = read_bounded(&beside, MAX_LINE)?;
    let expected = recorded(&line).ok_or_else(|| {
        let reason = format!("it is not a digest, two spaces and {MANIFEST}");
        Error::malformed(beside.display(), "digest file", reason)
    })?;
    let found = format!("{:x}", Sha256::digest(&manifest));
    if found == expected { Ok(manifest) } else { Err(Error::Digest { path: path.to_path_buf(), found, expected }) }
}

/// The digest of a line as `sha256sum` writes it, in text or binary mode.
fn recorded(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, name) = line.split_once(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    (is_digest && matches!(name.strip_suffix('\n').unwrap_or(name).trim_end_matches('\r'), MANIFEST))
        .then(|| digest.to_ascii_lowercase())
}

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// All files are there, have their sizes, and no other lies between them: microseconds per file.
    #[default]
    Sizes,
    /// Every byte is hashed as well: about a second per GB, and all of it is read from the disk.
    Digests,
}

impl Foundation {
    /// Compares the files with the manifest, calling `progress` with the bytes of each piece that was hashed. A bare model
    /// has no manifest and passes.
    ///
    /// What lies in a component's directory unlisted is refused too: a loader would take some of it up, such as weights of
    /// another format or another tokenizer. Hidden files are left alone.
    ///
    /// # Errors
    /// For the first file that is not as it should be: [`Error::Io`] when it is missing or cannot be read,
    /// [`Error::Malformed`] when it has another size or is not listed, [`Error::Digest`] when its content differs.
    pub fn verify(&self, verify: Verify, mut progress: impl FnMut(u64)) -> Result<()> {
        let records = || self.components().iter().filter_map(|component| component.record());
        let files = || records().flat_map(|record| &record.files);
        files().try_for_each(|file| self.check_size(file))?;
        let listed: BTreeSet<PathBuf> = files().map(|file| self.root().join(&file.path)).collect();
        for record in records() {
            let entry = self.root().join(&record.entry);
            if entry.is_dir() {
                refuse_unlisted(&entry, &listed)?;
            }
        }
        if verify == Verify::Digests {
            for file in files() {
                let path = self.root().join(&file.path);
                let found = sha256_file_with(&path, &mut progress)?;
                if found != file.sha256 {
                    return Err(Error::Digest { path, found, expected: file.sha256.clone() });
                }
            }
        }
        Ok(())
    }

    fn check_size(&self, file: &FileRecord) -> Result<()> {
        let path = self.root().join(&file.path);
        let meta = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
        if !meta.is_file() {
            return Err(Error::io(&path, std::io::Error::other("not a regular file")));
        }
        if meta.len() != file.bytes {
            let reason = format!("{} bytes, the manifest says {}", meta.len(), file.bytes);
            return Err(Error::malformed(path.display(), FORMAT, reason));
        }
        Ok(())
    }
}

fn refuse_unlisted(top: &Path, listed: &BTreeSet<PathBuf>) -> Result<()> {
    let mut walked = 0;
    let mut left = vec![top.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))? {
            let entry = entry.map_err(|e| Error::io(&dir, e))?;
            let path = entry.path();
            walked += 1;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // A link to a directory is not followed, and not listed either.
            if entry.file_type().map_err(|e| Error::io(&path, e))?.is_dir() {
                left.push(path);
            } else if !listed.contains(&path) {
                return Err(Error::malformed(path.display(), FORMAT, "the manifest does not list this file"));
            }
            if walked > MAX_WALKED {
                return Err(Error::malformed(top.display(), FORMAT, format!("more than {MAX_WALKED} files in it")));
            }
        }
    }
    Ok(())
}
