//! Translations of WMT: its XML of 2021 and later, the SGML of the years before, and plain lines.

use std::collections::BTreeMap;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::lines::pairs;
use crate::error::{Error, Result};

const FORMAT: &str = "WMT test set";
/// A test set has some thousand sentences.
const MAX_BYTES: u64 = 1 << 27;

/// From one language into another, as in file names: `en` and `de`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Direction {
    /// Source.
    pub from: &'static str,
    /// Target.
    pub into: &'static str,
}

/// Segments by document and number, in the order of both.
type Segments = BTreeMap<(usize, String), String>;

/// `*.en-de.xml`; `*-src.en.sgm` beside `*-ref.de.sgm`; or `*.en` beside `*.de`, a sentence a line.
pub(super) fn wmt(path: &Path, split: Split, direction: Direction) -> Result<Examples> {
    if split != Split::Test {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let Direction { from, into } = direction;
    let one = |endings: &[String]| -> Result<Option<Text>> {
        let names = folder.list(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            endings.iter().any(|ending| name.ends_with(ending.as_str()))
        })?;
        match names.as_slice() {
            [] => Ok(None),
            [name] => folder.first(&[name]).map(Some),
            more => Err(folder.wrong("entries", format!("{} files end in {}", more.len(), endings.join(" or ")))),
        }
    };
    if let Some(file) = one(&[format!(".{from}-{into}.xml"), format!(".{from}-{into}.all.xml")])? {
        let found = read(&file)?;
        let right = found.references;
        return joined(&file, found.sources, right);
    }
    if let Some(sources) = one(&[format!("-src.{from}.sgm")])? {
        let references = one(&[format!("-ref.{into}.sgm")])?;
        let references = references.ok_or_else(|| missing(&folder, &format!("*-ref.{into}.sgm")))?;
        let right = read(&references)?.references;
        return joined(&sources, read(&sources)?.sources, right);
    }
    let sources = one(&[format!(".{from}")])?;
    let references = one(&[format!(".{into}")])?;
    let (Some(sources), Some(references)) = (sources, references) else {
        return Err(missing(&folder, &format!("*.{from}-{into}.xml, *-src.{from}.sgm, or *.{from} beside *.{into}")));
    };
    let rows = pairs(&sources, &references)?.map(|row| {
        let (place, source, right) = row?;
        Ok(Example { id: place, input: Input::Text(source), target: Target::Texts(vec![right]) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

fn missing(folder: &Folder, what: &str) -> Error {
    Error::Missing { folder: folder.path().to_path_buf(), format: FORMAT, what: what.to_owned() }
}

#[derive(Default)]
struct Found {
    sources: Segments,
    /// One for each translator.
    references: Vec<Segments>,
}

/// Where segments belong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Reference(usize),
    Neither,
}

fn joined(file: &Text, sources: Segments, references: Vec<Segments>) -> Result<Examples> {
    if sources.is_empty() || references.is_empty() {
        let reason = format!("{} segments, {} references", sources.len(), references.len());
        return Err(file.wrong("file", reason));
    }
    let file = file.clone();
    let rows = sources.into_iter().map(move |(place, source)| {
        let right: Vec<String> = references.iter().filter_map(|segments| segments.get(&place)).cloned().collect();
        let id = format!("document {} segment {}", place.0 + 1, place.1);
        if right.is_empty() {
            return Err(file.wrong(id, "it has no reference"));
        }
        Ok(Example { id, input: Input::Text(source), target: Target::Texts(right) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

fn read(file: &Text) -> Result<Found> {
    let text = file.text(MAX_BYTES)?;
    let mut reader = Reader::from_str(&text);
    // SGML has elements that are never closed.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let mut found = Found::default();
    let mut side = Side::Neither;
    let mut document = None::<usize>;
    let mut translators: Vec<String> = Vec::new();
    let mut segment = None::<(String, String)>;
    loop {
        let place = format!("byte {}", reader.buffer_position());
        let event = reader.read_event().map_err(|error| file.wrong(&*place, error.to_string()))?;
        match event {
            Event::Start(tag) => match tag.local_name().as_ref().to_ascii_lowercase().as_slice() {
                b"doc" => document = Some(document.map_or(0, |last| last + 1)),
                b"src" | b"srcset" => side = Side::Source,
                b"ref" | b"refset" => {
                    let name = attribute(&tag, "translator").unwrap_or_default();
                    let number = translators.iter().position(|known| *known == name).unwrap_or(translators.len());
                    if number == translators.len() {
                        translators.push(name);
                        found.references.push(Segments::new());
                    }
                    side = Side::Reference(number);
                }
                b"hyp" | b"tstset" => side = Side::Neither,
                b"seg" => {
                    let id = attribute(&tag, "id").ok_or_else(|| file.wrong(&*place, "a segment without an id"))?;
                    segment = Some((id, String::new()));
                }
                _ => {}
            },
            Event::Text(part) => {
                if let Some((_, text)) = &mut segment {
                    text.push_str(&part.decode().map_err(|error| file.wrong(&*place, error.to_string()))?);
                }
            }
            Event::GeneralRef(name) => {
                if let Some((_, text)) = &mut segment {
                    let name = name.decode().map_err(|error| file.wrong(&*place, error.to_string()))?;
                    let whole = format!("&{name};");
                    // SGML may have names of its own: they stay as they stand.
                    text.push_str(quick_xml::escape::unescape(&whole).as_deref().unwrap_or(&whole));
                }
            }
            Event::End(tag) if tag.local_name().as_ref().eq_ignore_ascii_case(b"seg") => {
                let (id, text) =
                    segment.take().ok_or_else(|| file.wrong(&*place, "a segment ends that did not begin"))?;
                let segments = match side {
                    Side::Source => &mut found.sources,
                    Side::Reference(number) => &mut found.references[number],
                    Side::Neither => continue,
                };
                let document = document.ok_or_else(|| file.wrong(&*place, "a segment outside of documents"))?;
                if segments.insert((document, padded(&id)), text.trim().to_owned()).is_some() {
                    return Err(file.wrong(place, format!("segment {id:?} stands twice in a document")));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match segment {
        Some((id, _)) => Err(file.wrong("end", format!("segment {id:?} does not end"))),
        None => Ok(found),
    }
}

/// Numbers sort as numbers.
fn padded(id: &str) -> String {
    let id = id.trim();
    if id.len() < 9 && id.bytes().all(|c| c.is_ascii_digit()) { format!("{id:0>9}") } else { id.to_owned() }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.html_attributes().flatten().find(|a| a.key.as_ref().eq_ignore_ascii_case(name.as_bytes()))?;
    Some(String::from_utf8_lossy(&found.value).into_owned())
}
