//! The file of a store.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::StorePlace;
use crate::error::{Error, Result};
use crate::quant::matrix::Matrix;
use crate::quant::packed::LAYOUT_VERSION;
use crate::weights::{Bytes, Safetensors};

/// The header is filled up to a multiple of this, so that tensors begin at cache lines and pages.
const PAGE: usize = 4096;
/// Keys of the header's metadata.
const LAYOUT: &str = "layout";
const SOURCES: &str = "sources";
const DIGEST: &str = "sha256";
/// Digits of the digest in a file's name: enough to tell the versions of one component apart.
const DIGITS: usize = 16;
const ENDING: &str = ".packed.safetensors";

/// A store that fits its sources, mapped.
#[derive(Debug)]
pub(super) struct StoreFile(Safetensors);

/// By what a matrix is found: where it lies in its weight file, and its shape. `None` for one that is in no file.
pub(super) fn key(matrix: &Matrix) -> Option<String> {
    let (path, start) = matrix.place()?;
    let file = path.file_name()?.to_string_lossy();
    Some(format!("{file}:{start}:{}:{}x{}", matrix.kind(), matrix.rows(), matrix.cols()))
}

impl StoreFile {
    /// The store of `place`; `None` where there is none for these sources.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Malformed`] for a file that is there and cannot be used.
    pub(super) fn open(place: &StorePlace) -> Result<Option<Self>> {
        let sources = sources(place)?;
        for path in existing(place) {
            let file = Safetensors::open(&path)?;
            let is = |key: &str, value: &str| file.metadata().get(key).is_some_and(|found| found == value);
            if is(LAYOUT, &LAYOUT_VERSION.to_string()) && is(SOURCES, &sources) {
                return Ok(Some(Self(file)));
            }
        }
        Ok(None)
    }

    /// The bytes of a matrix.
    pub(super) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.0.bytes(key)
    }

    /// Packs `matrices` into a new store, one after the other, and maps it. Stores of the component's other versions are
    /// removed.
    ///
    /// # Errors
    /// [`Error::Io`]: no permission, no space, or another process that is at it.
    pub(super) fn write(place: &StorePlace, digest: &str, matrices: &[(String, Matrix)]) -> Result<Self> {
        let sources = sources(place)?;
        let short = digest.get(..DIGITS).unwrap_or(digest);
        let path = place.dir.join(format!("{}-{short}{ENDING}", place.name));
        let part = place.dir.join(format!(".{}.part", place.name));
        std::fs::create_dir_all(&place.dir).map_err(|e| Error::io(&place.dir, e))?;
        let io = |e| Error::io(&part, e);
        let file = File::options().create(true).truncate(false).write(true).open(&part).map_err(io)?;
        // Two processes that pack at a time would write into each other's file.
        file.try_lock().map_err(|e| io(e.into()))?;
        file.set_len(0).map_err(io)?;
        let metadata = json!({ LAYOUT: LAYOUT_VERSION.to_string(), SOURCES: sources, DIGEST: digest });
        let written = contents(&file, metadata, matrices).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| std::fs::rename(&part, &path)) {
            // What was written would fill the disk for nothing; its own failure to go changes nothing.
            let _ = std::fs::remove_file(&part);
            return Err(io(error));
        }
        for other in existing(place).filter(|other| *other != path) {
            if let Err(error) = std::fs::remove_file(&other) {
                log::warn!("{}: an old store could not be removed: {error}", other.display());
            }
        }
        Ok(Self(Safetensors::open(&path)?))
    }
}

/// The header, and each matrix as it is packed.
fn contents(file: &File, metadata: Value, matrices: &[(String, Matrix)]) -> std::io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata);
    let mut end = 0usize;
    for (key, matrix) in matrices {
        let bytes = matrix.packed_bytes().expect("invariant: only what can be packed is collected");
        header.insert(key.clone(), json!({ "dtype": "U8", "shape": [bytes], "data_offsets": [end, end + bytes] }));
        end += bytes;
    }
    let mut text = serde_json::to_vec(&header)?;
    text.resize((8 + text.len()).next_multiple_of(PAGE) - 8, b' ');
    let mut out = BufWriter::new(file);
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;
    let mut packed = Vec::new();
    for (_, matrix) in matrices {
        packed.resize(matrix.packed_bytes().unwrap_or(0), 0);
        matrix.pack(&mut packed);
        out.write_all(&packed)?;
    }
    out.flush()
}

/// Stores of a component, of any version.
fn existing(place: &StorePlace) -> impl Iterator<Item = PathBuf> {
    let prefix = format!("{}-", place.name);
    let named = move |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digits = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(ENDING));
        digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let entries = std::fs::read_dir(&place.dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(named)
}

/// Names, sizes and times of change of the weight files: what tells that they are those that were packed.
fn sources(place: &StorePlace) -> Result<String> {
    let of = |path: &PathBuf| -> Result<String> {
        let io = |e| Error::io(path, e);
        let meta = std::fs::metadata(path).map_err(io)?;
        let changed = meta.modified().map_err(io)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = path.file_name().unwrap_or(Path::new("").as_os_str()).to_string_lossy();
        Ok(format!("{name}:{}:{}", meta.len(), changed.as_nanos()))
    };
    Ok(place.sources.iter().map(of).collect::<Result<Vec<_>>>()?.join("|"))
}
