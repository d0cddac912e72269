//! Annotations in the form of COCO: its boxes and captions, LVIS, and the poses of AP-10K.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::example::{Boxes, Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::source::Media;
use crate::error::{Error, Result};
use crate::metric::{Annotated, AnnotatedPose};

/// Keypoints of an animal in AP-10K.
const AP10K_POINTS: usize = 17;

#[derive(Deserialize)]
struct File<A> {
    images: Vec<Image>,
    annotations: Vec<A>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    #[serde(default)]
    file_name: Option<String>,
    #[serde(default)]
    coco_url: Option<String>,
    #[serde(default)]
    neg_category_ids: Vec<u64>,
    #[serde(default)]
    not_exhaustive_category_ids: Vec<u64>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

trait Annotation {
    fn image(&self) -> u64;
}

#[derive(Deserialize)]
struct Object {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: f64,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Caption {
    image_id: u64,
    caption: String,
}

#[derive(Deserialize)]
struct Pose {
    image_id: u64,
    bbox: [f64; 4],
    area: f64,
    #[serde(default)]
    iscrowd: u8,
    /// Across, down, and 0 where it is not annotated, for each point.
    keypoints: Vec<f64>,
}

impl Annotation for Object {
    fn image(&self) -> u64 {
        self.image_id
    }
}

impl Annotation for Caption {
    fn image(&self) -> u64 {
        self.image_id
    }
}

impl Annotation for Pose {
    fn image(&self) -> u64 {
        self.image_id
    }
}

/// `annotations/instances_val2017.json` and the pictures in `val2017`; the answers to the test are secret.
pub(super) fn instances(path: &Path, split: Split) -> Result<Examples> {
    let (folder, file) = annotations(path, split, "COCO instances", "instances", 2017)?;
    boxes(&folder, &file, split, 2017)
}

/// `annotations/captions_val2014.json` and the pictures in `val2014`.
pub(super) fn captions(path: &Path, split: Split) -> Result<Examples> {
    let (folder, file) = annotations(path, split, "COCO captions", "captions", 2014)?;
    let images = part(&folder, split, 2014);
    rows::<Caption>(&file, images, |_, _, captions| {
        if captions.is_empty() {
            return Ok(None);
        }
        Ok(Some(Target::Texts(captions.into_iter().map(|one| one.caption.trim().to_owned()).collect())))
    })
}

/// `lvis_v1_val.json` and the pictures of COCO 2017.
pub(super) fn lvis(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "LVIS";
    let folder = Folder::new(path, FORMAT)?;
    let name = match split {
        Split::Train => "lvis_v1_train.json",
        Split::Valid => "lvis_v1_val.json",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let file = folder.first(&[name, &format!("annotations/{name}")])?;
    boxes(&folder, &file, split, 2017)
}

/// `annotations/ap10k-test-split1.json` and the pictures in `data`.
pub(super) fn ap10k(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "AP-10K")?;
    let name = match split {
        Split::Train => "train",
        Split::Valid => "val",
        Split::Test => "test",
    };
    let file = folder.first(&[&format!("annotations/ap10k-{name}-split1.json")])?;
    let about = file.clone();
    rows::<Pose>(&file, folder.within("data"), move |image, _, poses| {
        let pose = |one: Pose| {
            if one.keypoints.len() != 3 * AP10K_POINTS {
                let reason = format!("{} values of keypoints, expected {}", one.keypoints.len(), 3 * AP10K_POINTS);
                return Err(about.wrong(format!("image {}", image.id), reason));
            }
            Ok(AnnotatedPose {
                image: image.id,
                bounds: one.bbox,
                area: one.area,
                points: one.keypoints.chunks_exact(3).map(|point| [point[0], point[1], point[2]]).collect(),
                crowd: one.iscrowd != 0,
            })
        };
        Ok(Some(Target::Poses(poses.into_iter().map(pose).collect::<Result<_>>()?)))
    })
}

fn annotations(path: &Path, split: Split, format: &'static str, kind: &str, year: u16) -> Result<(Folder, Text)> {
    let folder = Folder::new(path, format)?;
    let name = match split {
        Split::Train => "train",
        Split::Valid => "val",
        Split::Test => return Err(Error::Split { format, split: split.name(), known: "train and valid" }),
    };
    let file = folder.first(&[&format!("annotations/{kind}_{name}{year}.json")])?;
    Ok((folder, file))
}

fn part(folder: &Folder, split: Split, year: u16) -> Folder {
    folder.within(&format!("{}{year}", if split == Split::Train { "train" } else { "val" }))
}

fn boxes(folder: &Folder, file: &Text, split: Split, year: u16) -> Result<Examples> {
    let about = file.clone();
    rows::<Object>(file, part(folder, split, year), move |image, categories, objects| {
        let object = |one: Object| {
            if !categories.contains_key(&one.category_id) {
                let reason = format!("category {} is not listed", one.category_id);
                return Err(about.wrong(format!("image {}", image.id), reason));
            }
            Ok(Annotated {
                image: image.id,
                category: one.category_id,
                bounds: one.bbox,
                area: one.area,
                crowd: one.iscrowd != 0,
            })
        };
        Ok(Some(Target::Boxes(Boxes {
            image: image.id,
            objects: objects.into_iter().map(object).collect::<Result<_>>()?,
            absent: image.neg_category_ids.clone(),
            partial: image.not_exhaustive_category_ids.clone(),
        })))
    })
}

/// An example for each image for which `target` gives one. Labels are the names of categories by their numbers.
fn rows<A>(
    file: &Text,
    images: Folder,
    target: impl Fn(&Image, &BTreeMap<u64, String>, Vec<A>) -> Result<Option<Target>> + Send + 'static,
) -> Result<Examples>
where
    A: Annotation + serde::de::DeserializeOwned + Send + 'static,
{
    let read: File<A> = file.json()?;
    let categories: BTreeMap<u64, String> =
        read.categories.into_iter().map(|category| (category.id, category.name)).collect();
    let mut by_image: BTreeMap<u64, Vec<A>> = read.images.iter().map(|image| (image.id, Vec::new())).collect();
    for one in read.annotations {
        let id = one.image();
        let known = by_image.get_mut(&id);
        known.ok_or_else(|| file.wrong("annotations", format!("image {id} is not listed")))?.push(one);
    }
    let labels = categories.values().cloned().collect();
    let numbers = categories.keys().copied().collect();
    let file = file.clone();
    let rows = read.images.into_iter().filter_map(move |image| {
        let own = by_image.remove(&image.id).unwrap_or_default();
        let target = match target(&image, &categories, own) {
            Ok(target) => target?,
            Err(error) => return Some(Err(error)),
        };
        Some(picture(&file, &images, &image).map(|path| Example {
            id: image.id.to_string(),
            input: Input::Image(Media::file(path)),
            target,
        }))
    });
    Ok(Examples::new(labels, rows).numbered(numbers))
}

/// LVIS names pictures by their addresses alone, which end in the folder and the name.
fn picture(file: &Text, images: &Folder, image: &Image) -> Result<PathBuf> {
    let place = format!("image {}", image.id);
    if let Some(name) = &image.file_name {
        return file.inside(images, &place, name);
    }
    let address = image.coco_url.as_deref().ok_or_else(|| file.wrong(&*place, "neither file_name nor coco_url"))?;
    let mut parts = address.rsplit('/');
    let (name, part) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let parent = images.path().parent().unwrap_or(images.path());
    let base = Folder::new(parent, file.format)?;
    file.inside(&base, &place, &format!("{part}/{name}"))
}
