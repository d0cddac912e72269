//! A context in a file of the app's: what was said, and with it what was computed.
//!
//! One safetensors file. `positions` holds the token of each position, or -1 for a soft token; `soft` those rows in order;
//! `blocks.*` keys and values as caches hold them. The metadata names the component and the adapter that they belong to, and a
//! digest of all of it. A file appears whole or not at all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensors, serialize_to_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapter::Adapter;
use crate::budget::Held;
use crate::engine::prompt::Prompt;
use crate::error::{Error, Result};
use crate::model::backbone::Entry;
use crate::model::{BLOCK_TOKENS, CacheBlock, CacheShape, KvCache};

const WHAT: &str = "saved context";
/// Metadata key of [`Header`] as JSON.
const HEADER_KEY: &str = "loam.context";
/// Metadata key of the SHA-256 over the header and all tensors' bytes.
const DIGEST_KEY: &str = "loam.sha256";
const VERSION: u32 = 1;
const POSITIONS: &str = "positions";
const SOFT: &str = "soft";

fn block_name(number: usize) -> String {
    format!("blocks.{number}")
}

/// Largest file that is read: the window of a large model, in single precision.
const MAX_BYTES: u64 = 8 << 30;

/// What a saved context belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    /// Name of the component, and SHA-256 of its weights.
    component: String,
    fingerprint: String,
    /// Name and digest of the adapter.
    adapter: Option<(String, String)>,
    /// Shape of the cache: layers, key heads, width of a head, type.
    shape: (usize, usize, usize, String),
    len: usize,
    /// What the caller keeps beside it.
    pub(crate) note: String,
}

impl Header {
    pub(crate) fn new(
        (component, fingerprint): (&str, &str),
        adapter: Option<&Adapter>,
        cache: &KvCache,
        note: String,
    ) -> Self {
        Self {
            version: VERSION,
            component: component.to_owned(),
            fingerprint: fingerprint.to_owned(),
            adapter: adapter.map(|adapter| (adapter.alias.clone(), adapter.package.digest().to_owned())),
            shape: described(cache.shape()),
            len: cache.len(),
            note,
        }
    }

    /// Whether keys and values of this file are those of `other`'s component, adapter and shape.
    ///
    /// # Errors
    /// [`Error::Context`] naming what differs.
    fn check(&self, other: &Self) -> Result<()> {
        let adapter = |adapter: &Option<(String, String)>| match adapter {
            None => "no adapter".to_owned(),
            Some((alias, digest)) => format!("adapter '{alias}' of {digest:.12}"),
        };
        let fields = [
            ("component", self.component.clone(), other.component.clone()),
            ("weights", self.fingerprint.clone(), other.fingerprint.clone()),
            ("adapter", adapter(&self.adapter), adapter(&other.adapter)),
            ("cache", format!("{:?}", self.shape), format!("{:?}", other.shape)),
        ];
        match fields.into_iter().find(|(_, saved, now)| saved != now) {
            None => Ok(()),
            Some((what, saved, now)) => Err(Error::Context { what, saved, now }),
        }
    }
}

fn described(shape: CacheShape) -> (usize, usize, usize, String) {
    (shape.layers, shape.kv_heads, shape.head_dim, format!("{:?}", shape.kind))
}

/// A tensor that is written piece by piece, as it lies in memory.
struct Stored<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl<'a> Stored<'a> {
    fn new(name: &str, dtype: Dtype, shape: Vec<usize>, data: Cow<'a, [u8]>) -> Self {
        Self { name: name.to_owned(), dtype, shape, data }
    }
}

impl View for &Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Writes `sequence` with its `cache` to `path`, in place of what was there; that stays until the new file is on the disk.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn save(path: &Path, header: &Header, sequence: &Prompt, cache: &KvCache) -> Result<()> {
    let (mut positions, mut soft, mut width) = (Vec::new(), Vec::new(), 0);
    for position in 0..sequence.len() {
        let token = match sequence.entry(position) {
            Entry::Token(id) => i64::from(id),
            Entry::Soft(values) => {
                width = values.len();
                soft.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                -1
            }
        };
        positions.extend(token.to_le_bytes());
    }
    let rows = soft.len().checked_div(4 * width).unwrap_or(0);
    let mut stored = vec![
        Stored::new(POSITIONS, Dtype::I64, vec![sequence.len()], positions.into()),
        Stored::new(SOFT, Dtype::F32, vec![rows, width], soft.into()),
    ];
    stored.extend(cache.blocks().iter().enumerate().map(|(number, block)| {
        Stored::new(&block_name(number), Dtype::U8, vec![block.bytes().len()], block.bytes().into())
    }));
    let text = serde_json::to_string(header).map_err(|e| Error::malformed(path.display(), WHAT, e))?;
    let digest = digest(&text, stored.iter().map(|tensor| (tensor.name.as_str(), &*tensor.data)));
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), text), (DIGEST_KEY.to_owned(), digest)]);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |e: std::io::Error| Error::io(path, e);
    let beside = tempfile::Builder::new().prefix(".context").suffix(".partial").tempfile_in(folder).map_err(failed)?;
    let tensors = stored.iter().map(|tensor| (&tensor.name, tensor));
    serialize_to_file(tensors, Some(metadata), beside.path()).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(e) => failed(e),
        other => Error::malformed(path.display(), WHAT, other),
    })?;
    // What is renamed must be on the disk first, and the new name after it.
    std::fs::File::open(beside.path()).and_then(|file| file.sync_all()).map_err(failed)?;
    beside.persist(path).map_err(|e| failed(e.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A file that was read, and is what was written.
pub(crate) struct Saved {
    bytes: Vec<u8>,
    header: Header,
    _held: Held,
}

impl Saved {
    /// Reads the file at `path`, for which `hold` makes room.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], or [`Error::Digest`] where a byte of it has changed; those of `hold`.
    pub(crate) fn open(path: &Path, hold: impl FnOnce(u64) -> Result<Held>) -> Result<Self> {
        let failed = |e| Error::io(path, e);
        let malformed = |reason: String| Error::malformed(path.display(), WHAT, reason);
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() || found.len() > MAX_BYTES {
            return Err(malformed(format!("{} bytes, expected a file of at most {MAX_BYTES}", found.len())));
        }
        let held = hold(found.len())?;
        // Read, not mapped: somebody may cut it short meanwhile, or make it longer.
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(found.len()).read_to_end(&mut bytes)).map_err(failed)?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| malformed(e.to_string()))?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let field = |key: &str| metadata.get(key).ok_or_else(|| malformed(format!("it has no '{key}'")));
        let (text, expected) = (field(HEADER_KEY)?, field(DIGEST_KEY)?);
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| malformed(e.to_string()))?;
        let header: Header = serde_json::from_str(text).map_err(|e| malformed(format!("'{HEADER_KEY}': {e}")))?;
        if header.version != VERSION {
            return Err(malformed(format!("version {}, this library reads {VERSION}", header.version)));
        }
        // Before anything is made that is as long as the file says.
        let blocks = header.len.div_ceil(BLOCK_TOKENS);
        if blocks.checked_add(2) != Some(tensors.len()) {
            return Err(malformed(format!("{} tensors, {} tokens have {blocks} and two", tensors.len(), header.len)));
        }
        let names: Vec<String> =
            [POSITIONS, SOFT].map(str::to_owned).into_iter().chain((0..blocks).map(block_name)).collect();
        let mut parts = Vec::with_capacity(names.len());
        for name in &names {
            let tensor = tensors.tensor(name).map_err(|e| malformed(format!("tensor '{name}': {e}")))?;
            parts.push((name.as_str(), tensor.data()));
        }
        let found = digest(text, parts.into_iter());
        if found != *expected {
            return Err(Error::Digest { path: path.to_path_buf(), found, expected: expected.clone() });
        }
        Ok(Self { bytes, header, _held: held })
    }

    /// What the caller kept beside it.
    pub(crate) fn note(&self) -> &str {
        &self.header.note
    }

    /// Its sequence, and its keys and values in `cache`, an empty one; both are of what `now` describes. Blocks are made by
    /// `block`.
    ///
    /// # Errors
    /// [`Error::Context`] where they belong to something else; [`Error::Malformed`]; those of `block`.
    pub(crate) fn restore(
        self,
        now: &Header,
        mut cache: KvCache,
        block: impl Fn(CacheShape, &[u8]) -> Result<Arc<CacheBlock>>,
    ) -> Result<(Prompt, KvCache)> {
        self.header.check(now)?;
        let malformed = |reason: String| Error::malformed(WHAT, "safetensors", reason);
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        let tensor = |name: &str, dtype: Dtype| {
            let tensor = tensors.tensor(name).map_err(|e| malformed(format!("tensor '{name}': {e}")))?;
            let right = tensor.dtype() == dtype;
            right.then_some(tensor).ok_or_else(|| malformed(format!("tensor '{name}' is no {dtype:?}")))
        };
        let (positions, soft) = (tensor(POSITIONS, Dtype::I64)?, tensor(SOFT, Dtype::F32)?);
        let width = soft.shape().get(1).copied().unwrap_or(0);
        let values: Vec<f32> = soft.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let mut rows = values.chunks_exact(width.max(1));
        let mut sequence = Prompt::new();
        for (at, bytes) in positions.data().as_chunks().0.iter().enumerate() {
            let token = i64::from_le_bytes(*bytes);
            match (u32::try_from(token), token) {
                (Ok(id), _) => sequence.push_token(id),
                (_, -1) => {
                    let row = rows.next().ok_or_else(|| malformed(format!("position {at} has no soft token")))?;
                    sequence.push_soft(row, width)?;
                }
                _ => return Err(malformed(format!("position {at} is {token}"))),
            }
        }
        let (len, shape) = (self.header.len, cache.shape());
        if len > sequence.len() {
            return Err(malformed(format!("keys and values of {len} tokens, there are {}", sequence.len())));
        }
        let mut blocks = Vec::new();
        for number in 0..len.div_ceil(BLOCK_TOKENS) {
            let bytes = tensor(&block_name(number), Dtype::U8)?.data();
            if bytes.len() != shape.block() {
                return Err(malformed(format!("a block of {} bytes, expected {}", bytes.len(), shape.block())));
            }
            blocks.push(block(shape, bytes)?);
        }
        cache.resume(blocks, len);
        Ok((sequence, cache))
    }
}

fn digest<'a>(header: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new_with_prefix(header);
    for (name, data) in tensors {
        hash.update([0]);
        hash.update(name);
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(data);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CacheType;

    const SHAPE: CacheShape = CacheShape { layers: 1, kv_heads: 1, head_dim: 16, kind: CacheType::F16 };

    fn header(len: usize) -> Header {
        let cache = KvCache::new(SHAPE);
        Header { len, ..Header::new(("backbone", "aa"), None, &cache, "note".to_owned()) }
    }

    /// A file with a right digest, whatever it says.
    fn forge(header: &Header, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Result<(Prompt, KvCache)> {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("forged");
        let text = serde_json::to_string(header).expect("JSON");
        // In the order in which a reader looks at them.
        let digest = digest(&text, tensors.iter().map(|(name, _, _, data)| (*name, &data[..])));
        let metadata = HashMap::from([(HEADER_KEY.to_owned(), text), (DIGEST_KEY.to_owned(), digest)]);
        let stored: Vec<Stored<'_>> = tensors
            .iter()
            .map(|(name, dtype, shape, data)| Stored::new(name, *dtype, shape.clone(), data[..].into()))
            .collect();
        serialize_to_file(stored.iter().map(|tensor| (&tensor.name, tensor)), Some(metadata), &path).expect("written");
        let budget = crate::budget::Budget::new(&crate::budget::MemoryLimits::default());
        let hold = |bytes| budget.take(bytes).map_err(|shortage| shortage.error(WHAT));
        Saved::open(&path, hold)?.restore(&self::header(0), KvCache::new(SHAPE), |shape, bytes| {
            CacheBlock::restore(shape, &budget, bytes).map_err(|shortage| shortage.error("blocks"))
        })
    }

    fn tokens(ids: &[i64]) -> (&'static str, Dtype, Vec<usize>, Vec<u8>) {
        (POSITIONS, Dtype::I64, vec![ids.len()], ids.iter().flat_map(|id| id.to_le_bytes()).collect())
    }

    fn soft(rows: usize, width: usize, value: f32) -> (&'static str, Dtype, Vec<usize>, Vec<u8>) {
        (SOFT, Dtype::F32, vec![rows, width], value.to_le_bytes().repeat(rows * width))
    }

    fn block(bytes: usize) -> (&'static str, Dtype, Vec<usize>, Vec<u8>) {
        ("blocks.0", Dtype::U8, vec![bytes], vec![1; bytes])
    }

    #[test]
    fn whoever_knows_the_digest_still_has_to_make_sense() {
        let size = SHAPE.block();
        let (sequence, cache) =
            forge(&header(2), &[tokens(&[5, -1, 7]), soft(1, 4, 0.5), block(size)]).expect("a plain one");
        assert_eq!((sequence.len(), cache.len(), cache.blocks().len()), (3, 2, 1));
        let cases = [
            ("more tokens computed than there are", header(4), vec![tokens(&[5, 6]), soft(0, 0, 0.0), block(size)]),
            ("a block of another size", header(2), vec![tokens(&[5, 6]), soft(0, 0, 0.0), block(size - 1)]),
            ("no block", header(2), vec![tokens(&[5, 6]), soft(0, 0, 0.0)]),
            ("a block too many", header(0), vec![tokens(&[5, 6]), soft(0, 0, 0.0), block(size)]),
            ("a token below -1", header(0), vec![tokens(&[5, -2]), soft(0, 0, 0.0)]),
            ("a token beyond 32 bits", header(0), vec![tokens(&[1 << 40]), soft(0, 0, 0.0)]),
            ("a soft token without values", header(0), vec![tokens(&[-1]), soft(0, 4, 0.0)]),
            ("soft tokens of no width", header(0), vec![tokens(&[-1]), soft(3, 0, 0.0)]),
            ("a soft token that is not finite", header(0), vec![tokens(&[-1]), soft(1, 4, f32::NAN)]),
            ("a length without bounds", header(usize::MAX), vec![tokens(&[5]), soft(0, 0, 0.0)]),
            ("another version", Header { version: 9, ..header(0) }, vec![tokens(&[5]), soft(0, 0, 0.0)]),
        ];
        for (what, header, tensors) in cases {
            let error = forge(&header, &tensors).map(|_| ()).expect_err(what);
            assert!(matches!(error, Error::Malformed { .. } | Error::Argument { .. }), "{what}: {error}");
        }
        let other = Header { fingerprint: "bb".to_owned(), ..header(0) };
        let error = forge(&other, &[tokens(&[5]), soft(0, 0, 0.0)]).map(|_| ()).expect_err("other weights");
        assert!(matches!(error, Error::Context { what: "weights", .. }), "{error}");
    }
}
