//! Sounds and pictures of stand-in sets: a manifest beside an archive. Members of a plain archive are found by their places
//! in it; those of a compressed one are held in memory, within bounds.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use serde::Deserialize;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::labels::MAX_LABELS;
use super::source::{Media, Source};
use super::stand_in::Meta;
use crate::error::{Error, Result};

/// Of an unpacked archive that is held.
const MAX_HELD: u64 = 1 << 30;
const MAX_MEMBERS: usize = 1_000_000;

#[derive(Deserialize)]
struct Entry {
    file: String,
    split: String,
    #[serde(default)]
    label: Option<usize>,
    /// The class, or what is said.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    captions: Vec<String>,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    answer: Option<String>,
}

pub(super) fn open(folder: &Folder, manifest: &Text, meta: &Meta, split: Split) -> Result<Examples> {
    let (members, sounds) = match folder.first(&["audio.tar"]) {
        Ok(archive) => (places(&archive)?, true),
        Err(_) => (held(&folder.first(&["images.tar.zst"])?)?, false),
    };
    let mut labels = meta.names();
    if labels.is_empty() {
        labels = numbered(manifest)?;
    }
    let count = labels.len();
    let manifest = manifest.clone();
    let rows = manifest.json_lines::<Entry>()?.filter_map(move |row| {
        let made = row.and_then(|(place, entry)| {
            if entry.split != split.name() {
                return Ok(None);
            }
            let media = members.get(&entry.file).cloned();
            let media = media.ok_or_else(|| manifest.wrong(&*place, format!("{:?} is not packed", entry.file)))?;
            if let Some(wrong) = entry.label.filter(|label| *label >= count) {
                return Err(manifest.wrong(place, format!("class {wrong} of {count}")));
            }
            let target = match (&entry.answer, entry.label) {
                (Some(answer), _) => Target::Texts(vec![answer.clone()]),
                (None, Some(label)) => Target::Label(label),
                (None, None) if !entry.captions.is_empty() => Target::Texts(entry.captions),
                (None, None) => entry.text.map_or(Target::Unknown, |text| Target::Texts(vec![text])),
            };
            let input = match (entry.question, sounds) {
                (Some(question), _) => Input::ImageQuestion { image: media, question },
                (None, true) => Input::Sound(media),
                (None, false) => Input::Image(media),
            };
            Ok(Some(Example { id: entry.file, input, target }))
        });
        made.transpose()
    });
    Ok(Examples::new(labels, rows))
}

/// Classes without names are known by their numbers.
fn numbered(manifest: &Text) -> Result<Vec<String>> {
    let mut count = 0;
    for row in manifest.json_lines::<Entry>()? {
        let (place, entry) = row?;
        count = entry.label.map_or(count, |label| count.max(label.saturating_add(1)));
        if count > MAX_LABELS {
            return Err(manifest.wrong(place, format!("class {} of at most {MAX_LABELS}", count - 1)));
        }
    }
    Ok((0..count).map(|label| label.to_string()).collect())
}

/// Where the members of a plain archive are.
fn places(file: &Text) -> Result<HashMap<String, Media>> {
    let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
    let length = opened.metadata().map_err(Error::io(&file.path))?.len();
    let mut archive = tar::Archive::new(BufReader::new(opened));
    let mut members = HashMap::new();
    for entry in archive.entries().map_err(Error::io(&file.path))? {
        let entry = entry.map_err(|error| file.wrong("entry", error.to_string()))?;
        let (name, offset, bytes) = member(file, &entry, members.len())?;
        if offset.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(file.wrong(name, format!("{bytes} bytes at {offset} of {length}")));
        }
        let source = Source::Packed { archive: file.path.clone(), offset, bytes };
        members.insert(name, Media::new(source));
    }
    Ok(members)
}

/// Members of a compressed archive.
fn held(file: &Text) -> Result<HashMap<String, Media>> {
    let mut archive = tar::Archive::new(file.zstd()?.take(MAX_HELD + 1));
    let mut members = HashMap::new();
    let mut total = 0u64;
    for entry in archive.entries().map_err(|error| file.wrong("archive", error.to_string()))? {
        let mut entry = entry.map_err(|error| file.wrong("entry", error.to_string()))?;
        let (name, _, bytes) = member(file, &entry, members.len())?;
        total = total.saturating_add(bytes);
        if total > MAX_HELD {
            return Err(file.wrong(name, format!("more than {MAX_HELD} bytes unpacked")));
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(|error| file.wrong(&*name, error.to_string()))?;
        if data.len() as u64 != bytes {
            return Err(file.wrong(name, format!("{} bytes, {bytes} were announced", data.len())));
        }
        members.insert(name, Media::new(Source::Memory(Arc::from(data))));
    }
    Ok(members)
}

fn member<R: Read>(file: &Text, entry: &tar::Entry<'_, R>, count: usize) -> Result<(String, u64, u64)> {
    let path = entry.path().map_err(|error| file.wrong("entry", error.to_string()))?;
    let name = path.to_str().ok_or_else(|| file.wrong("entry", "its name is no UTF-8"))?.to_owned();
    if count == MAX_MEMBERS {
        return Err(file.wrong(name, format!("more than {MAX_MEMBERS} members")));
    }
    Ok((name, entry.raw_file_position(), entry.size()))
}
