//! The file of a store.

use std::fs::{File, TryLockError};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::place::{Check, StorePlace};
use crate::error::{Error, Result};
use crate::quant::matrix::Matrix;
use crate::quant::packed::LAYOUT_VERSION;
use crate::weights::{Bytes, Safetensors};

/// The header is filled up to a multiple of this, so that tensors begin at cache lines and pages.
const PAGE: usize = 4096;
/// Keys of the header's metadata: the layout's version, what the weight files are known by, where they lie, their digest, and
/// that of what follows the header.
const LAYOUT: &str = "layout";
const SOURCES: &str = "sources";
const ORIGIN: &str = "origin";
const DIGEST: &str = "sha256";
const CONTENT: &str = "content";
const ENDING: &str = ".packed.safetensors";
/// The file that a process locks while it writes into the folder.
const LOCK: &str = ".lock";
/// How long another process may write before memory has to serve: it may have been stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(20);

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
    /// [`Error::Io`] or [`Error::Malformed`] for a file that is there and cannot be used; [`Error::Digest`] for one whose
    /// content was changed, where that is looked at.
    pub(super) fn open(place: &StorePlace) -> Result<Option<Self>> {
        let path = path(place);
        if !path.exists() {
            return Ok(None);
        }
        let file = Safetensors::open(&path)?;
        let is = |key: &str, value: &str| file.metadata().get(key).is_some_and(|found| found == value);
        if !is(LAYOUT, &LAYOUT_VERSION.to_string()) || !is(SOURCES, &place.identity()?) {
            return Ok(None);
        }
        if place.check == Check::Content {
            let found = digest(&file);
            let expected = file.metadata().get(CONTENT).cloned().unwrap_or_default();
            if found != expected {
                return Err(Error::Digest { path, found, expected });
            }
        }
        Ok(Some(Self(file)))
    }

    /// The bytes of a matrix.
    pub(super) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.0.bytes(key)
    }

    /// Packs `matrices` into a new store, one after the other, and maps it; where another process is at it, waits for that and
    /// maps what it made. Stores that nobody needs any more are removed from the folder: those of earlier versions of this
    /// component, of sources that are gone, and of other layouts.
    ///
    /// # Errors
    /// [`Error::Io`]: no permission, no space, or another process that does not end.
    pub(super) fn write(place: &StorePlace, digest: &str, matrices: &[(String, Matrix)]) -> Result<Self> {
        std::fs::create_dir_all(&place.dir).map_err(|e| Error::io(&place.dir, e))?;
        // A file of its own: one that is renamed when it is done could be locked by one process while another writes it.
        let lock = lock(&place.dir.join(LOCK))?;
        if let Ok(Some(made)) = Self::open(place)
            && matrices.iter().all(|(key, _)| made.bytes(key).is_some())
        {
            return Ok(made);
        }
        let path = path(place);
        let part = path.with_extension("part");
        let io = |e| Error::io(&part, e);
        let metadata = json!({
            LAYOUT: LAYOUT_VERSION.to_string(), SOURCES: place.identity()?, ORIGIN: place.origin, DIGEST: digest,
        });
        let written = File::create(&part).and_then(|file| {
            contents(&file, metadata, matrices)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        });
        if let Err(error) = written {
            // What was written would fill the disk for nothing; its own failure to go changes nothing.
            let _ = std::fs::remove_file(&part);
            return Err(io(error));
        }
        remove_idle(place, &path);
        drop(lock);
        Ok(Self(Safetensors::open(&path)?))
    }
}

/// SHA-256 of all tensors, in the order in which they lie.
fn digest(file: &Safetensors) -> String {
    let mut tensors: Vec<Bytes> = file.names().iter().filter_map(|name| file.bytes(name)).collect();
    tensors.sort_by_key(|tensor| tensor.as_ptr());
    let mut digest = Sha256::new();
    tensors.iter().for_each(|tensor| digest.update(&tensor[..]));
    format!("{:x}", digest.finalize())
}

/// The file of a place.
fn path(place: &StorePlace) -> PathBuf {
    place.dir.join(format!("{}{ENDING}", place.name))
}

/// Locks a file, which is made where it is missing, waiting for whoever has it.
fn lock(path: &Path) -> Result<File> {
    let io = |e| Error::io(path, e);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(io)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            Err(error) => return Err(io(error.into())),
        }
    }
}

/// Removes stores of the folder that nobody needs. A process that has one mapped keeps its bytes until it ends.
fn remove_idle(place: &StorePlace, kept: &Path) {
    let entries = std::fs::read_dir(&place.dir).into_iter().flatten();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| *path != kept) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_needed = || -> Option<bool> {
            let file = Safetensors::open(&path).ok()?;
            let origin = file.metadata().get(ORIGIN)?;
            let is_old = *origin == place.origin && name.starts_with(&format!("{}-", place.component));
            Some(!is_old && Path::new(origin).exists() && file.metadata().get(LAYOUT)? == &LAYOUT_VERSION.to_string())
        };
        if name.ends_with(ENDING)
            && !is_needed().unwrap_or(false)
            && let Err(error) = std::fs::remove_file(&path)
        {
            log::warn!("{}: an old store could not be removed: {error}", path.display());
        }
    }
}

/// The header, and each matrix as it is packed.
fn contents(file: &File, mut metadata: Value, matrices: &[(String, Matrix)]) -> std::io::Result<()> {
    let mut header = Map::new();
    let mut end = 0usize;
    for (key, matrix) in matrices {
        let bytes = matrix.packed_bytes().expect("invariant: only what can be packed is collected");
        header.insert(key.clone(), json!({ "dtype": "U8", "shape": [bytes], "data_offsets": [end, end + bytes] }));
        end += bytes;
    }
    let mut text_with = |digest: String| -> std::io::Result<Vec<u8>> {
        metadata[CONTENT] = digest.into();
        header.insert("__metadata__".into(), metadata.clone());
        let mut text = serde_json::to_vec(&header)?;
        text.resize((8 + text.len()).next_multiple_of(PAGE) - 8, b' ');
        Ok(text)
    };
    let mut out = BufWriter::new(file);
    // The digest takes its place when it is known.
    let text = text_with("0".repeat(64))?;
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;
    let (mut packed, mut digest) = (Vec::new(), Sha256::new());
    for (_, matrix) in matrices {
        packed.resize(matrix.packed_bytes().unwrap_or(0), 0);
        matrix.pack(&mut packed);
        digest.update(&packed);
        out.write_all(&packed)?;
    }
    out.seek(SeekFrom::Start(8))?;
    out.write_all(&text_with(format!("{:x}", digest.finalize()))?)?;
    out.flush()
}
