//! A checkpoint of either format behind one set of questions.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::weights::gguf::Gguf;
use crate::weights::safetensors::Safetensors;
use crate::weights::tensor::TensorView;

/// Weights on disk: a GGUF file, or a Hugging Face directory of safetensors.
#[derive(Clone, Debug)]
pub enum Checkpoint {
    /// One GGUF file with its configuration and vocabulary inside.
    Gguf(Gguf),
    /// Safetensors; configuration and tokenizer lie beside them as JSON.
    Safetensors(Safetensors),
}

/// One line of a listing: what a tensor is, without its data.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Its type as the format spells it.
    pub kind: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Bytes in the file.
    pub bytes: usize,
}

impl Checkpoint {
    /// Opens `path`: a directory or `.safetensors` file, else a GGUF file.
    ///
    /// # Errors
    /// As [`Gguf::open`] and [`Safetensors::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() || path.extension().is_some_and(|e| e == "safetensors") {
            Ok(Self::Safetensors(Safetensors::open(path)?))
        } else {
            Ok(Self::Gguf(Gguf::open(path)?))
        }
    }

    /// A tensor in place, or `None` when there is no such name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when its type cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorView>> {
        match self {
            Self::Gguf(file) => file.tensor(name),
            Self::Safetensors(files) => files.tensor(name),
        }
    }

    /// A tensor that must exist.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] naming it.
    pub fn require(&self, name: &str) -> Result<TensorView> {
        self.tensor(name)?.ok_or_else(|| Error::MissingTensor(name.to_owned()))
    }

    /// Names of all tensors.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Gguf(file) => file.names().to_vec(),
            Self::Safetensors(files) => files.names(),
        }
    }

    /// The files that hold the weights, in a stable order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Gguf(file) => vec![file.path().to_path_buf()],
            Self::Safetensors(files) => files.paths().map(Path::to_path_buf).collect(),
        }
    }

    /// Every tensor's name, type, shape and size.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub fn describe(&self) -> Result<Vec<TensorInfo>> {
        self.names()
            .into_iter()
            .map(|name| match self {
                Self::Gguf(file) => {
                    let view = file.tensor(&name)?.ok_or_else(|| Error::MissingTensor(name.clone()))?;
                    Ok(TensorInfo { name, kind: view.kind.to_string(), shape: view.shape, bytes: view.data.len() })
                }
                Self::Safetensors(files) => {
                    let (kind, shape, bytes) =
                        files.describe(&name).ok_or_else(|| Error::MissingTensor(name.clone()))?;
                    Ok(TensorInfo { kind, shape: shape.to_vec(), bytes, name })
                }
            })
            .collect()
    }
}
