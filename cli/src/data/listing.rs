//! Rows of a `.jsonl` or `.csv` listing, checked one by one. Limits keep a hostile file from filling memory; names of
//! files lead nowhere but into the folder.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::example::{Example, Kind, Source, Target};
use crate::error::{Error, Result};

const FORMAT: &str = "listing";
/// Of a listing, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Rows of a split.
pub const MAX_ROWS: usize = 2_000_000;
/// Bytes of a row: no phone's model reads a text of a million characters.
const MAX_ROW: usize = 1 << 20;
/// Texts of which each is right.
const MAX_OUTPUTS: usize = 64;
/// Columns of a CSV file.
const MAX_COLUMNS: usize = 256;
/// A value in a message, in characters.
const SHOWN: usize = 80;

/// Columns that are read.
const KNOWN: [&str; 6] = ["text", "text2", "file_name", "label", "output", "outputs"];
/// Columns that mean nothing here.
const IGNORED: [&str; 4] = ["id", "split", "speaker", "subject"];

/// Calls `take` with each row of the listing at `path`; its files are relative to `base`.
///
/// # Errors
/// [`Error::Io`], and [`Error::Malformed`] naming the row, the field and its value; `take`'s own.
pub fn read(path: &Path, base: &Path, mut take: impl FnMut(Example) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(Error::io(path))?;
    let bytes = file.metadata().map_err(Error::io(path))?.len();
    if bytes > MAX_BYTES {
        return Err(Error::malformed(path.display(), FORMAT, format!("{bytes} bytes, the limit is {MAX_BYTES}")));
    }
    let base = Base::new(base)?;
    let mut count = 0;
    let mut row = |place: String, fields: Map<String, Value>| {
        count += 1;
        if count > MAX_ROWS {
            return Err(Error::malformed(path.display(), FORMAT, format!("more than {MAX_ROWS} rows")));
        }
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, format!("{place}: {reason}"));
        take(example(&place, fields, &base).map_err(wrong)?)
    };
    let csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    // The file may grow while it is read.
    let file = file.take(MAX_BYTES);
    if csv { read_csv(path, file, &mut row) } else { read_jsonl(path, file, &mut row) }
}

type TakeRow<'a> = dyn FnMut(String, Map<String, Value>) -> Result<()> + 'a;

fn read_jsonl(path: &Path, file: impl Read, row: &mut TakeRow<'_>) -> Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = MAX_ROW as u64 + 2;
        if reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(Error::io(path))? == 0 {
            return Ok(());
        }
        let place = format!("row {number}");
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, format!("{place} {reason}"));
        if line.len() > MAX_ROW {
            return Err(wrong(format!("has more than {MAX_ROW} bytes")));
        }
        let text = str::from_utf8(&line).map_err(|reason| wrong(format!("is not UTF-8: {reason}")))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        let value = serde_json::from_str(text).map_err(|reason| wrong(format!("is no JSON object: {reason}")))?;
        let Value::Object(mut fields) = value else {
            return Err(wrong(format!("is {}, expected a JSON object", shown(&value))));
        };
        fields.retain(|_, value| !value.is_null());
        row(place, fields)?;
    }
    Ok(())
}

fn read_csv(path: &Path, file: impl Read, row: &mut TakeRow<'_>) -> Result<()> {
    let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Bounded::new(file));
    let mut record = csv::StringRecord::new();
    let mut header: Option<Vec<String>> = None;
    let mut number = 0;
    loop {
        reader.get_mut().row = 0;
        if !reader.read_record(&mut record).map_err(|reason| wrong(reason.to_string()))? {
            return Ok(());
        }
        let Some(header) = &header else {
            header = Some(columns(&record).map_err(wrong)?);
            continue;
        };
        number += 1;
        let place = format!("row {number}");
        if record.len() != header.len() {
            return Err(wrong(format!("{place} has {} cells, the header {}", record.len(), header.len())));
        }
        // An empty cell of a column that need not be there means that it is not.
        let present = header
            .iter()
            .zip(&record)
            .filter(|(name, cell)| !cell.is_empty() || matches!(name.as_str(), "text" | "label"));
        row(place, present.map(|(name, cell)| (name.clone(), Value::String(cell.to_owned()))).collect())?;
    }
}

fn columns(record: &csv::StringRecord) -> Result<Vec<String>, String> {
    if record.len() > MAX_COLUMNS {
        return Err(format!("the header has {} columns, the limit is {MAX_COLUMNS}", record.len()));
    }
    let names: Vec<String> = record.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    if let Some(at) = (0..names.len()).find(|&at| names[..at].contains(&names[at])) {
        return Err(format!("the header names {:?} twice", names[at]));
    }
    if names.iter().any(|name| name == "outputs") {
        return Err("column 'outputs' is a list, which CSV has no form for; use 'output' or a .jsonl file".into());
    }
    Ok(names)
}

/// Ends with an error in the middle of a row that does not end: the reader above holds a row whole.
struct Bounded<R> {
    inner: R,
    /// Bytes since the last row was asked for; the reader's buffer makes it a little more than the row's own.
    row: usize,
}

impl<R> Bounded<R> {
    fn new(inner: R) -> Self {
        Self { inner, row: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.row > MAX_ROW {
            return Err(std::io::Error::other(format!("a row has more than {MAX_ROW} bytes")));
        }
        let count = self.inner.read(buffer)?;
        self.row += count;
        Ok(count)
    }
}

fn example(place: &str, fields: Map<String, Value>, base: &Base) -> Result<Example, String> {
    let mut row = Fields::default();
    for (name, value) in fields {
        match name.as_str() {
            "text" => row.text = Some(words(&name, value)?),
            "text2" => row.text2 = Some(words(&name, value)?),
            "file_name" => row.file = Some(words(&name, value)?),
            "label" => row.label = Some(words(&name, value)?),
            "output" => row.output = Some(words(&name, value)?),
            "outputs" => row.outputs = Some(outputs(value)?),
            ignored if IGNORED.contains(&ignored) => {}
            unknown => {
                let known: Vec<&str> = KNOWN.into_iter().chain(IGNORED).collect();
                return Err(format!("column {} is unknown, known are {}", cut(unknown), known.join(", ")));
            }
        }
    }
    row.example(place, base)
}

/// The columns of a row.
#[derive(Default)]
struct Fields {
    text: Option<String>,
    text2: Option<String>,
    file: Option<String>,
    label: Option<String>,
    output: Option<String>,
    outputs: Option<Vec<String>>,
}

impl Fields {
    fn example(self, place: &str, base: &Base) -> Result<Example, String> {
        let target = match (self.label, self.output, self.outputs) {
            (Some(label), None, None) => Target::Label(label),
            (None, Some(text), None) => Target::Texts(vec![text]),
            (None, None, Some(texts)) => Target::Texts(texts),
            _ => return Err("expected one of 'label', 'output' and 'outputs'".into()),
        };
        let text = match (self.text, self.text2) {
            (None, Some(_)) => return Err("it has 'text2' without 'text'".into()),
            (Some(first), Some(second)) => Some(format!("{first}\n{second}")),
            (text, None) => text,
        };
        if text.is_none() && self.file.is_none() {
            return Err("it has neither 'text' nor 'file_name'".into());
        }
        let source = self.file.map(|name| base.file(&name)).transpose()?;
        Ok(Example { place: place.to_owned(), text, source, target })
    }
}

fn words(name: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Err(format!("{name} is empty")),
        Value::String(text) => Ok(text),
        other => Err(format!("{name} is {}, expected a text in quotation marks", shown(&other))),
    }
}

fn outputs(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(texts) if (1..=MAX_OUTPUTS).contains(&texts.len()) => {
            texts.into_iter().map(|text| words("outputs", text)).collect()
        }
        other => Err(format!("outputs is {}, expected a list of 1 to {MAX_OUTPUTS} texts", shown(&other))),
    }
}

/// The directory that files of rows are in.
#[derive(Debug)]
pub struct Base {
    /// Without links in it.
    real: PathBuf,
}

impl Base {
    /// The directory `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(path: &Path) -> Result<Self> {
        // The parent of a plain file name is empty, which means here.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self { real: path.canonicalize().map_err(Error::io(path))? })
    }

    /// What tells an example apart where nothing else does: the text, else the file by its way from here.
    #[must_use]
    pub fn identity(&self, example: &Example) -> String {
        match (&example.text, &example.source) {
            (None, Some(Source::File { path, .. })) => {
                let parts = path.strip_prefix(&self.real).unwrap_or(path).iter().map(|part| part.to_string_lossy());
                parts.collect::<Vec<_>>().join("/")
            }
            (text, _) => text.clone().unwrap_or_default(),
        }
    }

    /// The file `name` in it.
    ///
    /// # Errors
    /// What is wrong with the name: it leads elsewhere, also by a link, is of a kind that is not read, or names no file.
    pub fn file(&self, name: &str) -> Result<Source, String> {
        let wrong = |reason: &str| Err(format!("file_name is {}, {reason}", cut(name)));
        let relative = Path::new(name);
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.contains(['\0', '\\']) || !relative.components().all(inside) {
            return wrong("expected a path inside the folder");
        }
        let ending = relative.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let Some(kind) = Kind::of_ending(ending) else {
            return wrong(&format!("expected one of {}", Kind::endings()));
        };
        match self.real.join(relative).canonicalize() {
            Err(reason) => wrong(&format!("which cannot be opened: {reason}")),
            Ok(path) if !path.starts_with(&self.real) => wrong("a link that leaves the folder"),
            Ok(path) if !path.is_file() => wrong("which is no file"),
            Ok(path) => Ok(Source::File { path, name: name.to_owned(), kind }),
        }
    }
}

/// A value in a message, however long it is.
fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

/// A text in a message, in quotation marks, however long it is.
pub fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    format!("{short:?}")
}
