//! PyTorch checkpoints (`torch.save` since 1.6), single-file or sharded, in place.
//!
//! A file is a zip archive of stored entries: a pickle that describes the tensors, and one entry per storage. The pickle is
//! read as data by [`super::pickle`] and nothing in it is ever run; tensors that are contiguous are used where they lie in
//! the mapped file. Compressed entries are refused, so there is nothing to inflate, and an element outside of its storage
//! is found out when the file is opened.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result};
use crate::weights::dtype::BlockType;
use crate::weights::mmap::{Bytes, MappedFile};
use crate::weights::pickle::{Id, MAX_PICKLE, Object, Pickle};
use crate::weights::shards::ShardIndex;
use crate::weights::tensor::{MAX_DIMS, TensorView, checked_elements};

const FORMAT: &str = "PyTorch checkpoint";
const SINGLE: &str = "pytorch_model.bin";
const INDEX: &str = "pytorch_model.bin.index.json";
/// Storages of one file; the largest public models have some thousand tensors.
const MAX_ENTRIES: usize = 1 << 16;
/// Keys below which training tools keep the weights among other things, in order of preference.
const NESTED: [&str; 4] = ["state_dict", "model_state_dict", "model", "module"];
/// A tensor may be wrapped in a parameter and in a subclass.
const MAX_WRAPPERS: usize = 4;

/// Element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Float(BlockType),
    /// Converted to F32 when it is read.
    Double,
    /// No type of weights, such as the I64 of position ids: listed, never read.
    Other(&'static str, usize),
}

impl Element {
    /// The type of a storage class of module `torch`.
    fn of(class: &str) -> Option<Self> {
        Some(match class {
            "FloatStorage" => Self::Float(BlockType::F32),
            "HalfStorage" => Self::Float(BlockType::F16),
            "BFloat16Storage" => Self::Float(BlockType::BF16),
            "DoubleStorage" => Self::Double,
            "LongStorage" => Self::Other("I64", 8),
            "IntStorage" => Self::Other("I32", 4),
            "ShortStorage" => Self::Other("I16", 2),
            "CharStorage" => Self::Other("I8", 1),
            "ByteStorage" => Self::Other("U8", 1),
            "BoolStorage" => Self::Other("BOOL", 1),
            "ComplexFloatStorage" => Self::Other("C64", 8),
            "ComplexDoubleStorage" => Self::Other("C128", 16),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Float(kind) => kind.block_bytes(),
            Self::Double => 8,
            Self::Other(_, bytes) => bytes,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float(kind) => kind.name(),
            Self::Double => "F64",
            Self::Other(name, _) => name,
        }
    }
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
struct Entry {
    shard: usize,
    element: Element,
    shape: Vec<usize>,
    /// Elements from one index to the next, per axis.
    strides: Vec<usize>,
    /// Byte of the first element in the file.
    start: usize,
    /// Elements.
    count: usize,
}

impl Entry {
    /// Whether the elements lie row by row without gaps; axes of one element have any stride.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        })
    }

    fn is_copied(&self) -> bool {
        self.count > 0 && (self.element == Element::Double || !self.is_contiguous())
    }

    /// The elements row by row: a copy.
    fn gather(&self, file: &MappedFile) -> Result<Vec<u8>> {
        let width = self.element.bytes();
        // Opening has checked that the last element lies within the file, and the empty tensor is never copied.
        let last: usize = self.shape.iter().zip(&self.strides).map(|(size, stride)| (size - 1) * stride).sum();
        let data = file.slice(self.start, (last + 1) * width)?;
        let mut out = Vec::with_capacity(self.count * width);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..self.count {
            let at: usize = index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
            out.extend_from_slice(&data[at * width..(at + 1) * width]);
            for (i, &size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
        }
        Ok(out)
    }
}

/// An opened checkpoint of one or more files of `torch.save`.
#[derive(Clone, Debug)]
pub struct Pytorch {
    shards: Vec<MappedFile>,
    tensors: HashMap<String, Entry>,
}

impl Pytorch {
    /// Opens one file, or a directory that holds `pytorch_model.bin` or a sharded index.
    ///
    /// The file is a state dict, or a dict that has one under `state_dict`, `model_state_dict`, `model` or `module`.
    /// Entries of a state dict that are no tensors are left out.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] naming the file and the tensor or instruction; [`Error::Unsupported`] for the
    /// format before `PyTorch` 1.6, for compressed archives and for big-endian ones.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::from_files(&[path.to_path_buf()]);
        }
        let single = path.join(SINGLE);
        if single.is_file() {
            return Self::from_files(&[single]);
        }
        let index = ShardIndex::read(&path.join(INDEX))?;
        let opened = Self::from_files(&index.paths(path))?;
        index.check(|tensor| opened.tensors.get(tensor).map(|entry| entry.shard))?;
        Ok(opened)
    }

    /// Whether a directory holds a checkpoint of this format.
    pub(super) fn is_in(dir: &Path) -> bool {
        dir.join(SINGLE).is_file() || dir.join(INDEX).is_file()
    }

    fn from_files(paths: &[PathBuf]) -> Result<Self> {
        let mut opened = Self { shards: Vec::new(), tensors: HashMap::new() };
        for path in paths {
            let file = MappedFile::open(path)?;
            opened.add(&path.display().to_string(), &file)?;
            opened.shards.push(file);
        }
        Ok(opened)
    }

    fn add(&mut self, what: &str, file: &[u8]) -> Result<()> {
        let archive = Archive::open(what, file)?;
        let pickle = Pickle::read(what, archive.entry("data.pkl")?)?;
        let reader = Reader { what, archive: &archive, pickle: &pickle, shard: self.shards.len() };
        let mut copied = 0;
        for (name, entry) in reader.tensors()? {
            if entry.is_copied() {
                copied += entry.count * entry.element.bytes();
            }
            // Views that share a storage could make a small file large in memory, were each of them copied.
            if copied > file.len() {
                let reason = format!("up to tensor '{name}' more than the file's {} bytes must be copied", file.len());
                return Err(Error::malformed(what, FORMAT, reason));
            }
            if self.tensors.insert(name.to_owned(), entry).is_some() {
                return Err(Error::malformed(what, FORMAT, format!("tensor '{name}' appears twice")));
            }
        }
        Ok(())
    }

    /// Reads a file in memory and checks it as [`Pytorch::open`] would; the fuzz target's entry. Returns the names of its
    /// tensors.
    ///
    /// # Errors
    /// As [`Pytorch::open`].
    pub fn check(bytes: &[u8]) -> Result<Vec<String>> {
        let mut opened = Self { shards: Vec::new(), tensors: HashMap::new() };
        opened.add("bytes", bytes)?;
        Ok(opened.names())
    }

    /// The files of this checkpoint.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(MappedFile::path)
    }

    /// Tensor names in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tensors.keys().cloned().collect();
        names.sort();
        names
    }

    /// Type name, shape and bytes of a tensor of any type, also of those that [`Pytorch::tensor`] cannot read.
    #[must_use]
    pub fn describe(&self, name: &str) -> Option<(String, &[usize], usize)> {
        let entry = self.tensors.get(name)?;
        Some((entry.element.name().to_owned(), &entry.shape, entry.count * entry.element.bytes()))
    }

    /// A tensor, or `None` when there is no such name: in place where it is contiguous, else a copy of its own size. F64
    /// becomes F32.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for types that are no weights.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorView>> {
        let Some(entry) = self.tensors.get(name) else { return Ok(None) };
        let file = &self.shards[entry.shard];
        let (kind, data): (BlockType, Bytes) = match entry.element {
            Element::Float(kind) if entry.is_copied() => (kind, entry.gather(file)?.into()),
            Element::Float(kind) => (kind, file.slice(entry.start, kind.bytes(entry.count))?),
            Element::Double => {
                let doubles = if entry.is_copied() { entry.gather(file)? } else { Vec::new() };
                let singles = doubles.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32);
                (BlockType::F32, singles.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into())
            }
            Element::Other(type_name, _) => {
                let reason = "PyTorch weights are read as F32, F16, BF16 or F64";
                return Err(Error::unsupported(format!("type {type_name} of tensor '{name}'"), reason));
            }
        };
        Ok(Some(TensorView { name: name.to_owned(), kind, shape: entry.shape.clone(), data }))
    }
}

/// Whether a path is named as a file of `torch.save`.
pub(super) fn is_named_as_pytorch(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "pth" || e == "pt" || e == "bin")
}

/// The entries of a zip archive, in place.
struct Archive<'a> {
    what: &'a str,
    bytes: &'a [u8],
    /// Start and length of each entry, by its name below the folder that all are in.
    entries: HashMap<String, (usize, usize)>,
}

impl<'a> Archive<'a> {
    fn open(what: &'a str, bytes: &'a [u8]) -> Result<Self> {
        if bytes.starts_with(&[0x80, 2]) {
            let reason = "this is the format before PyTorch 1.6: load it with torch.load and save it again";
            return Err(Error::unsupported(format!("pickle '{what}'"), reason));
        }
        let malformed = |reason: String| Error::malformed(what, FORMAT, reason);
        let zip = |e: zip::result::ZipError| Error::malformed(what, FORMAT, e);
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(zip)?;
        if archive.len() > MAX_ENTRIES {
            return Err(malformed(format!("{} entries, the limit is {MAX_ENTRIES}", archive.len())));
        }
        let mut entries = HashMap::new();
        let mut folder = None;
        for index in 0..archive.len() {
            // The raw entry: nothing is decompressed to look at it.
            let entry = archive.by_index_raw(index).map_err(zip)?;
            let name = entry.name().map_err(zip)?.into_owned();
            if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
                return Err(Error::unsupported(
                    format!("compressed entry '{name}' of '{what}'"),
                    "torch.save stores them as they are",
                ));
            }
            let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
            let len = usize::try_from(entry.size()).ok().filter(|_| entry.size() == entry.compressed_size());
            let inside =
                start.zip(len).filter(|(start, len)| start.checked_add(*len).is_some_and(|end| end <= bytes.len()));
            let Some(place) = inside else {
                return Err(malformed(format!("entry '{name}' lies beyond the file's {} bytes", bytes.len())));
            };
            if let Some(found) = name.strip_suffix("data.pkl").filter(|f| f.is_empty() || f.ends_with('/'))
                && folder.replace(found.to_owned()).is_some()
            {
                return Err(malformed("it has two entries named 'data.pkl'".to_owned()));
            }
            entries.insert(name, place);
        }
        let folder = folder.ok_or_else(|| malformed("it has no entry named 'data.pkl'".to_owned()))?;
        let entries = entries
            .into_iter()
            .filter_map(|(name, place)| Some((name.strip_prefix(&folder)?.to_owned(), place)))
            .collect();
        let opened = Self { what, bytes, entries };
        if opened.entries.contains_key("byteorder") && opened.entry("byteorder")?.trim_ascii() != b"little" {
            return Err(Error::unsupported(format!("byte order of '{what}'"), "little-endian files are read"));
        }
        if opened.entry("data.pkl")?.len() > MAX_PICKLE {
            return Err(malformed(format!("its pickle is longer than {MAX_PICKLE} bytes")));
        }
        Ok(opened)
    }

    fn place(&self, name: &str) -> Result<(usize, usize)> {
        let found = self.entries.get(name).copied();
        found.ok_or_else(|| Error::malformed(self.what, FORMAT, format!("it has no entry '{name}'")))
    }

    fn entry(&self, name: &str) -> Result<&'a [u8]> {
        let (start, len) = self.place(name)?;
        Ok(&self.bytes[start..start + len])
    }
}

/// Finds the tensors of a pickle.
struct Reader<'r, 'a> {
    what: &'r str,
    archive: &'r Archive<'a>,
    pickle: &'r Pickle<'a>,
    shard: usize,
}

impl<'a> Reader<'_, 'a> {
    fn tensors(&self) -> Result<Vec<(&'a str, Entry)>> {
        let root = self.pickle.root();
        let mut found = self.tensors_of(root)?;
        for key in NESTED {
            if found.is_empty()
                && let Some(inner) = self.value(root, key)
            {
                found = self.tensors_of(inner)?;
            }
        }
        if found.is_empty() {
            let reason = format!("neither it nor its {} holds tensors by name", NESTED.join(", "));
            return Err(Error::malformed(self.what, FORMAT, reason));
        }
        Ok(found)
    }

    fn value(&self, dict: &Object<'a>, wanted: &str) -> Option<&Object<'a>> {
        let Object::Dict(items) = dict else { return None };
        let value = items.iter().find(|(key, _)| *self.pickle.get(*key) == Object::Text(wanted));
        value.map(|(_, value)| self.pickle.get(*value))
    }

    fn tensors_of(&self, dict: &Object<'a>) -> Result<Vec<(&'a str, Entry)>> {
        let Object::Dict(items) = dict else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (key, value) in items {
            let Object::Text(name) = self.pickle.get(*key) else { continue };
            if let Some(entry) = self.tensor(name, *value, 0)? {
                found.push((*name, entry));
            }
        }
        Ok(found)
    }

    fn malformed(&self, name: &str, reason: impl std::fmt::Display) -> Error {
        Error::malformed(self.what, FORMAT, format!("tensor '{name}': {reason}"))
    }

    /// The tensor that a call would make, `None` for anything else.
    fn tensor(&self, name: &str, value: Id, depth: usize) -> Result<Option<Entry>> {
        let Object::Call(function, arguments) = self.pickle.get(value) else { return Ok(None) };
        let Object::Global(module, function) = self.pickle.get(*function) else { return Ok(None) };
        let Object::Tuple(arguments) = self.pickle.get(*arguments) else { return Ok(None) };
        let argument = |index: usize| {
            let found = arguments.get(index).copied();
            found.ok_or_else(|| self.malformed(name, format!("{function} lacks argument {index}")))
        };
        match (*module, *function) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
                let arguments = [argument(0)?, argument(1)?, argument(2)?, argument(3)?];
                self.entry(name, arguments).map(Some)
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") if depth < MAX_WRAPPERS => {
                self.tensor(name, argument(0)?, depth + 1)
            }
            // A subclass: the function that makes the tensor, the class, the function's arguments.
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let [inner, inner_arguments] = [argument(0)?, argument(2)?];
                match (self.pickle.get(inner), self.pickle.get(inner_arguments)) {
                    (Object::Global("torch._utils", "_rebuild_tensor_v2"), Object::Tuple(items))
                        if items.len() >= 4 =>
                    {
                        self.entry(name, [items[0], items[1], items[2], items[3]]).map(Some)
                    }
                    _ => Err(self.malformed(name, "a subclass of tensors that is not read")),
                }
            }
            ("torch._utils", other) => {
                Err(Error::unsupported(format!("tensor '{name}' of '{}'", self.what), format!("{other} is not read")))
            }
            _ => Ok(None),
        }
    }

    /// A tensor from its storage, offset, size and strides.
    fn entry(&self, name: &str, [storage, offset, size, strides]: [Id; 4]) -> Result<Entry> {
        let (element, first, numel) = self.storage(name, storage)?;
        let offset = self.size(name, offset, "offset")?;
        let shape = self.sizes(name, size, "size")?;
        let strides = self.sizes(name, strides, "stride")?;
        if shape.len() != strides.len() || shape.len() > MAX_DIMS {
            let reason = format!("{} sizes and {} strides, at most {MAX_DIMS}", shape.len(), strides.len());
            return Err(self.malformed(name, reason));
        }
        let count = checked_elements(name, &shape)?;
        // An expanded tensor has more elements than its storage, which is no way to keep weights.
        let reach = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, (&size, &stride)| at.checked_add(size.saturating_sub(1).checked_mul(stride)?));
        if count > 0 && (count > numel || reach.is_none_or(|last| last >= numel)) {
            let reason = format!("size {shape:?}, strides {strides:?} from {offset} in a storage of {numel} elements");
            return Err(self.malformed(name, reason));
        }
        let start = if count == 0 { first } else { first + offset * element.bytes() };
        Ok(Entry { shard: self.shard, element, shape, strides, start, count })
    }

    /// Type of a storage, its first byte in the file and its elements.
    fn storage(&self, name: &str, id: Id) -> Result<(Element, usize, usize)> {
        let parts = match self.pickle.get(id) {
            Object::Persistent(key) => match self.pickle.get(*key) {
                Object::Tuple(items) if items.len() >= 5 => {
                    [items[1], items[2], items[4]].map(|item| self.pickle.get(item))
                }
                _ => return Err(self.malformed(name, "the key of its storage is no tuple of five")),
            },
            _ => return Err(self.malformed(name, "it has no storage")),
        };
        let [Object::Global("torch", class), Object::Text(key), Object::Int(numel)] = parts else {
            return Err(self.malformed(name, format!("its storage is described by {parts:?}")));
        };
        let element = Element::of(class).ok_or_else(|| {
            Error::unsupported(format!("storage '{class}' of tensor '{name}'"), "PyTorch's plain number types are read")
        })?;
        let (start, len) = self.archive.place(&format!("data/{key}"))?;
        let numel = usize::try_from(*numel).ok();
        let fits = numel.filter(|numel| numel.checked_mul(element.bytes()).is_some_and(|bytes| bytes <= len));
        match fits {
            Some(numel) => Ok((element, start, numel)),
            None => Err(self.malformed(name, format!("its storage has {len} bytes, too few for {:?}", parts[2]))),
        }
    }

    fn size(&self, name: &str, id: Id, field: &str) -> Result<usize> {
        let found = self.pickle.get(id);
        let value = if let Object::Int(value) = found { usize::try_from(*value).ok() } else { None };
        value.ok_or_else(|| self.malformed(name, format!("its {field} is {found:?}")))
    }

    fn sizes(&self, name: &str, id: Id, field: &str) -> Result<Vec<usize>> {
        let items = match self.pickle.get(id) {
            Object::Tuple(items) => items,
            // torch.Size(...), as some versions write a size.
            Object::Call(class, arguments) if *self.pickle.get(*class) == Object::Global("torch", "Size") => {
                match self.pickle.get(*arguments) {
                    Object::Tuple(inner) if inner.len() == 1 => match self.pickle.get(inner[0]) {
                        Object::Tuple(items) => items,
                        _ => return Err(self.malformed(name, format!("its {field} is no tuple"))),
                    },
                    _ => return Err(self.malformed(name, format!("its {field} is no tuple"))),
                }
            }
            other => return Err(self.malformed(name, format!("its {field} is {other:?}"))),
        };
        items.iter().map(|item| self.size(name, *item, field)).collect()
    }
}
