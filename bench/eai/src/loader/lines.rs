//! Lines of text files, plain, gzip or zstd, one by one and bounded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::folder::Text;
use crate::error::{Error, Result};

/// Bytes of a line: whole articles of Wikipedia stand in one.
const MAX_LINE: u64 = 1 << 25;
/// Lines of a file.
const MAX_LINES: u64 = 1 << 28;
/// Window of a zstd frame; what is larger would need an option to be decompressed by the usual tool, too.
const MAX_WINDOW: u64 = 1 << 27;

/// Lines with their numbers, from 1 on, without their ends.
pub(super) struct Lines {
    file: Text,
    reader: Box<dyn BufRead + Send>,
    number: u64,
}

impl Text {
    /// Its lines; `.gz` and `.zst` files are decompressed on the way.
    pub fn lines(&self) -> Result<Lines> {
        let ending = self.path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
        let reader: Box<dyn BufRead + Send> = match ending.as_str() {
            "gz" => Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(self.open()?)))),
            "zst" => Box::new(BufReader::new(self.zstd()?)),
            _ => Box::new(BufReader::new(self.open()?)),
        };
        Ok(Lines { file: self.clone(), reader, number: 0 })
    }

    /// What a zstd file holds.
    pub fn zstd(&self) -> Result<impl Read + Send + use<>> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        StreamingDecoder::new_with_decoder(BufReader::new(self.open()?), decoder)
            .map_err(|error| self.wrong("frame", error.to_string()))
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io(&self.path))
    }
}

impl Lines {
    fn read(&mut self) -> Result<Option<(String, String)>> {
        self.number += 1;
        let place = format!("line {}", self.number);
        if self.number > MAX_LINES {
            return Err(self.file.wrong(place, format!("more than {MAX_LINES} lines")));
        }
        let mut bytes = Vec::new();
        let mut limited = (&mut self.reader).take(MAX_LINE + 1);
        limited.read_until(b'\n', &mut bytes).map_err(|error| self.file.wrong(&*place, error.to_string()))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() as u64 > MAX_LINE {
            return Err(self.file.wrong(place, format!("longer than {MAX_LINE} bytes")));
        }
        while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            bytes.pop();
        }
        if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some((place, text))),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(self.file.wrong(place, format!("byte {at} is no UTF-8")))
            }
        }
    }
}

impl Iterator for Lines {
    /// Place, for messages, and text.
    type Item = Result<(String, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// A line of each of two files that go together.
pub(super) fn pairs(
    first: &Text,
    second: &Text,
) -> Result<impl Iterator<Item = Result<(String, String, String)>> + use<>> {
    let (mut ours, mut theirs) = (first.lines()?, second.lines()?);
    let second = second.clone();
    let mut done = false;
    Ok(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let row = match (ours.next(), theirs.next()) {
            (None, None) => return None,
            (Some(Err(error)), _) | (_, Some(Err(error))) => Err(error),
            (Some(Ok((place, a))), Some(Ok((_, b)))) => return Some(Ok((place, a, b))),
            (Some(Ok((place, _))), None) => Err(second.wrong(place, "it has fewer lines than the other file")),
            (None, Some(Ok((place, _)))) => Err(second.wrong(place, "it has more lines than the other file")),
        };
        done = true;
        Some(row)
    }))
}
