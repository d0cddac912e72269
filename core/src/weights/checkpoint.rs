//! A checkpoint of any format behind one set of questions.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::weights::gguf::Gguf;
use crate::weights::pytorch::{Pytorch, is_named_as_pytorch};
use crate::weights::safetensors::Safetensors;
use crate::weights::tensor::TensorView;

/// The GGUF file of a Hugging Face directory whose linears are quantized.
pub const QUANTIZED: &str = "model.gguf";

/// Weights on disk: a GGUF file, or a Hugging Face directory of safetensors, of a quantized GGUF or of PyTorch files.
#[derive(Clone, Debug)]
pub enum Checkpoint {
    /// One GGUF file; see [`Checkpoint::naming`] for the two things that it may be.
    Gguf(Gguf),
    /// Safetensors; configuration and tokenizer lie beside them as JSON.
    Safetensors(Safetensors),
    /// Files of `torch.save`; configuration and tokenizer lie beside them as JSON.
    Pytorch(Pytorch),
}

/// Whose names a checkpoint's tensors have, and so where its configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// llama.cpp's; configuration and vocabulary are in the file.
    Gguf,
    /// Hugging Face's; configuration and tokenizer lie beside the weights as JSON.
    HuggingFace,
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
    /// Opens `path`: a file by its ending (`.safetensors`; `.pth`, `.pt` or `.bin`; else GGUF), or a directory.
    ///
    /// Of what a directory may hold, the first is taken: `model.safetensors` or its shards, `model.gguf`,
    /// `pytorch_model.bin` or its shards, the only `.pth` file.
    ///
    /// # Errors
    /// As [`Gguf::open`], [`Safetensors::open`] and [`Pytorch::open`]; [`Error::Unsupported`] for a directory without
    /// weights.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open_dir(path);
        }
        if path.extension().is_some_and(|e| e == "safetensors") {
            return Ok(Self::Safetensors(Safetensors::open(path)?));
        }
        if is_named_as_pytorch(path) {
            return Ok(Self::Pytorch(Pytorch::open(path)?));
        }
        Ok(Self::Gguf(Gguf::open(path)?))
    }

    fn open_dir(dir: &Path) -> Result<Self> {
        if Safetensors::is_in(dir) {
            return Ok(Self::Safetensors(Safetensors::open(dir)?));
        }
        let quantized = dir.join(QUANTIZED);
        if quantized.is_file() {
            return Ok(Self::Gguf(Gguf::open(quantized)?));
        }
        if Pytorch::is_in(dir) {
            return Ok(Self::Pytorch(Pytorch::open(dir)?));
        }
        match &files_with_ending(dir, "pth")?[..] {
            [only] => Ok(Self::Pytorch(Pytorch::open(only)?)),
            found => {
                let mut reason =
                    "expected model.safetensors, model.gguf, pytorch_model.bin, an index of their shards, one \
                                  .pth file or foundation.json in it"
                        .to_owned();
                if found.len() > 1 {
                    reason = format!("it has {} .pth files; name the one to open", found.len());
                }
                Err(Error::unsupported(format!("directory '{}'", dir.display()), reason))
            }
        }
    }

    /// Whose names the tensors have.
    #[must_use]
    pub fn naming(&self) -> Naming {
        match self {
            Self::Gguf(file) if !file.has_hugging_face_names() => Naming::Gguf,
            _ => Naming::HuggingFace,
        }
    }

    /// A tensor in place where its format allows, or `None` when there is no such name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when its type cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorView>> {
        match self {
            Self::Gguf(file) => file.tensor(name),
            Self::Safetensors(files) => files.tensor(name),
            Self::Pytorch(files) => files.tensor(name),
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
            Self::Pytorch(files) => files.names(),
        }
    }

    /// The files that hold the weights, in a stable order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Gguf(file) => vec![file.path().to_path_buf()],
            Self::Safetensors(files) => files.paths().map(Path::to_path_buf).collect(),
            Self::Pytorch(files) => files.paths().map(Path::to_path_buf).collect(),
        }
    }

    /// Every tensor's name, type, shape and size.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub fn describe(&self) -> Result<Vec<TensorInfo>> {
        self.names()
            .into_iter()
            .map(|name| {
                let described = match self {
                    Self::Gguf(file) => {
                        let view = file.tensor(&name)?.ok_or_else(|| Error::MissingTensor(name.clone()))?;
                        return Ok(TensorInfo {
                            name,
                            kind: view.kind.to_string(),
                            shape: view.shape,
                            bytes: view.data.len(),
                        });
                    }
                    Self::Safetensors(files) => files.describe(&name),
                    Self::Pytorch(files) => files.describe(&name),
                };
                let (kind, shape, bytes) = described.ok_or_else(|| Error::MissingTensor(name.clone()))?;
                Ok(TensorInfo { kind, shape: shape.to_vec(), bytes, name })
            })
            .collect()
    }
}

/// Endings of files that hold weights.
const ENDINGS: [&str; 5] = ["bin", "gguf", "pt", "pth", "safetensors"];

/// Whether a path is named as a file of weights.
#[must_use]
pub fn is_named_as_weights(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Files of `dir` with that ending, in alphabetical order.
fn files_with_ending(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        if path.extension().is_some_and(|e| e == ending) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
