//! Tables with a mark between columns: CSV and TSV, row by row and bounded.

use std::fs::File;
use std::io::{BufReader, Read};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::folder::{Text, shown};
use crate::error::{Error, Result};

const MAX_COLUMNS: usize = 4096;
const MAX_ROW_BYTES: usize = 1 << 25;
/// Of a file in which a quote may open a column that never ends: such a column is held whole.
const MAX_QUOTED_BYTES: u64 = 1 << 30;

/// What the first row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Names of columns.
    Names,
    /// Data like the others.
    None,
}

/// How quotes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// As in CSV: columns may hold marks, quotes and lines.
    Csv,
    /// Like any other character.
    Plain,
}

/// Rows of a table.
pub(super) struct Table {
    file: Text,
    names: Vec<String>,
    rows: csv::StringRecordsIntoIter<Limited<BufReader<File>>>,
}

/// Fails at lines that are too long, before they are held.
struct Limited<R> {
    inner: R,
    line: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for byte in &buffer[..count] {
            self.line = if *byte == b'\n' { 0 } else { self.line + 1 };
            if self.line > MAX_ROW_BYTES {
                let reason = format!("a line is longer than {MAX_ROW_BYTES} bytes");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
            }
        }
        Ok(count)
    }
}

/// A row with its place.
pub(super) struct Row {
    file: Text,
    names: std::sync::Arc<[String]>,
    pub place: String,
    fields: StringRecord,
}

impl Text {
    pub fn table(&self, mark: u8, header: Header, quotes: Quotes) -> Result<Table> {
        let file = File::open(&self.path).map_err(Error::io(&self.path))?;
        let length = file.metadata().map_err(Error::io(&self.path))?.len();
        if quotes == Quotes::Csv && length > MAX_QUOTED_BYTES {
            return Err(self.wrong("size", format!("{length} bytes, the limit is {MAX_QUOTED_BYTES}")));
        }
        let mut reader = ReaderBuilder::new()
            .delimiter(mark)
            .has_headers(header == Header::Names)
            .quoting(quotes == Quotes::Csv)
            .flexible(true)
            .trim(Trim::None)
            .from_reader(Limited { inner: BufReader::new(file), line: 0 });
        let names = match header {
            Header::Names => {
                let names = reader.headers().map_err(|error| self.wrong("line 1", error.to_string()))?;
                names.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect()
            }
            Header::None => Vec::new(),
        };
        Ok(Table { file: self.clone(), names, rows: reader.into_records() })
    }
}

impl Table {
    /// Fails where one of the columns is not there.
    pub fn with(self, columns: &[&str]) -> Result<Self> {
        match columns.iter().find(|column| !self.names.iter().any(|name| name == *column)) {
            Some(missing) => {
                let known = shown(&self.names.join(", "));
                Err(self.file.wrong("line 1", format!("no column {missing:?} among {known}")))
            }
            None => Ok(self),
        }
    }

    pub fn rows(self) -> impl Iterator<Item = Result<Row>> + Send {
        let names: std::sync::Arc<[String]> = self.names.into();
        let file = self.file;
        self.rows.map(move |row| {
            let fields = row.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                file.wrong(format!("line {line}"), error.to_string())
            })?;
            let place = format!("line {}", fields.position().map_or(0, csv::Position::line));
            if fields.len() > MAX_COLUMNS || fields.as_slice().len() > MAX_ROW_BYTES {
                let reason = format!("{} columns of {} bytes", fields.len(), fields.as_slice().len());
                return Err(file.wrong(place, reason));
            }
            Ok(Row { file: file.clone(), names: names.clone(), place, fields })
        })
    }
}

impl Row {
    /// A column by its name.
    pub fn at(&self, name: &str) -> Result<&str> {
        let place = self.names.iter().position(|known| known == name);
        place.and_then(|i| self.fields.get(i)).ok_or_else(|| {
            let reason = format!("{} columns, {name:?} is missing", self.fields.len());
            self.file.wrong(&*self.place, reason)
        })
    }

    /// A column by its index.
    pub fn column(&self, index: usize) -> Result<&str> {
        self.fields.get(index).ok_or_else(|| {
            self.file.wrong(&*self.place, format!("{} columns, expected {} and more", self.fields.len(), index + 1))
        })
    }

    pub fn real(&self, name: &str) -> Result<f64> {
        self.file.real(&self.place, name, self.at(name)?)
    }
}
