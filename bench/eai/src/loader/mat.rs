//! Variables of MATLAB files of level 5: numbers, texts, cells and records.
//!
//! The crates that read these files know no records, which ImageNet's classes are. Every length is compared with the bytes
//! that are left, and nesting is bounded.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::ZlibDecoder;

use super::folder::Text;
use crate::error::{Error, Result};

const HEADER: usize = 128;
/// Of a file, and of a compressed variable: annotations of a picture have some 100 kB.
const MAX_BYTES: u64 = 1 << 26;
const MAX_DEPTH: usize = 8;
const MAX_FIELD_NAME: usize = 256;

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Numbers, columns after one another, with their extents.
    Numbers(Vec<usize>, Vec<f64>),
    Text(String),
    Cells(Vec<Value>),
    Records(Vec<BTreeMap<String, Value>>),
    /// Of a class that is not read.
    Other,
}

impl Value {
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Numbers(_, values) if values.len() == 1 => Some(values[0]),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn records(&self) -> Option<&[BTreeMap<String, Value>]> {
        match self {
            Self::Records(records) => Some(records),
            _ => None,
        }
    }
}

/// Variables by their names.
pub(super) fn read(file: &Text) -> Result<BTreeMap<String, Value>> {
    let bytes = file.bytes(MAX_BYTES)?;
    if bytes.len() < HEADER || &bytes[..10] != b"MATLAB 5.0" || &bytes[124..128] != b"\x00\x01IM" {
        return Err(file.wrong("header", "it is no little-endian MATLAB file of level 5"));
    }
    let mut cursor = Cursor { file, bytes: &bytes[HEADER..], at: 0 };
    let mut variables = BTreeMap::new();
    while cursor.at < cursor.bytes.len() {
        let (kind, data) = cursor.element()?;
        let (name, value) = match kind {
            15 => {
                let mut plain = Vec::new();
                let read = ZlibDecoder::new(data).take(MAX_BYTES + 1).read_to_end(&mut plain);
                read.map_err(|error| cursor.wrong(error.to_string()))?;
                if plain.len() as u64 > MAX_BYTES {
                    return Err(cursor.wrong(format!("a variable of more than {MAX_BYTES} bytes")));
                }
                let mut inner = Cursor { file, bytes: &plain, at: 0 };
                match inner.element()? {
                    (14, data) => Cursor { file, bytes: data, at: 0 }.matrix(0)?,
                    (other, _) => return Err(inner.wrong(format!("element of type {other}, expected a matrix"))),
                }
            }
            14 => Cursor { file, bytes: data, at: 0 }.matrix(0)?,
            other => return Err(cursor.wrong(format!("element of type {other}, expected a matrix"))),
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

struct Cursor<'a> {
    file: &'a Text,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn wrong(&self, reason: String) -> Error {
        self.file.wrong(format!("byte {} of a variable", self.at), reason)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let part = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let part = part.ok_or_else(|| {
            self.wrong(format!("{length} bytes of {} that are left", self.bytes.len().saturating_sub(self.at)))
        })?;
        self.at += length;
        Ok(part)
    }

    fn word(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Type and data of the next element; small ones lie within their tag.
    fn element(&mut self) -> Result<(u32, &'a [u8])> {
        let tag = self.word()?;
        if tag >> 16 != 0 {
            let length = (tag >> 16) as usize;
            if length > 4 {
                return Err(self.wrong(format!("a small element of {length} bytes")));
            }
            return Ok((tag & 0xffff, &self.take(4)?[..length]));
        }
        let length = self.word()? as usize;
        let data = self.take(length)?;
        // Compressed elements are not padded; a file may end without padding.
        if tag != 15 {
            self.at = self.at.next_multiple_of(8).min(self.bytes.len());
        }
        Ok((tag, data))
    }

    fn numbers(&mut self, most: usize) -> Result<Vec<f64>> {
        let (kind, data) = self.element()?;
        let width = match kind {
            1 | 2 | 16 => 1,
            3 | 4 | 17 => 2,
            5..=7 => 4,
            9 | 12 | 13 => 8,
            other => return Err(self.wrong(format!("numbers of type {other}"))),
        };
        if data.len() % width != 0 || data.len() / width > most {
            return Err(self.wrong(format!("{} bytes of numbers of {width}, at most {most} are expected", data.len())));
        }
        let value = |part: &[u8]| -> f64 {
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(part);
            let bits = u64::from_le_bytes(wide);
            match kind {
                1 => f64::from(bits as u8 as i8),
                3 => f64::from(bits as u16 as i16),
                5 => f64::from(bits as u32 as i32),
                7 => f64::from(f32::from_bits(bits as u32)),
                9 => f64::from_bits(bits),
                12 => bits as i64 as f64,
                _ => bits as f64,
            }
        };
        Ok(data.chunks_exact(width).map(value).collect())
    }

    /// Name and value of a matrix.
    fn matrix(&mut self, depth: usize) -> Result<(String, Value)> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(format!("nested more than {MAX_DEPTH} times")));
        }
        if self.bytes.is_empty() {
            return Ok((String::new(), Value::Numbers(vec![0, 0], Vec::new())));
        }
        let (_, flags) = self.element()?;
        let class = *flags.first().ok_or_else(|| self.wrong("a matrix without flags".to_owned()))?;
        let extents: Vec<usize> = self.numbers(32)?.into_iter().map(|extent| extent.max(0.0) as usize).collect();
        let total = extents.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        // Each value takes a byte or more, so that more values than bytes cannot be.
        let total = total.filter(|total| *total <= self.bytes.len() * 8);
        let total = total.ok_or_else(|| self.wrong(format!("extents {extents:?}")))?;
        let name = String::from_utf8_lossy(self.element()?.1).into_owned();
        let value = match class {
            1 => {
                self.fits(total)?;
                Value::Cells((0..total).map(|_| self.nested(depth)).collect::<Result<_>>()?)
            }
            2 => self.records(total, depth)?,
            4 => Value::Text(self.numbers(total)?.into_iter().filter_map(|c| char::from_u32(c as u32)).collect()),
            6..=15 => {
                let values = self.numbers(total)?;
                if values.len() != total {
                    return Err(self.wrong(format!("{} numbers for extents {extents:?}", values.len())));
                }
                Value::Numbers(extents, values)
            }
            _ => Value::Other,
        };
        Ok((name, value))
    }

    /// Each matrix within a matrix takes eight bytes and more.
    fn fits(&self, matrices: usize) -> Result<()> {
        let left = self.bytes.len().saturating_sub(self.at);
        if matrices > left / 8 {
            return Err(self.wrong(format!("{matrices} matrices in {left} bytes")));
        }
        Ok(())
    }

    fn nested(&mut self, depth: usize) -> Result<Value> {
        match self.element()? {
            (14, data) => Ok(Cursor { file: self.file, bytes: data, at: 0 }.matrix(depth + 1)?.1),
            (other, _) => Err(self.wrong(format!("element of type {other}, expected a matrix"))),
        }
    }

    fn records(&mut self, total: usize, depth: usize) -> Result<Value> {
        let width = self.numbers(1)?.first().map_or(0, |width| *width as usize);
        let (_, names) = self.element()?;
        if width == 0 || width > MAX_FIELD_NAME || names.len() % width != 0 {
            return Err(self.wrong(format!("{} bytes of names of {width}", names.len())));
        }
        let text = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        let names: Vec<String> = names.chunks_exact(width).map(text).collect();
        self.fits(total.saturating_mul(names.len().max(1)))?;
        let record = |cursor: &mut Self| -> Result<BTreeMap<String, Value>> {
            names.iter().map(|name| Ok((name.clone(), cursor.nested(depth)?))).collect()
        };
        Ok(Value::Records((0..total).map(|_| record(self)).collect::<Result<_>>()?))
    }
}
