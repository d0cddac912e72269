//! Arrays of stand-in sets, as numpy writes them: motion in half precision and grey pictures of one byte a pixel.

use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use half::f16;
use serde_json::Value;
use zip::{CompressionMethod, ZipArchive};

use super::example::{Example, Examples, Input, Motion, Split, Target};
use super::folder::{Folder, Text, shown};
use super::source::{Media, Source};
use super::stand_in::{Meta, View};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
const MAX_ENTRIES: usize = 64;
const MAX_HEADER: usize = 1024;
/// Of an array.
const MAX_BYTES: usize = 1 << 30;
/// Acceleration, and angular rate where it was recorded.
const CHANNELS: [usize; 2] = [3, 6];

struct Array {
    kind: String,
    extents: Vec<usize>,
    data: Vec<u8>,
}

pub(super) fn open(folder: &Folder, meta: &Meta, split: Split, view: View) -> Result<Examples> {
    let file = folder.first(&["data.npz"])?;
    let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
    let mut archive =
        ZipArchive::new(BufReader::new(opened)).map_err(|error| file.wrong("archive", error.to_string()))?;
    if archive.len() > MAX_ENTRIES {
        return Err(file.wrong("archive", format!("{} entries, the limit is {MAX_ENTRIES}", archive.len())));
    }
    let name = split.name();
    let mut read = |kind: &str| array(&file, &mut archive, &format!("{kind}_{name}"));
    let missing = |kind: &str| file.wrong("archive", format!("no array {kind}_{name}"));
    let inputs = read("x")?.ok_or_else(|| missing("x"))?;
    let classes = read("y")?.ok_or_else(|| missing("y"))?.integers(&file)?;
    let subjects = read("subject")?.map(|array| array.integers(&file)).transpose()?;
    let lengths = read("length")?.map(|array| array.integers(&file)).transpose()?;
    let [rows, tall, wide] = inputs.extents[..] else {
        return Err(file.wrong("x", format!("extents {:?}, expected three", inputs.extents)));
    };
    for (what, other) in [("y", Some(&classes)), ("subject", subjects.as_ref()), ("length", lengths.as_ref())] {
        if let Some(wrong) = other.filter(|other| other.len() != rows) {
            return Err(file.wrong(what, format!("{} values for {rows} rows", wrong.len())));
        }
    }
    let mut labels = numbered(meta.names(), &classes);
    let count = labels.len();
    // SisFall numbers falls F01 to F15, other movements D01 to D19.
    let falls: Option<Vec<bool>> =
        (view == View::Falls).then(|| labels.iter().map(|name| name.starts_with('F')).collect());
    if falls.is_some() {
        labels = ["no fall", "fall"].map(str::to_owned).to_vec();
    }
    let names = subject_names(&meta.subjects);
    let rate = meta.hz.unwrap_or(0.0);
    let pictures = match (inputs.kind.as_str(), CHANNELS.contains(&wide)) {
        ("|u1", _) => true,
        ("<f2", true) if rate.is_finite() && rate > 0.0 => false,
        (kind, _) => {
            let reason = format!("extents {:?} of {kind} at {rate} Hz: neither motion nor pictures", inputs.extents);
            return Err(file.wrong("x", reason));
        }
    };
    let examples = (0..rows).map(move |row| {
        let place = format!("row {row}");
        let class = usize::try_from(classes[row]).ok().filter(|class| *class < count);
        let class = class.ok_or_else(|| file.wrong(&*place, format!("class {} of {count}", classes[row])))?;
        let class = falls.as_ref().map_or(class, |falls| usize::from(falls[class]));
        let input = if pictures {
            let samples: Arc<[u8]> = inputs.data[row * tall * wide..(row + 1) * tall * wide].into();
            Input::Image(Media::new(Source::Pixels { width: wide, height: tall, channels: 1, samples }))
        } else {
            let steps = lengths.as_ref().map_or(Some(tall), |all| usize::try_from(all[row]).ok());
            let steps = steps.filter(|steps| (1..=tall).contains(steps));
            let steps = steps.ok_or_else(|| file.wrong(&*place, format!("a length that is none of 1 to {tall}")))?;
            let begin = row * tall * wide * 2;
            let halves = inputs.data[begin..begin + steps * wide * 2].chunks_exact(2);
            let subject = subjects.as_ref().map_or(String::new(), |all| {
                let named = usize::try_from(all[row]).ok().and_then(|i| names.get(i).cloned());
                named.unwrap_or_else(|| all[row].to_string())
            });
            let samples = halves.map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect();
            Input::Motion(Motion { rate, channels: wide, samples, subject })
        };
        Ok(Example { id: place, input, target: Target::Label(class) })
    });
    Ok(Examples::new(labels, examples))
}

/// Sets of characters name no classes: their numbers are the names.
fn numbered(names: Vec<String>, classes: &[i64]) -> Vec<String> {
    if !names.is_empty() {
        return names;
    }
    let most = classes.iter().copied().max().unwrap_or(0).clamp(0, 65_535);
    (0..=most).map(|class| class.to_string()).collect()
}

fn subject_names(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_array().map_or(Vec::new(), |all| all.iter().map(text).collect())
}

impl Array {
    fn integers(self, file: &Text) -> Result<Vec<i64>> {
        if self.kind != "<i8" || self.extents.len() != 1 {
            return Err(
                file.wrong("array", format!("extents {:?} of {}, expected one of <i8", self.extents, self.kind))
            );
        }
        let word = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("invariant: eight bytes"));
        Ok(self.data.chunks_exact(8).map(word).collect())
    }
}

fn array(file: &Text, archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Option<Array>> {
    let Some(index) = archive.index_for_name(&format!("{name}.npy")) else { return Ok(None) };
    let wrong = |reason: String| file.wrong(name, reason);
    let mut entry = archive.by_index(index).map_err(|error| wrong(error.to_string()))?;
    if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(wrong(format!("compressed by {:?}, expected deflate or none", entry.compression())));
    }
    let mut head = [0; 10];
    entry.read_exact(&mut head).map_err(|error| wrong(error.to_string()))?;
    let length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if &head[..8] != MAGIC || length > MAX_HEADER {
        return Err(wrong(format!("it is no array of version 1 with a header of at most {MAX_HEADER} bytes")));
    }
    let mut header = vec![0; length];
    entry.read_exact(&mut header).map_err(|error| wrong(error.to_string()))?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let (kind, extents) =
        literal(&header).ok_or_else(|| wrong(format!("header {:?} is not as numpy writes it", shown(&header))))?;
    let width = match kind.as_str() {
        "|u1" => 1,
        "<f2" => 2,
        "<i8" => 8,
        other => return Err(wrong(format!("values of {other}, expected |u1, <f2 or <i8"))),
    };
    let bytes = extents.iter().try_fold(width, |product: usize, extent| product.checked_mul(*extent));
    let bytes = bytes.filter(|bytes| *bytes <= MAX_BYTES);
    let bytes = bytes.ok_or_else(|| wrong(format!("extents {extents:?}: more than {MAX_BYTES} bytes")))?;
    let mut data = Vec::new();
    let limit = bytes as u64 + 1;
    entry.take(limit).read_to_end(&mut data).map_err(|error| wrong(error.to_string()))?;
    if data.len() != bytes {
        return Err(wrong(format!("{} bytes and more for extents {extents:?}", data.len().min(bytes + 1))));
    }
    Ok(Some(Array { kind, extents, data }))
}

/// `{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }`, and nothing else.
fn literal(header: &str) -> Option<(String, Vec<usize>)> {
    let rest = header.trim_end().strip_prefix("{'descr': '")?;
    let (kind, rest) = rest.split_once('\'')?;
    let rest = rest.strip_prefix(", 'fortran_order': False, 'shape': (")?;
    let (extents, end) = rest.split_once(')')?;
    if end != ", }" {
        return None;
    }
    let extents: Option<Vec<usize>> = extents
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty())
        .map(|extent| extent.parse().ok())
        .collect();
    Some((kind.to_owned(), extents?))
}
