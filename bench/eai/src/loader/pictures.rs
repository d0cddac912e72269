//! Pictures with classes: CIFAR-100, ImageNet, GTSRB, Adience, folders of classes, WikiArt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, PICTURES};
use super::mat;
use super::source::{Media, Source};
use super::table::{Header, Quotes};
use super::text_classes::names;
use crate::error::{Error, Result};

/// A record of CIFAR-100: two classes and the planes of red, green and blue.
const CIFAR_SIDE: usize = 32;
const CIFAR_PIXELS: usize = CIFAR_SIDE * CIFAR_SIDE;
const CIFAR_RECORD: usize = 2 + 3 * CIFAR_PIXELS;
const CIFAR_MOST: u64 = 1 << 28;
/// Classes of ImageNet's challenge; its file lists further ones that are above them.
const IMAGENET_CLASSES: usize = 1000;
/// Kinds of traffic signs.
const SIGNS: usize = 43;
const FOLDS: usize = 5;

/// `test.bin` and `fine_label_names.txt` of the binary version.
pub(super) fn cifar100(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "CIFAR-100 binary";
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["cifar-100-binary"]).unwrap_or(folder);
    let labels = names(&folder, &["fine_label_names.txt"])?;
    let name = match split {
        Split::Train => "train.bin",
        Split::Test => "test.bin",
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let file = folder.first(&[name])?;
    let bytes = file.bytes(CIFAR_MOST)?;
    if bytes.is_empty() || bytes.len() % CIFAR_RECORD != 0 {
        return Err(file.wrong("size", format!("{} bytes, no multiple of {CIFAR_RECORD}", bytes.len())));
    }
    let count = labels.len();
    let rows = (0..bytes.len() / CIFAR_RECORD).map(move |row| {
        let record = &bytes[row * CIFAR_RECORD..(row + 1) * CIFAR_RECORD];
        let place = format!("record {}", row + 1);
        let class = usize::from(record[1]);
        if class >= count {
            return Err(file.wrong(place, format!("class {class} of {count}")));
        }
        let planes = &record[2..];
        let samples: Arc<[u8]> = (0..CIFAR_PIXELS)
            .flat_map(|i| [planes[i], planes[CIFAR_PIXELS + i], planes[2 * CIFAR_PIXELS + i]])
            .collect();
        let source = Source::Pixels { width: CIFAR_SIDE, height: CIFAR_SIDE, channels: 3, samples };
        Ok(Example { id: place, input: Input::Image(Media::new(source)), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

/// `ILSVRC2012_devkit_t12` and the pictures `ILSVRC2012_val_00000001.JPEG` and on, in the folder or in `val`. Labels are the
/// words of the devkit's `meta.mat`, in the order of its numbers.
pub(super) fn imagenet(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "ImageNet validation";
    if split != Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "valid" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let kit = folder.first_folder(&["ILSVRC2012_devkit_t12/data", "data"])?;
    let meta = kit.first(&["meta.mat"])?;
    let synsets = mat::read(&meta)?;
    let synsets = synsets.get("synsets").ok_or_else(|| meta.wrong("variables", "no synsets"))?;
    let labels = classes(&meta, synsets)?;
    let truth = kit.first(&["ILSVRC2012_validation_ground_truth.txt"])?;
    let images = folder.first_folder(&["val", "ILSVRC2012_img_val"]).unwrap_or(folder);
    let rows = truth.lines()?.enumerate().map(move |(row, line)| {
        let (place, line) = line?;
        let number: usize = truth.number(&place, "class", &line)?;
        let class = number.checked_sub(1).filter(|class| *class < IMAGENET_CLASSES);
        let class = class.ok_or_else(|| truth.wrong(&*place, format!("class {number}, expected 1 to 1000")))?;
        let id = format!("ILSVRC2012_val_{:08}", row + 1);
        let image = Media::file(images.path().join(format!("{id}.JPEG")));
        Ok(Example { id, input: Input::Image(image), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

fn classes(file: &super::folder::Text, synsets: &mat::Value) -> Result<Vec<String>> {
    let records = synsets.records().ok_or_else(|| file.wrong("synsets", "it is no array of records"))?;
    let mut labels = Vec::new();
    for (number, record) in records.iter().enumerate() {
        let place = format!("synset {}", number + 1);
        let id = record.get("ILSVRC2012_ID").and_then(mat::Value::number);
        let words = record.get("words").and_then(mat::Value::text);
        let (Some(id), Some(words)) = (id, words) else {
            return Err(file.wrong(place, "ILSVRC2012_ID and words are missing"));
        };
        if id > IMAGENET_CLASSES as f64 {
            continue;
        }
        if id != (labels.len() + 1) as f64 {
            return Err(file.wrong(place, format!("ILSVRC2012_ID is {id}, expected {}", labels.len() + 1)));
        }
        labels.push(words.to_owned());
    }
    if labels.len() != IMAGENET_CLASSES {
        return Err(file.wrong("synsets", format!("{} classes, expected {IMAGENET_CLASSES}", labels.len())));
    }
    Ok(labels)
}

/// `GT-final_test.csv` with the pictures beside it, or in `Final_Test/Images`. Labels are numbers.
pub(super) fn gtsrb(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "GTSRB";
    if split != Split::Test {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["GTSRB/Final_Test/Images", "Final_Test/Images"]).unwrap_or(folder);
    let file = folder.first(&["GT-final_test.csv"])?;
    let columns = ["Filename", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"];
    let rows = file.table(b';', Header::Names, Quotes::Csv)?.with(&columns)?.rows().map(move |row| {
        let row = row?;
        let name = row.at("Filename")?;
        let [x1, y1, x2, y2] = ["Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2"].map(|column| row.real(column));
        let (x1, y1, x2, y2) = (x1?, y1?, x2?, y2?);
        if x2 <= x1 || y2 <= y1 {
            return Err(file.wrong(&*row.place, format!("the sign is from {x1}, {y1} to {x2}, {y2}")));
        }
        let image = Media::file(file.inside(&folder, &row.place, name)?).cropped([x1, y1, x2 - x1, y2 - y1]);
        let class = file.class(&row.place, SIGNS, row.at("ClassId")?)?;
        Ok(Example { id: name.to_owned(), input: Input::Image(image), target: Target::Label(class) })
    });
    Ok(Examples::new((0..SIGNS).map(|sign| sign.to_string()).collect(), rows))
}

/// `fold_0_data.txt` to `fold_4_data.txt` and the pictures in `aligned` or `faces`; genders of the last fold are the test,
/// those of the others are for training. Faces without a known gender are left out.
pub(super) fn adience(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "Adience";
    let folds = match split {
        Split::Train => 0..FOLDS - 1,
        Split::Test => FOLDS - 1..FOLDS,
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let faces = folder.first_folder(&["aligned", "faces"])?;
    let kind = if faces.path().ends_with("aligned") { "landmark_aligned_face" } else { "coarse_tilt_aligned_face" };
    let mut tables = Vec::new();
    for fold in folds {
        let file = folder.first(&[&format!("fold_{fold}_data.txt")])?;
        let table = file.table(b'\t', Header::Names, Quotes::Plain)?;
        tables.push((file, table.with(&["user_id", "original_image", "face_id", "gender"])?));
    }
    let rows = tables.into_iter().flat_map(move |(file, table)| {
        let faces = faces.clone();
        table.rows().filter_map(move |row| face(&file, &faces, kind, row).transpose())
    });
    Ok(Examples::new(vec!["female".to_owned(), "male".to_owned()], rows))
}

fn face(
    file: &super::folder::Text,
    faces: &Folder,
    kind: &str,
    row: Result<super::table::Row>,
) -> Result<Option<Example>> {
    let row = row?;
    let class = match row.at("gender")? {
        "f" => 0,
        "m" => 1,
        "u" | "" => return Ok(None),
        other => return Err(file.wrong(&*row.place, format!("gender {other:?}, expected f, m or u"))),
    };
    let id = format!("{}/{kind}.{}.{}", row.at("user_id")?, row.at("face_id")?, row.at("original_image")?);
    let image = Media::file(file.inside(faces, &row.place, &id)?);
    Ok(Some(Example { id, input: Input::Image(image), target: Target::Label(class) }))
}

/// A folder of pictures for each class, in `test` and such: Country211, Rendered SST2.
pub(super) fn class_folders(path: &Path, split: Split, format: &'static str) -> Result<Examples> {
    let names: &[&str] = match split {
        Split::Train => &["train"],
        Split::Valid => &["valid", "val"],
        Split::Test => &["test"],
    };
    let folder = Folder::new(path, format)?.first_folder(names)?;
    let labels = folder.folders()?;
    let classes = labels.clone();
    let rows = classes.into_iter().enumerate().flat_map(move |(class, name)| {
        let within = folder.within(&name);
        let rows: Vec<Result<Example>> = match within.files(PICTURES) {
            Err(error) => vec![Err(error)],
            Ok(files) if files.is_empty() => vec![Err(within.wrong("entries", "no pictures".to_owned()))],
            Ok(files) => {
                let example = |file: String| Example {
                    input: Input::Image(Media::file(within.path().join(&file))),
                    target: Target::Label(class),
                    id: format!("{name}/{file}"),
                };
                files.into_iter().map(|file| Ok(example(file))).collect()
            }
        };
        rows
    });
    Ok(Examples::new(labels, rows))
}

/// `style_class.txt` and `style_val.csv` with paths and classes, of the refined version, and pictures of COCO in `content`, if
/// any: each painting is then what the next of them takes its style from.
pub(super) fn wikiart(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "WikiArt";
    let name = match split {
        Split::Train => "style_train.csv",
        Split::Valid => "style_val.csv",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let list = folder.first_folder(&["Style", "wikiart_csv"]).unwrap_or(folder.clone());
    let class_names = list.first(&["style_class.txt"])?;
    let mut labels = Vec::new();
    for line in class_names.lines()? {
        let (place, line) = line?;
        let Some((number, name)) = line.trim().split_once(' ') else { continue };
        if class_names.number::<usize>(&place, "number", number)? != labels.len() {
            return Err(class_names.wrong(place, format!("number {number}, expected {}", labels.len())));
        }
        labels.push(name.to_owned());
    }
    let contents: Vec<PathBuf> = match folder.first_folder(&["content"]) {
        Ok(content) => content.files(PICTURES)?.into_iter().map(|file| content.path().join(file)).collect(),
        Err(_) => Vec::new(),
    };
    let file = list.first(&[name])?;
    let images = folder.first_folder(&["wikiart"]).unwrap_or(folder);
    let count = labels.len();
    let rows = file.table(b',', Header::None, Quotes::Csv)?.rows().enumerate().map(move |(number, row)| {
        let row = row?;
        let class = file.class(&row.place, count, row.column(1)?)?;
        let id = row.column(0)?.to_owned();
        let painting = Media::file(file.inside(&images, &row.place, &id)?);
        let input = match contents.get(number % contents.len().max(1)) {
            Some(content) => Input::Images(Media::file(content.clone()), painting),
            None => Input::Image(painting),
        };
        Ok(Example { id, input, target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}
