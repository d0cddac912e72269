//! Writes GGUF v3 files: a header that is planned first, then tensor data in the planned order.
//!
//! Nothing is written in place: the target must not exist. Format: the GGUF specification in the ggml repository.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::weights::dtype::BlockType;
use crate::weights::gguf::DEFAULT_ALIGNMENT;
use crate::weights::tensor::checked_elements;

const VERSION: u32 = 3;
/// GGUF's number of the value type "string".
const STRING: u32 = 8;

/// What a file will hold.
#[derive(Clone, Debug, Default)]
pub struct GgufPlan {
    metadata: Vec<(String, String)>,
    tensors: Vec<Planned>,
    /// Bytes of data so far, each tensor's padded.
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Planned {
    name: String,
    shape: Vec<usize>,
    kind: BlockType,
    bytes: usize,
    offset: u64,
}

impl GgufPlan {
    /// Adds an entry of text to the key-value section.
    pub fn metadata(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.metadata.push((key.into(), value.into()));
    }

    /// Adds a tensor of that row-major shape.
    ///
    /// # Errors
    /// [`Error::Malformed`] when its rows are no whole number of blocks.
    pub fn tensor(&mut self, name: impl Into<String>, shape: &[usize], kind: BlockType) -> Result<()> {
        let name = name.into();
        let elements = checked_elements(&name, shape)?;
        let bytes = kind.bytes_for(&name, shape.last().copied().unwrap_or(1), elements)?;
        let offset = self.bytes;
        self.bytes += (bytes as u64).next_multiple_of(DEFAULT_ALIGNMENT);
        self.tensors.push(Planned { name, shape: shape.to_vec(), kind, bytes, offset });
        Ok(())
    }

    /// Bytes of tensor data, padding included.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.bytes
    }

    /// Creates the file and writes the header.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists.
    pub fn create(self, path: impl AsRef<Path>) -> Result<GgufWriter> {
        let path = path.as_ref();
        let file = File::create_new(path).map_err(|e| Error::io(path, e))?;
        let mut writer =
            GgufWriter { out: BufWriter::new(file), path: path.to_path_buf(), tensors: self.tensors, next: 0, open: 0 };
        let header = header(&self.metadata, &writer.tensors);
        writer.put(&header)?;
        Ok(writer)
    }
}

fn header(metadata: &[(String, String)], tensors: &[Planned]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        out.extend(STRING.to_le_bytes());
        text(&mut out, value);
    }
    for tensor in tensors {
        text(&mut out, &tensor.name);
        let dims = u32::try_from(tensor.shape.len()).expect("invariant: shapes have a handful of dimensions");
        out.extend(dims.to_le_bytes());
        tensor.shape.iter().rev().for_each(|&dim| out.extend((dim as u64).to_le_bytes()));
        out.extend(tensor.kind.ggml().to_le_bytes());
        out.extend(tensor.offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);
    out
}

/// A file in the making. Dropped before [`GgufWriter::finish`], it stays incomplete.
#[derive(Debug)]
pub struct GgufWriter {
    out: BufWriter<File>,
    path: PathBuf,
    tensors: Vec<Planned>,
    /// The tensor whose data comes next.
    next: usize,
    /// Bytes of it that were written.
    open: usize,
}

impl GgufWriter {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::io(&self.path, e))
    }

    /// Writes the next part of the next tensor's data.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Argument`] for more data than was planned.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let wanted = self.tensors.get(self.next).map_or(0, |tensor| tensor.bytes - self.open);
        if data.len() > wanted {
            return Err(Error::argument("data", format!("{} bytes, {wanted} are missing", data.len())));
        }
        self.put(data)?;
        self.open += data.len();
        if data.len() == wanted && self.next < self.tensors.len() {
            let padding = self.open.next_multiple_of(DEFAULT_ALIGNMENT as usize) - self.open;
            self.put(&vec![0; padding])?;
            (self.next, self.open) = (self.next + 1, 0);
        }
        Ok(())
    }

    /// Forces the complete file to disk.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Argument`] when data is missing.
    pub fn finish(self) -> Result<()> {
        if let Some(tensor) = self.tensors.get(self.next) {
            return Err(Error::argument("data", format!("tensor '{}' is not complete", tensor.name)));
        }
        let file = self.out.into_inner().map_err(|e| Error::io(&self.path, e.into_error()))?;
        file.sync_all().map_err(|e| Error::io(&self.path, e))
    }
}
