//! What is said: LibriSpeech, Fluent Speech Commands, SLURP, IEMOCAP, LJ Speech.

use std::path::Path;

use serde::Deserialize;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::labels::Labels;
use super::source::Media;
use super::table::{Header, Quotes};
use crate::error::{Error, Result};
use crate::metric::{Entity, Frame};

/// Emotions of IEMOCAP on which publications agree; excitement counts as happiness.
const EMOTIONS: [&str; 4] = ["neu", "hap", "ang", "sad"];
/// Of LJ Speech: the last so many clips, as in most publications, for it has no split of its own.
const LJSPEECH_TEST: usize = 100;
const LJSPEECH_VALID: usize = 100;

/// `test-clean/READER/CHAPTER/READER-CHAPTER.trans.txt` and FLAC files beside it.
pub(super) fn librispeech(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "LibriSpeech")?;
    let part = match split {
        Split::Train => "train-clean-100",
        Split::Valid => "dev-clean",
        Split::Test => "test-clean",
    };
    let folder = folder.first_folder(&[part, &format!("LibriSpeech/{part}")])?;
    let readers = folder.folders()?;
    let rows = readers.into_iter().flat_map(move |reader| {
        let folder = folder.within(&reader);
        let chapters: Vec<Result<String>> = match folder.folders() {
            Ok(chapters) => chapters.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        chapters.into_iter().flat_map(move |chapter| {
            let rows: Box<dyn Iterator<Item = Result<Example>> + Send> = match chapter
                .and_then(|chapter| transcripts(&folder.within(&chapter), &format!("{reader}-{chapter}")))
            {
                Ok(rows) => Box::new(rows),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
            rows
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}

fn transcripts(folder: &Folder, name: &str) -> Result<impl Iterator<Item = Result<Example>> + Send + use<>> {
    let file = folder.first(&[&format!("{name}.trans.txt")])?;
    let folder = folder.clone();
    Ok(file.lines()?.map(move |line| {
        let (place, line) = line?;
        let (id, text) = line.split_once(' ').ok_or_else(|| file.wrong(&*place, "no space after the name"))?;
        let sound = Media::file(file.inside(&folder, &place, &format!("{id}.flac"))?);
        let target = Target::Texts(vec![text.trim().to_owned()]);
        Ok(Example { id: id.to_owned(), input: Input::Sound(sound), target })
    }))
}

/// `data/test_data.csv`: path, transcription, and action, object and location, whose combination is the class.
pub(super) fn fluent_speech_commands(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Fluent Speech Commands")?;
    let folder = folder.first_folder(&["fluent_speech_commands_dataset"]).unwrap_or(folder);
    let columns = ["path", "transcription", "action", "object", "location"];
    let table = |name: &str| -> Result<(Text, super::table::Table)> {
        let file = folder.first(&[&format!("data/{name}_data.csv")])?;
        let table = file.table(b',', Header::Names, Quotes::Csv)?.with(&columns)?;
        Ok((file, table))
    };
    let intent = |row: &super::table::Row| -> Result<String> {
        Ok(format!("{}|{}|{}", row.at("action")?, row.at("object")?, row.at("location")?))
    };
    // All intents occur in training; the order of labels is theirs, sorted.
    let mut labels = Labels::default();
    let (file, rows) = table("train")?;
    for row in rows.rows() {
        let row = row?;
        labels.add(&file, &row.place, &intent(&row)?)?;
    }
    let labels = labels.into_names();
    let name = match split {
        Split::Train => "train",
        Split::Valid => "valid",
        Split::Test => "test",
    };
    let (file, table) = table(name)?;
    let classes = labels.clone();
    let rows = table.rows().map(move |row| {
        let row = row?;
        let class = file.label(&row.place, &classes, &intent(&row)?)?;
        let id = row.at("path")?.to_owned();
        let sound = Media::file(file.inside(&folder, &row.place, &id)?);
        Ok(Example { id, input: Input::Sound(sound), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

#[derive(Deserialize)]
struct Utterance {
    slurp_id: u64,
    scenario: String,
    action: String,
    tokens: Vec<Token>,
    entities: Vec<Span>,
    recordings: Vec<Recording>,
}

#[derive(Deserialize)]
struct Recording {
    file: String,
}

#[derive(Deserialize)]
struct Token {
    surface: String,
}

#[derive(Deserialize)]
struct Span {
    span: Vec<usize>,
    #[serde(rename = "type")]
    kind: String,
}

/// `dataset/slurp/test.jsonl` and the recordings in `slurp_real` or `audio/slurp_real`: one example for each recording.
pub(super) fn slurp(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "SLURP")?;
    let name = match split {
        Split::Train => "train.jsonl",
        Split::Valid => "devel.jsonl",
        Split::Test => "test.jsonl",
    };
    let file = folder.first(&[&format!("dataset/slurp/{name}"), name])?;
    let audio =
        folder.first_folder(&["slurp_real", "audio/slurp_real", "audio"]).unwrap_or(folder.within("slurp_real"));
    let rows = file.json_lines::<Utterance>()?.flat_map(move |row| {
        let made: Result<Vec<Example>> = row.and_then(|(place, row)| {
            let frame = frame(&file, &place, &row)?;
            row.recordings
                .iter()
                .map(|Recording { file: name }| {
                    let sound = Media::file(file.inside(&audio, &place, name)?);
                    let id = format!("{} {name}", row.slurp_id);
                    Ok(Example { id, input: Input::Sound(sound), target: Target::Frame(frame.clone()) })
                })
                .collect()
        });
        match made {
            Ok(examples) => examples.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// Fillers are the words of spans in lower case, as the evaluation makes them.
fn frame(file: &Text, place: &str, row: &Utterance) -> Result<Frame> {
    let entity = |span: &Span| {
        let words: Result<Vec<String>> = span
            .span
            .iter()
            .map(|i| {
                let token = row.tokens.get(*i);
                let token = token.ok_or_else(|| file.wrong(place, format!("word {i} of {}", row.tokens.len())))?;
                Ok(token.surface.to_lowercase())
            })
            .collect();
        Ok(Entity { kind: span.kind.clone(), filler: words?.join(" ") })
    };
    Ok(Frame {
        scenario: row.scenario.clone(),
        action: row.action.clone(),
        entities: row.entities.iter().map(entity).collect::<Result<_>>()?,
    })
}

/// `Session5/dialog/EmoEvaluation/*.txt` and `Session5/sentences/wav`: the last session is the test, as publications that leave
/// one out count it; the others are for training. Four emotions, what is none of them is left out.
pub(super) fn iemocap(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "IEMOCAP";
    let sessions = match split {
        Split::Train => 1..5,
        Split::Test => 5..6,
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let mut files = Vec::new();
    for session in sessions {
        let session = folder.first_folder(&[&format!("Session{session}")])?;
        let emotions = session.first_folder(&["dialog/EmoEvaluation"])?;
        for name in emotions.files(&["txt"])? {
            files.push((emotions.first(&[&name])?, session.within("sentences/wav")));
        }
    }
    let rows = files.into_iter().flat_map(|(file, sounds)| {
        let rows: Box<dyn Iterator<Item = Result<Example>> + Send> = match file.lines() {
            Ok(lines) => Box::new(lines.filter_map(move |line| turn(&file, &sounds, line).transpose())),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        rows
    });
    Ok(Examples::new(["neutral", "happy", "angry", "sad"].map(str::to_owned).to_vec(), rows))
}

/// `[6.2901 - 8.2357]`, name, emotion and three ratings, with tabs between them; other lines say what each person thought.
fn turn(file: &Text, sounds: &Folder, line: Result<(String, String)>) -> Result<Option<Example>> {
    let (place, line) = line?;
    if !line.starts_with('[') {
        return Ok(None);
    }
    let fields: Vec<&str> = line.split('\t').collect();
    let [_, id, emotion, ..] = fields.as_slice() else {
        return Err(file.wrong(place, format!("{} columns, expected 4", fields.len())));
    };
    let emotion = if *emotion == "exc" { "hap" } else { emotion };
    let Some(class) = EMOTIONS.iter().position(|known| *known == emotion) else { return Ok(None) };
    let dialog = id.rsplit_once('_').map_or(*id, |(dialog, _)| dialog);
    let sound = Media::file(file.inside(sounds, &place, &format!("{dialog}/{id}.wav"))?);
    Ok(Some(Example { id: (*id).to_owned(), input: Input::Sound(sound), target: Target::Label(class) }))
}

/// `metadata.csv` with name, text and text with numbers spelt out, and WAV files in `wavs`: a text is read aloud. The last 100
/// clips are the test, the 100 before them for validation.
pub(super) fn ljspeech(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "LJ Speech")?;
    let folder = folder.first_folder(&["LJSpeech-1.1"]).unwrap_or(folder);
    let file = folder.first(&["metadata.csv"])?;
    let sounds = folder.within("wavs");
    let lines: Vec<(String, String)> = file.lines()?.collect::<Result<_>>()?;
    let test = lines.len().saturating_sub(LJSPEECH_TEST);
    let valid = test.saturating_sub(LJSPEECH_VALID);
    let range = match split {
        Split::Train => 0..valid,
        Split::Valid => valid..test,
        Split::Test => test..lines.len(),
    };
    let rows = lines.into_iter().skip(range.start).take(range.len()).map(move |(place, line)| {
        let fields: Vec<&str> = line.split('|').collect();
        let [id, plain, rest @ ..] = fields.as_slice() else {
            return Err(file.wrong(place, "no | after the name"));
        };
        let text = rest.first().filter(|text| !text.is_empty()).unwrap_or(plain);
        // What was said is the target, as sound in words: a recogniser tells whether it can be understood.
        file.inside(&sounds, &place, &format!("{id}.wav"))?;
        Ok(Example {
            id: (*id).to_owned(),
            input: Input::Text((*text).to_owned()),
            target: Target::Texts(vec![(*text).to_owned()]),
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}
