//! Operators of graphs and of models in files, counted by name: what a runtime or an NPU has to have.
//!
//! Files are hostile: they are walked where they lie, nothing is allocated but names, and names, depth and work are bounded.

mod builtin;
mod damage;
mod onnx;
mod tflite;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;

use loam::graph::Graph;
use loam::weights::read_bounded;
use loam::{Error, Result};
use serde::Serialize;

pub use damage::Damage;

/// A file is read whole. Models of one task are a hundredth of it.
const MAX_FILE: u64 = 1 << 30;
/// ONNX has 200 operators, TensorFlow Lite as many.
const MAX_NAMES: usize = 4096;
/// Bytes of a name. Those of PyTorch's functions are the longest known, of some 60.
const MAX_NAME: usize = 256;

/// How often each operator occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Operators(BTreeMap<String, usize>);

/// Formats of files. The names of one mean nothing in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// ONNX.
    Onnx,
    /// TensorFlow Lite.
    Tflite,
}

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Onnx, Self::Tflite];

    /// What files of it end in.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Tflite => "tflite",
        }
    }

    /// As reports and errors name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "ONNX",
            Self::Tflite => "TensorFlow Lite",
        }
    }

    /// The format of a file, by what its name ends in.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        Self::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.ending()))
    }

    /// Operators of a file's bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn operators(self, bytes: &[u8]) -> Result<Operators, Damage> {
        match self {
            Self::Onnx => onnx::operators(bytes),
            Self::Tflite => tflite::operators(bytes),
        }
    }

    /// Operators of a file of at most 1 GiB.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a damaged file, or a larger one.
    pub fn read(self, path: &Path) -> Result<Operators> {
        let bytes = read_bounded(path, MAX_FILE)?;
        self.operators(&bytes).map_err(|damage| Error::Malformed {
            what: path.display().to_string(),
            format: self.name(),
            reason: damage.to_string(),
        })
    }
}

impl Operators {
    /// Those of a graph, by ONNX's names.
    #[must_use]
    pub fn of_graph(graph: &Graph) -> Self {
        let mut found = Self::default();
        for node in graph.nodes() {
            found.add(node.op.name(), 1);
        }
        found
    }

    /// Counts `count` more of an operator.
    pub fn add(&mut self, name: &str, count: usize) {
        match self.0.get_mut(name) {
            Some(known) => *known = known.saturating_add(count),
            None => drop(self.0.insert(name.to_owned(), count)),
        }
    }

    /// Counts those of `other` too.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, count)| self.add(name, *count));
    }

    /// How often an operator occurs.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The types of operators, in the order of their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many types there are.
    #[must_use]
    pub fn types(&self) -> usize {
        self.0.len()
    }

    /// How many operators there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts an operator of a file.
    fn found(&mut self, name: &str) -> Result<(), Damage> {
        if self.0.len() == MAX_NAMES && !self.0.contains_key(name) {
            return Err(Damage::TooMany { what: "types of operators", limit: MAX_NAMES });
        }
        self.add(name, 1);
        Ok(())
    }
}

/// A name in a file.
fn text(bytes: &[u8]) -> Result<&str, Damage> {
    if bytes.len() > MAX_NAME {
        return Err(Damage::TooMany { what: "bytes of a name", limit: MAX_NAME });
    }
    std::str::from_utf8(bytes).map_err(|_| Damage::Wrong("a name that is not UTF-8".to_owned()))
}
