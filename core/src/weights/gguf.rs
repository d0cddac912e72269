//! GGUF v2 and v3: header, metadata and tensor table, read from a mapped file.
//!
//! Every length comes from outside, so each is checked against a named limit and against the bytes that remain before
//! anything is allocated. Tensor data stays in the mapping. Format: the GGUF specification in the ggml repository.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::error::{Error, Result};
use crate::weights::dtype::BlockType;
use crate::weights::mmap::{Bytes, MappedFile};
use crate::weights::tensor::{MAX_DIMS, TensorView, checked_elements};

const FORMAT: &str = "GGUF";
const MAGIC: &[u8; 4] = b"GGUF";
/// Largest accepted string: chat templates reach 30 KB, merges a few hundred bytes.
const MAX_STRING: usize = 16 << 20;
/// Largest accepted array: the largest vocabularies have about 262,000 entries.
const MAX_ARRAY: usize = 4 << 20;
/// Metadata entries; real files have below 100.
const MAX_METADATA: usize = 1 << 16;
/// Tensors; the largest dense models have about 1,500.
const MAX_TENSORS: usize = 1 << 16;
/// `general.alignment` must be a power of two up to this many bytes.
const MAX_ALIGNMENT: u64 = 1 << 20;
pub(super) const DEFAULT_ALIGNMENT: u64 = 32;
/// Names what the file is of.
pub(super) const ARCHITECTURE_KEY: &str = "general.architecture";
/// The architecture of a file that only holds tensors, under the names of a Hugging Face checkpoint.
pub(super) const HUGGING_FACE: &str = "hugging-face";

/// A metadata value. Integers keep their sign but not their width.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    U64(u64),
    /// Any signed integer.
    I64(i64),
    /// f32 or f64.
    F64(f64),
    /// A boolean.
    Bool(bool),
    /// UTF-8 text.
    String(String),
    /// An array of strings: vocabularies and merges.
    Strings(Vec<String>),
    /// An array of integers or booleans: token types, per-layer flags.
    Integers(Vec<i64>),
    /// An array of floats: token scores.
    Floats(Vec<f32>),
}

/// Key-value metadata with typed access.
#[derive(Clone, Debug, Default)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// The raw value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Adds or replaces an entry; for tests and for metadata made in memory.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// A non-negative integer.
    #[must_use]
    pub fn usize(&self, key: &str) -> Option<usize> {
        match self.0.get(key)? {
            Value::U64(v) => usize::try_from(*v).ok(),
            Value::I64(v) => usize::try_from(*v).ok(),
            _ => None,
        }
    }

    /// A number as f64.
    #[must_use]
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            Value::F64(v) => Some(*v),
            Value::U64(v) => Some(*v as f64),
            Value::I64(v) => Some(*v as f64),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// Text.
    #[must_use]
    pub fn str(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::String(v) => Some(v),
            _ => None,
        }
    }

    /// An array of strings.
    #[must_use]
    pub fn strings(&self, key: &str) -> Option<&[String]> {
        match self.0.get(key)? {
            Value::Strings(v) => Some(v),
            _ => None,
        }
    }

    /// An array of integers.
    #[must_use]
    pub fn integers(&self, key: &str) -> Option<&[i64]> {
        match self.0.get(key)? {
            Value::Integers(v) => Some(v),
            _ => None,
        }
    }

    /// An array of floats.
    #[must_use]
    pub fn floats(&self, key: &str) -> Option<&[f32]> {
        match self.0.get(key)? {
            Value::Floats(v) => Some(v),
            _ => None,
        }
    }
}

/// Where a tensor lies in the file.
#[derive(Clone, Debug)]
struct Entry {
    /// Row-major: outermost dimension first (GGUF stores the reverse).
    shape: Vec<usize>,
    kind: BlockType,
    start: usize,
    len: usize,
}

/// An opened GGUF file.
#[derive(Clone, Debug)]
pub struct Gguf {
    file: MappedFile,
    version: u32,
    metadata: Metadata,
    tensors: HashMap<String, Entry>,
    names: Vec<String>,
}

impl Gguf {
    /// Maps `path` and reads its header; tensor data is not touched.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] naming the field that is out of bounds, or [`Error::Unsupported`] for
    /// big-endian files, other versions and tensor types that no kernel exists for.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_mapped(MappedFile::open(path)?)
    }

    fn from_mapped(file: MappedFile) -> Result<Self> {
        let what = file.path().display().to_string();
        let header = Header::parse(&what, &file)?;
        let mut tensors = HashMap::with_capacity(header.tensors.len());
        let mut names = Vec::with_capacity(header.tensors.len());
        for (name, entry) in header.tensors {
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(Error::malformed(&what, FORMAT, format!("tensor '{name}' appears twice")));
            }
            names.push(name);
        }
        Ok(Self { file, version: header.version, metadata: header.metadata, tensors, names })
    }

    /// Reads a header from memory and checks it as [`Gguf::open`] would; the fuzz target's entry.
    ///
    /// # Errors
    /// As [`Gguf::open`].
    pub fn check(bytes: &[u8]) -> Result<Metadata> {
        Ok(Header::parse("bytes", bytes)?.metadata)
    }

    /// 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The file on disk.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether its tensors have the names of a Hugging Face checkpoint, whose configuration lies beside the file.
    #[must_use]
    pub fn has_hugging_face_names(&self) -> bool {
        self.metadata.str(ARCHITECTURE_KEY) == Some(HUGGING_FACE)
    }

    /// The key-value section.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Tensor names in file order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A tensor in place, or `None` when the file has no such name.
    ///
    /// # Errors
    /// [`Error::Malformed`] when its data lies outside of the file; [`Gguf::open`] has checked that already.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorView>> {
        let Some(entry) = self.tensors.get(name) else { return Ok(None) };
        let data: Bytes = self.file.slice(entry.start, entry.len)?;
        Ok(Some(TensorView { name: name.to_owned(), kind: entry.kind, shape: entry.shape.clone(), data }))
    }
}

/// Everything before the tensor data.
struct Header {
    version: u32,
    metadata: Metadata,
    tensors: Vec<(String, Entry)>,
}

impl Header {
    fn parse(what: &str, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { what, bytes, at: 0 };
        if !bytes.starts_with(MAGIC) {
            let reason = "it does not begin with 'GGUF'; models are GGUF files or Hugging Face directories";
            return Err(Error::malformed(what, FORMAT, reason));
        }
        reader.take(MAGIC.len())?;
        let version = reader.u32()?;
        if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
            return Err(Error::unsupported("big-endian GGUF", "convert the file to little-endian"));
        }
        if !(2..=3).contains(&version) {
            return Err(Error::unsupported(format!("GGUF version {version}"), "versions 2 and 3 are read"));
        }
        let tensor_count = reader.count("tensor count", MAX_TENSORS)?;
        let metadata_count = reader.count("metadata count", MAX_METADATA)?;
        let mut metadata = Metadata::default();
        for _ in 0..metadata_count {
            let key = reader.string()?;
            let value = reader.value(&key)?;
            if metadata.0.insert(key.clone(), value).is_some() {
                return Err(reader.malformed(format!("metadata key '{key}' appears twice")));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::U64(a)) if a.is_power_of_two() && *a <= MAX_ALIGNMENT => *a,
            Some(other) => return Err(reader.malformed(format!("general.alignment is {other:?}"))),
        };
        let tensors = Self::tensors(&mut reader, tensor_count, alignment)?;
        Ok(Self { version, metadata, tensors })
    }

    fn tensors(reader: &mut Reader<'_>, count: usize, alignment: u64) -> Result<Vec<(String, Entry)>> {
        let mut raw = Vec::new();
        for _ in 0..count {
            let name = reader.string()?;
            let dims = reader.u32()? as usize;
            // No dimension at all: one value, such as a scale of logits.
            if dims > MAX_DIMS {
                return Err(reader.malformed(format!("tensor '{name}' has {dims} dimensions")));
            }
            let mut shape = Vec::with_capacity(dims);
            for _ in 0..dims {
                shape.push(usize::try_from(reader.u64()?).map_err(|_| reader.malformed("dimension overflows"))?);
            }
            shape.reverse();
            let kind = BlockType::from_ggml(reader.u32()?, &name)?;
            raw.push((name, shape, kind, reader.u64()?));
        }
        // Data begins at the next multiple of the alignment; offsets are relative to it.
        let data_start = (reader.at as u64).next_multiple_of(alignment);
        let total = reader.bytes.len() as u64;
        raw.into_iter()
            .map(|(name, shape, kind, offset)| {
                let elements = checked_elements(&name, &shape)?;
                let row = shape.last().copied().unwrap_or(1);
                let len = kind.bytes_for(&name, row, elements)?;
                let start = data_start.checked_add(offset);
                let end = start.and_then(|s| s.checked_add(len as u64)).filter(|&end| end <= total);
                let (Some(start), Some(_)) = (start, end) else {
                    return Err(reader.malformed(format!(
                        "tensor '{name}' needs {len} bytes at offset {offset}, beyond the file's {total} bytes"
                    )));
                };
                if offset % alignment != 0 {
                    return Err(reader.malformed(format!("tensor '{name}' is not aligned to {alignment} bytes")));
                }
                let start = usize::try_from(start).map_err(|_| reader.malformed("offset overflows"))?;
                Ok((name, Entry { shape, kind, start, len }))
            })
            .collect()
    }
}

/// A cursor that never reads past the end and never allocates more than what remains can hold.
struct Reader<'a> {
    what: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, reason: impl ToString) -> Error {
        Error::malformed(format!("{} at byte {}", self.what, self.at), FORMAT, reason)
    }

    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        if len > self.remaining() {
            return Err(self.malformed(format!("{len} bytes wanted, {} remain", self.remaining())));
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn count(&mut self, field: &str, limit: usize) -> Result<usize> {
        let found = self.u64()?;
        usize::try_from(found)
            .ok()
            .filter(|&n| n <= limit)
            .ok_or_else(|| self.malformed(format!("{field} is {found}, the limit is {limit}")))
    }

    fn string(&mut self) -> Result<String> {
        let len = self.count("string length", MAX_STRING)?;
        let bytes = self.take(len)?;
        // Some real vocabularies hold single bytes that are no UTF-8 on their own; they are kept readable, not fatal.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn value(&mut self, key: &str) -> Result<Value> {
        let kind = self.u32()?;
        if kind == 9 { self.array_value(key) } else { self.scalar(kind, key) }
    }

    fn scalar(&mut self, kind: u32, key: &str) -> Result<Value> {
        Ok(match kind {
            0 => Value::U64(self.array::<1>()?[0].into()),
            1 => Value::I64(i8::from_le_bytes(self.array()?).into()),
            2 => Value::U64(u16::from_le_bytes(self.array()?).into()),
            3 => Value::I64(i16::from_le_bytes(self.array()?).into()),
            4 => Value::U64(self.u32()?.into()),
            5 => Value::I64(i32::from_le_bytes(self.array()?).into()),
            6 => Value::F64(f32::from_le_bytes(self.array()?).into()),
            7 => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(self.malformed(format!("'{key}' is a boolean with value {other}"))),
            },
            8 => Value::String(self.string()?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            other => return Err(self.malformed(format!("'{key}' has the unknown value type {other}"))),
        })
    }

    fn array_value(&mut self, key: &str) -> Result<Value> {
        let kind = self.u32()?;
        let len = self.count("array length", MAX_ARRAY)?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => return Err(Error::unsupported(format!("nested array in '{key}'"), "arrays hold scalars or strings")),
            other => return Err(self.malformed(format!("'{key}' has the unknown array type {other}"))),
        };
        if len.saturating_mul(smallest) > self.remaining() {
            return Err(self.malformed(format!("'{key}' claims {len} elements, {} bytes remain", self.remaining())));
        }
        if kind == 8 {
            return (0..len).map(|_| self.string()).collect::<Result<_>>().map(Value::Strings);
        }
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        for _ in 0..len {
            match self.scalar(kind, key)? {
                Value::F64(v) => floats.push(v as f32),
                Value::U64(v) => integers.push(i64::try_from(v).unwrap_or(i64::MAX)),
                Value::I64(v) => integers.push(v),
                Value::Bool(v) => integers.push(v.into()),
                other => return Err(self.malformed(format!("'{key}' holds {other:?}"))),
            }
        }
        Ok(if matches!(kind, 6 | 12) { Value::Floats(floats) } else { Value::Integers(integers) })
    }
}
