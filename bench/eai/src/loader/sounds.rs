//! What is heard, and films: ESC-50, Speech Commands, Clotho, AudioCaps, VGGSound, Kinetics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::Folder;
use super::labels::Labels;
use super::source::Media;
use super::table::{Header, Quotes};
use crate::error::{Error, Result};

/// Of ESC-50: the last fold is the test here; publications report the mean over all five.
const ESC_TEST_FOLD: usize = 5;
/// Where the samples are from which noise is cut; it is no word.
const NOISE: &str = "_background_noise_";
/// Length of the clips of AudioCaps and VGGSound, in seconds.
const CLIP: f64 = 10.0;

/// `meta/esc50.csv` and `audio`.
pub(super) fn esc50(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "ESC-50";
    if split == Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let file = folder.first(&["meta/esc50.csv", "esc50.csv"])?;
    let sounds = folder.within("audio");
    let table = || file.table(b',', Header::Names, Quotes::Csv)?.with(&["filename", "fold", "target", "category"]);
    let mut names: BTreeMap<usize, String> = BTreeMap::new();
    for row in table()?.rows() {
        let row = row?;
        let number = file.class(&row.place, 50, row.at("target")?)?;
        let name = row.at("category")?;
        let known = names.entry(number).or_insert_with(|| name.to_owned());
        if known != name {
            return Err(file.wrong(&*row.place, format!("class {number} is {name:?}, before it was {known:?}")));
        }
    }
    let labels: Vec<String> = (0..names.last_key_value().map_or(0, |(last, _)| last + 1))
        .map(|class| names.get(&class).cloned().unwrap_or_else(|| class.to_string()))
        .collect();
    let (rows, about) = (table()?.rows(), file.clone());
    let rows = rows.filter_map(move |row| {
        let made = row.and_then(|row| {
            let fold: usize = about.number(&row.place, "fold", row.at("fold")?)?;
            if (fold == ESC_TEST_FOLD) != (split == Split::Test) {
                return Ok(None);
            }
            let id = row.at("filename")?.to_owned();
            let sound = Media::file(about.inside(&sounds, &row.place, &id)?);
            let class = about.number(&row.place, "target", row.at("target")?)?;
            Ok(Some(Example { id, input: Input::Sound(sound), target: Target::Label(class) }))
        });
        made.transpose()
    });
    Ok(Examples::new(labels, rows))
}

/// A folder of WAV files for each word; `testing_list.txt` and `validation_list.txt` say what is not for training.
pub(super) fn speech_commands(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Speech Commands")?;
    let mut labels = folder.folders()?;
    labels.retain(|name| name != NOISE);
    let listed = |name: &str| -> Result<Vec<(String, String)>> { folder.first(&[name])?.lines()?.collect() };
    let (test, valid) = (listed("testing_list.txt")?, listed("validation_list.txt")?);
    let list = folder.first(&["testing_list.txt"])?;
    let chosen: Vec<(String, String)> = match split {
        Split::Test => test,
        Split::Valid => valid,
        Split::Train => {
            let kept: BTreeSet<String> = test.into_iter().chain(valid).map(|(_, name)| name).collect();
            let mut names = Vec::new();
            for word in &labels {
                let files = folder.within(word).files(&["wav"])?;
                names
                    .extend(files.into_iter().map(|file| format!("{word}/{file}")).filter(|name| !kept.contains(name)));
            }
            names.into_iter().map(|name| (format!("folder entry {name}"), name)).collect()
        }
    };
    let classes = labels.clone();
    let rows = chosen.into_iter().filter(|(_, name)| !name.trim().is_empty()).map(move |(place, name)| {
        let id = name.trim().to_owned();
        let word = id.split('/').next().unwrap_or_default();
        let class = list.label(&place, &classes, word)?;
        let sound = Media::file(list.inside(&folder, &place, &id)?);
        Ok(Example { id, input: Input::Sound(sound), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

/// `clotho_captions_evaluation.csv` with five captions for each file of `evaluation`.
pub(super) fn clotho(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Clotho")?;
    let name = match split {
        Split::Train => "development",
        Split::Valid => "validation",
        Split::Test => "evaluation",
    };
    let captions = ["caption_1", "caption_2", "caption_3", "caption_4", "caption_5"];
    let file = folder.first(&[&format!("clotho_captions_{name}.csv")])?;
    let sounds = folder.within(name);
    let table = file.table(b',', Header::Names, Quotes::Csv)?.with(&["file_name"])?.with(&captions)?;
    let rows = table.rows().map(move |row| {
        let row = row?;
        let id = row.at("file_name")?.to_owned();
        let sound = Media::file(file.inside(&sounds, &row.place, &id)?);
        let texts: Result<Vec<String>> = captions.iter().map(|column| Ok(row.at(column)?.to_owned())).collect();
        Ok(Example { id, input: Input::Sound(sound), target: Target::Texts(texts?) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `test.csv` with `audiocap_id,youtube_id,start_time,caption`, and the clips as `audio/YOUTUBE_ID.wav` or
/// `audio/YOUTUBE_ID_BEGIN.wav`: there is no official archive of them. Captions of one clip
/// are its references.
pub(super) fn audiocaps(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "AudioCaps")?;
    let name = match split {
        Split::Train => "train.csv",
        Split::Valid => "val.csv",
        Split::Test => "test.csv",
    };
    let file = folder.first(&[name, &format!("dataset/{name}")])?;
    let table = file.table(b',', Header::Names, Quotes::Csv)?.with(&["youtube_id", "start_time", "caption"])?;
    let mut clips: Vec<(String, Media, Vec<String>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let sounds = folder.within("audio");
    for row in table.rows() {
        let row = row?;
        let (video, start) = (row.at("youtube_id")?, row.real("start_time")?);
        let id = format!("{video}_{start}");
        let place = match known.get(&id) {
            Some(place) => *place,
            None => {
                let named = file.inside(&sounds, &row.place, &format!("{id}.wav"))?;
                let plain = file.inside(&sounds, &row.place, &format!("{video}.wav"))?;
                let sound = Media::file(if named.is_file() { named } else { plain });
                known.insert(id.clone(), clips.len());
                clips.push((id, sound, Vec::new()));
                clips.len() - 1
            }
        };
        clips[place].2.push(row.at("caption")?.to_owned());
    }
    let rows = clips
        .into_iter()
        .map(|(id, sound, captions)| Ok(Example { id, input: Input::Sound(sound), target: Target::Texts(captions) }));
    Ok(Examples::new(Vec::new(), rows))
}

/// `vggsound.csv` without names of columns: video, begin in seconds, class and split; films as `video/ID_BEGIN.mp4`.
pub(super) fn vggsound(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "VGGSound";
    if split == Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let file = folder.first(&["vggsound.csv"])?;
    let films = folder.within("video");
    let mut labels = Labels::default();
    for row in file.table(b',', Header::None, Quotes::Csv)?.rows() {
        let row = row?;
        labels.add(&file, &row.place, row.column(2)?)?;
    }
    let labels = labels.into_names();
    let classes = labels.clone();
    let rows = file.table(b',', Header::None, Quotes::Csv)?.rows().filter_map(move |row| {
        let made = row.and_then(|row| {
            match row.column(3)? {
                part if part == split.name() => {}
                "train" | "test" => return Ok(None),
                other => return Err(file.wrong(&*row.place, format!("split {other:?}, expected train or test"))),
            }
            let begin: u32 = file.number(&row.place, "begin", row.column(1)?)?;
            let id = format!("{}_{begin:06}", row.column(0)?);
            let film = Media::file(file.inside(&films, &row.place, &format!("{id}.mp4"))?).between(0.0, CLIP);
            let class = file.label(&row.place, &classes, row.column(2)?)?;
            Ok(Some(Example { id, input: Input::Video(film), target: Target::Label(class) }))
        });
        made.transpose()
    });
    Ok(Examples::new(labels, rows))
}

/// `val.csv` with `label,youtube_id,time_start,time_end,split`, films as `val/ID_START_END.mp4`, or so in a folder for each
/// class. The classes are those of the file.
pub(super) fn kinetics(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Kinetics-400")?;
    let name = match split {
        Split::Train => "train",
        Split::Valid => "val",
        Split::Test => "test",
    };
    let file = folder.first(&[&format!("{name}.csv"), &format!("annotations/{name}.csv")])?;
    let columns = ["label", "youtube_id", "time_start", "time_end"];
    let mut labels = Labels::default();
    for row in file.table(b',', Header::Names, Quotes::Csv)?.with(&columns)?.rows() {
        let row = row?;
        labels.add(&file, &row.place, row.at("label")?)?;
    }
    let labels = labels.into_names();
    let classes = labels.clone();
    let films = folder.within(name);
    let rows = file.table(b',', Header::Names, Quotes::Csv)?.rows().map(move |row| {
        let row = row?;
        let label = row.at("label")?;
        let [begin, end] = ["time_start", "time_end"].map(|column| row.real(column));
        let (begin, end) = (begin?, end?);
        if !(0.0..=1e6).contains(&begin) || end <= begin || end > 1e6 {
            return Err(file.wrong(&*row.place, format!("from {begin} to {end} s")));
        }
        let id = format!("{}_{:06}_{:06}", row.at("youtube_id")?, begin as u32, end as u32);
        let nested = file.inside(&films, &row.place, &format!("{label}/{id}.mp4"))?;
        let film = if nested.is_file() { nested } else { file.inside(&films, &row.place, &format!("{id}.mp4"))? };
        let class = file.label(&row.place, &classes, label)?;
        Ok(Example { id, input: Input::Video(Media::file(film)), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}
