//! Texts about pictures: VQA 2.0, VizWiz, Flickr8k, Flickr30k.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::Folder;
use super::source::Media;
use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Questions {
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    image_id: u64,
    question: String,
    question_id: u64,
}

#[derive(Deserialize)]
struct Annotations {
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    question_id: u64,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

/// `v2_OpenEnded_mscoco_val2014_questions.json`, `v2_mscoco_val2014_annotations.json` and the pictures in `val2014`; right
/// are the answers of all ten people.
pub(super) fn vqa2(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "VQA 2.0";
    let name = match split {
        Split::Train => "train2014",
        Split::Valid => "val2014",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let file = folder.first(&[&format!("v2_OpenEnded_mscoco_{name}_questions.json")])?;
    let answers_file = folder.first(&[&format!("v2_mscoco_{name}_annotations.json")])?;
    let questions: Questions = file.json()?;
    let annotations: Annotations = answers_file.json()?;
    let mut answers: HashMap<u64, Vec<Answer>> =
        annotations.annotations.into_iter().map(|one| (one.question_id, one.answers)).collect();
    let images = folder.within(name);
    let rows = questions.questions.into_iter().map(move |question| {
        let id = question.question_id;
        let right = answers.remove(&id).filter(|answers| !answers.is_empty());
        let right = right.ok_or_else(|| answers_file.wrong(format!("question {id}"), "it has no answers"))?;
        let image = images.path().join(format!("COCO_{name}_{:012}.jpg", question.image_id));
        Ok(Example {
            id: id.to_string(),
            input: Input::ImageQuestion { image: Media::file(image), question: question.question },
            target: Target::Texts(right.into_iter().map(|answer| answer.answer).collect()),
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `Annotations/val.json`, or `val.json`, and the pictures in `val`.
pub(super) fn vizwiz(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "VizWiz-VQA";
    #[derive(Deserialize)]
    struct Row {
        image: String,
        question: String,
        #[serde(default)]
        answers: Vec<Answer>,
    }
    let name = match split {
        Split::Train => "train",
        Split::Valid => "val",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let file = folder.first(&[&format!("Annotations/{name}.json"), &format!("{name}.json")])?;
    let images = folder.within(name);
    let questions: Vec<Row> = file.json()?;
    let rows = questions.into_iter().enumerate().map(move |(number, row)| {
        let place = format!("question {}", number + 1);
        if row.answers.is_empty() {
            return Err(file.wrong(place, "it has no answers"));
        }
        let image = Media::file(file.inside(&images, &place, &row.image)?);
        Ok(Example {
            id: row.image,
            input: Input::ImageQuestion { image, question: row.question },
            target: Target::Texts(row.answers.into_iter().map(|answer| answer.answer).collect()),
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `Flickr8k.token.txt` with five captions a picture, `Flickr_8k.testImages.txt`, and the pictures.
pub(super) fn flickr8k(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Flickr8k")?;
    let list = match split {
        Split::Train => "Flickr_8k.trainImages.txt",
        Split::Valid => "Flickr_8k.devImages.txt",
        Split::Test => "Flickr_8k.testImages.txt",
    };
    let texts = folder.first_folder(&["Flickr8k_text"]).unwrap_or(folder.clone());
    let images = folder.first_folder(&["Flicker8k_Dataset", "Flickr8k_Dataset", "Images"]).unwrap_or(folder);
    captions(&texts, "Flickr8k.token.txt", list, &images)
}

/// `results_20130124.token`, `test.txt` with the numbers of pictures, as those who split the set publish it, and the pictures
/// in `flickr30k-images`.
pub(super) fn flickr30k(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Flickr30k")?;
    let list = match split {
        Split::Train => "train.txt",
        Split::Valid => "val.txt",
        Split::Test => "test.txt",
    };
    let images = folder.first_folder(&["flickr30k-images", "flickr30k_images"]).unwrap_or(folder.clone());
    captions(&folder, "results_20130124.token", list, &images)
}

fn captions(folder: &Folder, tokens: &str, list: &str, images: &Folder) -> Result<Examples> {
    let list = folder.first(&[list])?;
    let file = folder.first(&[tokens])?;
    let mut captions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in file.lines()? {
        let (place, line) = line?;
        let row = line.split_once('\t').and_then(|(name, text)| Some((name.split_once('#')?.0, text)));
        let (name, text) = row.ok_or_else(|| file.wrong(&*place, "no name, #, number and tab before the caption"))?;
        captions.entry(name.to_owned()).or_default().push(text.trim().to_owned());
    }
    let images = images.clone();
    let rows = list.lines()?.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty())).map(move |line| {
        let (place, name) = line?;
        let name = name.trim();
        let id = if name.ends_with(".jpg") { name.to_owned() } else { format!("{name}.jpg") };
        let own = captions.get(&id).ok_or_else(|| list.wrong(&*place, format!("{id} has no captions")))?;
        let image = Media::file(list.inside(&images, &place, &id)?);
        Ok(Example { id, input: Input::Image(image), target: Target::Texts(own.clone()) })
    });
    Ok(Examples::new(Vec::new(), rows))
}
