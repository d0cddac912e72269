//! Arrays of an `.npz` file, as numpy writes them: motion `x` and its classes `y`.
//!
//! An `.npz` file is a zip archive of `.npy` files, and their header is a literal of Python. Three keys in one form are read
//! here and nothing else is, so that no parser of a language stands between a hostile file and its refusal. Sizes are
//! compared with limits before anything is taken.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::f16;
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result};

const FORMAT: &str = "npz file of motion";
const MAGIC: &[u8] = b"\x93NUMPY";
/// Entries of the archive; three of them are read.
const MAX_ENTRIES: usize = 64;
/// Bytes of an array's header: numpy writes 128, more only for records.
const MAX_HEADER: usize = 1024;
/// Values of an array: 1 GiB as f32.
const MAX_VALUES: usize = 1 << 28;
/// Channels of motion are 3 or 6; more is another kind of data.
const MAX_CHANNELS: usize = 64;

/// Recordings of one length, with their classes.
#[derive(Debug)]
pub struct Recordings {
    steps: usize,
    channels: usize,
    /// `[recordings, steps, channels]`, in the recorder's units.
    values: Vec<f32>,
    /// Steps of each recording that are no padding.
    lengths: Vec<usize>,
    /// Index of each recording's class.
    classes: Vec<usize>,
}

impl Recordings {
    /// Reads the arrays `x`, `y` and, where it is there, `length`; `labels` is the count of classes.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] naming the array and what is wrong with it.
    pub fn read(path: &Path, labels: usize) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|reason| wrong(reason.to_string()))?;
        if archive.len() > MAX_ENTRIES {
            return Err(wrong(format!("{} entries, the limit is {MAX_ENTRIES}", archive.len())));
        }
        let mut array = |name: &str| -> Result<Option<Array>> {
            let entry = format!("{name}.npy");
            let Some(index) = archive.index_for_name(&entry) else { return Ok(None) };
            let entry = archive.by_index(index).map_err(|reason| wrong(format!("{name}: {reason}")))?;
            if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
                return Err(wrong(format!(
                    "{name} is compressed by {:?}, expected deflate or none",
                    entry.compression()
                )));
            }
            Array::read(entry).map(Some).map_err(|reason| wrong(format!("{name}: {reason}")))
        };
        let missing = |name: &str| wrong(format!("array '{name}' is missing"));
        let x = array("x")?.ok_or_else(|| missing("x"))?;
        let y = array("y")?.ok_or_else(|| missing("y"))?;
        let length = array("length")?;
        Self::join(x, y, length, labels).map_err(wrong)
    }

    fn join(x: Array, y: Array, length: Option<Array>, labels: usize) -> Result<Self, String> {
        let [count, steps, channels] = x.shape[..] else {
            return Err(format!("x has shape {:?}, expected [recordings, steps, channels]", x.shape));
        };
        let Values::Floats(values) = x.values else {
            return Err("x holds whole numbers, expected floating point".into());
        };
        if steps == 0 || !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(format!("x has shape {:?}, expected some steps of 1 to {MAX_CHANNELS} channels", x.shape));
        }
        let whole = |array: Array, name: &str| match (array.values, &array.shape[..]) {
            (Values::Integers(values), [rows]) if *rows == count => Ok(values),
            (Values::Integers(_), shape) => Err(format!("{name} has shape {shape:?}, expected [{count}]")),
            (Values::Floats(_), _) => Err(format!("{name} holds floating point, expected whole numbers")),
        };
        let within = |values: Vec<i64>, name: &str, from: usize, to: usize| {
            let check = |(row, value): (usize, i64)| {
                let fits = usize::try_from(value).ok().filter(|value| (from..=to).contains(value));
                fits.ok_or_else(|| format!("row {row}: {name} is {value}, expected {from} to {to}"))
            };
            values.into_iter().enumerate().map(check).collect::<Result<Vec<_>, String>>()
        };
        if labels == 0 {
            return Err("its y are indexes of labels, which data.json has to name".into());
        }
        let classes = within(whole(y, "y")?, "y", 0, labels - 1)?;
        let lengths = match length {
            None => vec![steps; count],
            Some(length) => within(whole(length, "length")?, "length", 1, steps)?,
        };
        Ok(Self { steps, channels, values, lengths, classes })
    }

    /// Index of each recording's class, in order.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// Channels of a sample.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples of a recording, `[steps, channels]`, its padding cut off.
    ///
    /// # Panics
    /// When there is no such recording.
    #[must_use]
    pub fn samples(&self, index: usize) -> &[f32] {
        let size = self.steps * self.channels;
        &self.values[index * size..][..self.lengths[index] * self.channels]
    }
}

/// An array in C order.
#[derive(Debug)]
struct Array {
    shape: Vec<usize>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Array {
    fn read(mut entry: impl Read) -> Result<Self, String> {
        let header = header(&mut entry)?;
        let literal = Literal(&header);
        let kind = literal.text("descr")?;
        let shape = literal.shape()?;
        if literal.value("fortran_order")? != "False" {
            return Err("its values are in Fortran order, expected C order".into());
        }
        let count = shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
        let count = count.filter(|count| *count <= MAX_VALUES);
        let count = count.ok_or_else(|| format!("shape {shape:?} has more than {MAX_VALUES} values"))?;
        let values = match kind {
            "<f2" => Values::Floats(numbers(entry, count, |bytes| f16::from_le_bytes(bytes).to_f32())?),
            "<f4" => Values::Floats(numbers(entry, count, f32::from_le_bytes)?),
            "<f8" => Values::Floats(numbers(entry, count, |bytes| f64::from_le_bytes(bytes) as f32)?),
            "<i8" => Values::Integers(numbers(entry, count, i64::from_le_bytes)?),
            "<i4" => Values::Integers(numbers(entry, count, |bytes| i32::from_le_bytes(bytes).into())?),
            other => return Err(format!("its values are {other:?}, expected <f2, <f4, <f8, <i4 or <i8")),
        };
        Ok(Self { shape, values })
    }
}

/// The header's literal.
fn header(entry: &mut impl Read) -> Result<String, String> {
    let mut start = [0; 8];
    entry.read_exact(&mut start).map_err(|reason| reason.to_string())?;
    if !start.starts_with(MAGIC) {
        return Err("it is no array of numpy".into());
    }
    // Version 1 has two bytes of length, versions 2 and 3 four.
    let wide = start[6] > 1;
    let mut length = [0; 4];
    entry.read_exact(&mut length[..if wide { 4 } else { 2 }]).map_err(|reason| reason.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(format!("its header has {length} bytes, the limit is {MAX_HEADER}"));
    }
    let mut text = vec![0; length];
    entry.read_exact(&mut text).map_err(|reason| reason.to_string())?;
    String::from_utf8(text).map_err(|reason| reason.to_string())
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    /// What stands behind a key, up to the comma after it or after its parenthesis.
    fn value(&self, key: &str) -> Result<&'a str, String> {
        let missing = || format!("its header has no {key}");
        let (_, rest) = self.0.split_once(&format!("'{key}':")).ok_or_else(missing)?;
        let rest = rest.trim_start();
        let end = if rest.starts_with('(') { rest.find(')').map(|at| at + 1) } else { rest.find([',', '}']) };
        Ok(rest[..end.ok_or_else(missing)?].trim())
    }

    fn text(&self, key: &str) -> Result<&'a str, String> {
        let value = self.value(key)?;
        let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        inner.ok_or_else(|| format!("{key} in its header is {value}, expected a text"))
    }

    fn shape(&self) -> Result<Vec<usize>, String> {
        let value = self.value("shape")?;
        let wrong = || format!("shape in its header is {value}, expected whole numbers in parentheses");
        let inner = value.strip_prefix('(').and_then(|value| value.strip_suffix(')')).ok_or_else(wrong)?;
        let sides = inner.split(',').map(str::trim).filter(|side| !side.is_empty());
        sides.map(|side| side.parse().map_err(|_| wrong())).collect()
    }
}

/// `count` numbers of `N` bytes each, which are all that is left.
fn numbers<const N: usize, T>(
    mut entry: impl Read,
    count: usize,
    make: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    // Not taken at once: a file may announce what it does not hold.
    let mut values = Vec::new();
    let mut chunk = vec![0; 4096 * N];
    while values.len() < count {
        let size = (count - values.len()).min(4096) * N;
        let bytes = &mut chunk[..size];
        entry.read_exact(bytes).map_err(|reason| format!("after {} of {count} values: {reason}", values.len()))?;
        values.extend(bytes.chunks_exact(N).map(|bytes| make(bytes.try_into().expect("invariant: chunks of N"))));
    }
    match entry.read(&mut chunk[..1]) {
        Ok(0) => Ok(values),
        Ok(_) => Err(format!("it holds more than the {count} values of its shape")),
        Err(reason) => Err(reason.to_string()),
    }
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
