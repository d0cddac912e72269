//! Safetensors checkpoints, single-file or sharded, in place.
//!
//! The header is parsed by the `safetensors` crate (which bounds it and checks that the tensors tile the buffer);
//! this module maps the files, joins the shards of an index and hands out views.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use crate::error::{Error, Result};
use crate::weights::dtype::BlockType;
use crate::weights::mmap::{Bytes, MappedFile};
use crate::weights::shards::ShardIndex;
use crate::weights::tensor::{MAX_DIMS, TensorView, checked_elements};

const FORMAT: &str = "safetensors";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Headers are JSON of about 100 bytes per tensor; the crate's own limit is 100 MB.
const MAX_HEADER: u64 = 32 << 20;

#[derive(Clone, Debug)]
struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    len: usize,
}

#[derive(Clone, Debug)]
struct Shard {
    path: PathBuf,
    bytes: Bytes,
}

/// An opened checkpoint of one or more safetensors files. The empty one holds no tensor.
#[derive(Clone, Debug, Default)]
pub struct Safetensors {
    shards: Vec<Shard>,
    tensors: HashMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl Safetensors {
    /// Opens one `.safetensors` file, or a directory that holds `model.safetensors` or a sharded index.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] naming the file and the field.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::from_files(vec![path.to_path_buf()]);
        }
        let single = path.join(SINGLE);
        if single.is_file() {
            return Self::from_files(vec![single]);
        }
        Self::sharded(path)
    }

    fn sharded(dir: &Path) -> Result<Self> {
        let index = ShardIndex::read(&dir.join(INDEX))?;
        let opened = Self::from_files(index.paths(dir))?;
        index.check(|tensor| opened.tensors.get(tensor).map(|entry| entry.shard))?;
        Ok(opened)
    }

    /// Whether a directory holds a checkpoint of this format.
    pub(super) fn is_in(dir: &Path) -> bool {
        dir.join(SINGLE).is_file() || dir.join(INDEX).is_file()
    }

    /// A file of which `bytes` is the whole content; errors name it by `path`.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub fn from_bytes(path: &Path, bytes: Bytes) -> Result<Self> {
        Self::from_shards(vec![Shard { path: path.to_path_buf(), bytes }])
    }

    fn from_files(paths: Vec<PathBuf>) -> Result<Self> {
        let map = |path: PathBuf| {
            let file = MappedFile::open(&path)?;
            Ok(Shard { bytes: file.slice(0, file.len())?, path })
        };
        Self::from_shards(paths.into_iter().map(map).collect::<Result<_>>()?)
    }

    fn from_shards(shards: Vec<Shard>) -> Result<Self> {
        let mut tensors = HashMap::new();
        let mut metadata = BTreeMap::new();
        for (shard, Shard { path, bytes }) in shards.iter().enumerate() {
            let what = path.display().to_string();
            let (data_start, header) = Self::check(&what, bytes)?;
            if let Some(pairs) = header.metadata() {
                metadata.extend(pairs.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            for (name, info) in header.tensors() {
                if info.shape.len() > MAX_DIMS {
                    let reason = format!("tensor '{name}' has {} dimensions", info.shape.len());
                    return Err(Error::malformed(&what, FORMAT, reason));
                }
                checked_elements(&name, &info.shape)?;
                let entry = Entry {
                    shard,
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    start: data_start + info.data_offsets.0,
                    len: info.data_offsets.1 - info.data_offsets.0,
                };
                if tensors.insert(name.clone(), entry).is_some() {
                    let reason = format!("tensor '{name}' is in two shards");
                    return Err(Error::malformed(&what, FORMAT, reason));
                }
            }
        }
        Ok(Self { shards, tensors, metadata })
    }

    /// Checks a header in memory; returns where the data starts. Also the fuzz target's entry.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the crate's reason.
    pub fn check(what: &str, bytes: &[u8]) -> Result<(usize, Metadata)> {
        let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
        if length.is_some_and(|n| n > MAX_HEADER) {
            let reason = format!("header of {} bytes, the limit is {MAX_HEADER}", length.unwrap_or_default());
            return Err(Error::malformed(what, FORMAT, reason));
        }
        let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| Error::malformed(what, FORMAT, e))?;
        Ok((header + 8, metadata))
    }

    /// The files of this checkpoint.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// The free-form `__metadata__` section, of all shards together.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Tensor names in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tensors.keys().cloned().collect();
        names.sort();
        names
    }

    /// Type name, shape and bytes of a tensor of any type, also of those that [`Safetensors::tensor`] cannot read.
    #[must_use]
    pub fn describe(&self, name: &str) -> Option<(String, &[usize], usize)> {
        let entry = self.tensors.get(name)?;
        Some((format!("{:?}", entry.dtype), &entry.shape, entry.len))
    }

    /// The bytes of a tensor of any type, in place; `None` when there is no such name.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        let entry = self.tensors.get(name)?;
        Some(self.data(entry))
    }

    /// A tensor in place, or `None` when there is no such name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for types other than F32, F16 and BF16.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorView>> {
        let Some(entry) = self.tensors.get(name) else { return Ok(None) };
        let kind = match entry.dtype {
            Dtype::F32 => BlockType::F32,
            Dtype::F16 => BlockType::F16,
            Dtype::BF16 => BlockType::BF16,
            other => {
                let what = format!("type {other:?} of tensor '{name}'");
                return Err(Error::unsupported(what, "safetensors weights are read as F32, F16 or BF16"));
            }
        };
        let data = self.data(entry);
        Ok(Some(TensorView { name: name.to_owned(), kind, shape: entry.shape.clone(), data }))
    }

    /// The header was checked against the length of the shard.
    fn data(&self, entry: &Entry) -> Bytes {
        self.shards[entry.shard].bytes.slice(entry.start, entry.start + entry.len)
    }
}
