//! Pictures with a picture of what each pixel is, or with places in them: ADE20K, VOC, RefMatte, UCF-QNRF, Set5.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, PICTURES};
use super::mat;
use super::source::{Mask, MaskMeaning, Media};
use super::text_classes::names;
use crate::error::{Error, Result};

/// Classes of ADE20K's challenge; 0 in its masks is everything else.
const ADE_CLASSES: usize = 150;
const VOC_CLASSES: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];
/// Outlines, in the masks of VOC.
const VOC_VOID: u16 = 255;

/// `images/validation` beside `annotations/validation`. Values of masks are classes from 1 on, and 0, which does not count;
/// labels begin with a name for it, so that both have the same numbers.
pub(super) fn ade20k(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "ADE20K";
    let name = match split {
        Split::Train => "training",
        Split::Valid => "validation",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["ADEChallengeData2016"]).unwrap_or(folder);
    let images = folder.first_folder(&[&format!("images/{name}")])?;
    let masks = folder.first_folder(&[&format!("annotations/{name}")])?;
    let mut labels = vec!["other".to_owned()];
    labels.extend(match folder.first(&["objectInfo150.txt"]) {
        Ok(_) => objects(&folder)?,
        Err(_) => (1..=ADE_CLASSES).map(|class| class.to_string()).collect(),
    });
    let files = images.files(&["jpg"])?;
    if files.is_empty() {
        return Err(images.wrong("entries", "no pictures".to_owned()));
    }
    let rows = files.into_iter().map(move |file| {
        let id = file.trim_end_matches(".jpg").to_owned();
        let mask = masks.first(&[&format!("{id}.png")])?.path;
        let image = Media::file(images.path().join(&file));
        let mask = Mask { media: Media::file(mask), meaning: MaskMeaning::Classes { ignored: 0 } };
        Ok(Example { id, input: Input::Image(image), target: Target::Mask(mask) })
    });
    Ok(Examples::new(labels, rows))
}

/// A table with a line of names; the last column has the class.
fn objects(folder: &Folder) -> Result<Vec<String>> {
    let lines = names(folder, &["objectInfo150.txt"])?;
    let found: Vec<String> =
        lines[1..].iter().filter_map(|line| line.split('\t').next_back()).map(str::to_owned).collect();
    if found.len() != ADE_CLASSES {
        return Err(folder.wrong("objectInfo150.txt", format!("{} classes, expected {ADE_CLASSES}", found.len())));
    }
    Ok(found)
}

/// `ImageSets/Segmentation/val.txt`, `JPEGImages` and `SegmentationClass` of `VOCdevkit/VOC2012`.
pub(super) fn voc2012(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "VOC 2012";
    let name = match split {
        Split::Train => "train.txt",
        Split::Valid => "val.txt",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["VOCdevkit/VOC2012", "VOC2012"]).unwrap_or(folder);
    let list = folder.first(&[&format!("ImageSets/Segmentation/{name}")])?;
    let (images, masks) = (folder.within("JPEGImages"), folder.within("SegmentationClass"));
    let rows = list.lines()?.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty())).map(move |line| {
        let (place, id) = line?;
        let id = id.trim().to_owned();
        let image = list.inside(&images, &place, &format!("{id}.jpg"))?;
        let mask = list.inside(&masks, &place, &format!("{id}.png"))?;
        let mask = Mask { media: Media::file(mask), meaning: MaskMeaning::Classes { ignored: VOC_VOID } };
        Ok(Example { id, input: Input::Image(Media::file(image)), target: Target::Mask(mask) })
    });
    Ok(Examples::new(VOC_CLASSES.map(str::to_owned).to_vec(), rows))
}

/// RefMatte-RW100: `refmatte_rw100_label.json`, pictures in `image_all`, one for each object, or in `image`, mattes in `mask`.
/// `eval_index_expression.json`, where it is there, says which of an object's phrases counts; else its first does.
pub(super) fn refmatte(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "RefMatte-RW100";
    #[derive(Deserialize)]
    struct Object {
        image_name: String,
        expressions: Vec<String>,
    }
    if split != Split::Test {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let file = folder.first(&["refmatte_rw100_label.json"])?;
    let objects: BTreeMap<String, Object> = file.json()?;
    let chosen: BTreeMap<String, usize> = match folder.first(&["eval_index_expression.json"]) {
        Ok(file) => file.json()?,
        Err(_) => BTreeMap::new(),
    };
    let (per_object, images, masks) = (folder.within("image_all"), folder.within("image"), folder.within("mask"));
    let rows = objects.into_iter().map(move |(id, object)| {
        let own = file.inside(&per_object, &id, &format!("{id}.jpg"))?;
        let image = if own.is_file() { own } else { file.inside(&images, &id, &format!("{}.jpg", object.image_name))? };
        let mask = file.inside(&masks, &id, &format!("{id}.png"))?;
        let index = chosen.get(&object.image_name).copied().unwrap_or(0);
        let phrase = object.expressions.get(index);
        let phrase = phrase
            .ok_or_else(|| file.wrong(&*id, format!("phrase {index} of {} expressions", object.expressions.len())))?;
        Ok(Example {
            input: Input::ImageQuestion { image: Media::file(image), question: phrase.clone() },
            target: Target::Mask(Mask { media: Media::file(mask), meaning: MaskMeaning::Opacity }),
            id,
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `Test/img_0001.jpg` beside `Test/img_0001_ann.mat` with the places of heads.
pub(super) fn ucf_qnrf(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "UCF-QNRF";
    let name = match split {
        Split::Train => "Train",
        Split::Test => "Test",
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&[name, &format!("UCF-QNRF_ECCV18/{name}")])?;
    let files = folder.files(&["jpg"])?;
    if files.is_empty() {
        return Err(folder.wrong("entries", "no pictures".to_owned()));
    }
    let rows = files.into_iter().map(move |file| {
        let id = file.trim_end_matches(".jpg").to_owned();
        let annotation = folder.first(&[&format!("{id}_ann.mat")])?;
        let variables = mat::read(&annotation)?;
        let points = match variables.get("annPoints") {
            Some(mat::Value::Numbers(extents, values)) if extents.len() == 2 && extents[1] == 2 => {
                let (across, down) = values.split_at(extents[0]);
                across.iter().zip(down).map(|(x, y)| [*x, *y]).collect()
            }
            Some(mat::Value::Numbers(_, values)) if values.is_empty() => Vec::new(),
            _ => return Err(annotation.wrong("annPoints", "it is no array of two columns")),
        };
        let image = Media::file(folder.path().join(&file));
        Ok(Example { id, input: Input::Image(image), target: Target::Points(points) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// Pairs of `image_SRF_4`: `img_001_SRF_4_LR.png` is enlarged to `img_001_SRF_4_HR.png`.
pub(super) fn super_resolution(path: &Path, split: Split, factor: u8) -> Result<Examples> {
    const FORMAT: &str = "Set5";
    if split != Split::Test {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let name = format!("image_SRF_{factor}");
    let folder = folder.first_folder(&[&name, &format!("Set5/{name}")]).unwrap_or(folder);
    let ending = format!("_SRF_{factor}_HR");
    let large: Vec<String> =
        folder.files(PICTURES)?.into_iter().filter(|file| file.contains(&format!("{ending}."))).collect();
    if large.is_empty() {
        return Err(folder.wrong("entries", format!("no *{ending}.png")));
    }
    let rows = large.into_iter().map(move |file| {
        let small = folder.first(&[&file.replace(&ending, &format!("_SRF_{factor}_LR"))])?.path;
        let target = Target::Image(Media::file(folder.path().join(&file)));
        Ok(Example { id: file, input: Input::Image(Media::file(small)), target })
    });
    Ok(Examples::new(Vec::new(), rows))
}
