//! The index of a checkpoint in several files: which tensor is in which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::weights::files::read_bounded;

const FORMAT: &str = "shard index";
/// An index holds one line per tensor.
const MAX_INDEX: u64 = 32 << 20;
/// The largest published checkpoints have a few hundred shards.
const MAX_SHARDS: usize = 1024;

/// A `*.index.json` as Hugging Face writes it.
#[derive(Debug)]
pub(super) struct ShardIndex {
    what: String,
    files: Vec<String>,
    tensors: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Written {
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index and checks that its files lie beside it.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] naming the shard.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        let index: Written =
            serde_json::from_slice(&read_bounded(path, MAX_INDEX)?).map_err(|e| Error::malformed(&what, FORMAT, e))?;
        let mut files: Vec<String> = index.weight_map.values().cloned().collect();
        files.sort();
        files.dedup();
        if files.is_empty() || files.len() > MAX_SHARDS {
            let reason = format!("{} shards, expected 1 to {MAX_SHARDS}", files.len());
            return Err(Error::malformed(&what, FORMAT, reason));
        }
        if let Some(file) = files.iter().find(|file| Path::new(file).components().count() != 1 || file.starts_with('.'))
        {
            return Err(Error::malformed(&what, FORMAT, format!("shard '{file}' is not a plain file name")));
        }
        Ok(Self { what, files, tensors: index.weight_map })
    }

    /// The files, in alphabetical order.
    pub(super) fn paths(&self, dir: &Path) -> Vec<PathBuf> {
        self.files.iter().map(|file| dir.join(file)).collect()
    }

    /// Succeeds when every tensor is in its file; `shard_of` gives the number of the file that has it.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], or [`Error::Malformed`] naming tensor and file.
    pub(super) fn check(&self, shard_of: impl Fn(&str) -> Option<usize>) -> Result<()> {
        for (tensor, file) in &self.tensors {
            let shard = shard_of(tensor).ok_or_else(|| Error::MissingTensor(tensor.clone()))?;
            if self.files[shard] != *file {
                let reason = format!("tensor '{tensor}' is not in its shard '{file}'");
                return Err(Error::malformed(&self.what, FORMAT, reason));
            }
        }
        Ok(())
    }
}
