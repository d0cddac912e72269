//! Pictures that are looked for among others: In-shop Clothes and VeRi-776.

use std::collections::BTreeMap;
use std::path::Path;

use super::example::{Example, Examples, Input, Role, Split, Target};
use super::folder::Folder;
use super::source::Media;
use crate::error::{Error, Result};
use crate::metric::Appearance;

/// `list_eval_partition.txt`, in the folder or in `Eval` or `Anno`: a count, names of columns, and a picture, an item and a
/// part of the evaluation a line. Queries first, then the gallery. There are no cameras: all are 0 of queries, 1 of others.
pub(super) fn in_shop(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "In-shop Clothes Retrieval";
    if split == Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let name = "list_eval_partition.txt";
    let file = folder.first(&[&format!("Eval/{name}"), &format!("Anno/{name}"), name])?;
    let images = folder.first_folder(&["Img"]).unwrap_or(folder);
    let mut items: BTreeMap<String, u32> = BTreeMap::new();
    let (mut queries, mut gallery, mut announced) = (Vec::new(), Vec::new(), None);
    let mut listed = 0usize;
    for line in file.lines()? {
        let (place, line) = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        if announced.is_none() {
            announced = Some(file.number::<usize>(&place, "count", &line)?);
            continue;
        }
        let [picture, item, part] = fields.as_slice() else {
            return Err(file.wrong(place, format!("{} columns, expected 3", fields.len())));
        };
        if *part == "evaluation_status" {
            continue;
        }
        listed += 1;
        let role = match (*part, split) {
            ("query", Split::Test) => Role::Query,
            ("gallery", Split::Test) | ("train", Split::Train) => Role::Gallery,
            ("query" | "gallery" | "train", _) => continue,
            (other, _) => return Err(file.wrong(place, format!("part {other:?}, expected train, query or gallery"))),
        };
        let next = u32::try_from(items.len()).map_err(|_| file.wrong(&*place, "too many items"))?;
        let identity = *items.entry((*item).to_owned()).or_insert(next);
        let image = Media::file(file.inside(&images, &place, picture)?);
        let seen = Appearance { identity, camera: u32::from(role == Role::Gallery) };
        let example =
            Example { id: (*picture).to_owned(), input: Input::Image(image), target: Target::Appearance(seen, role) };
        if role == Role::Query { queries.push(example) } else { gallery.push(example) }
    }
    if announced != Some(listed) {
        return Err(file.wrong("line 1", format!("{} pictures are announced, {listed} listed", announced.unwrap_or(0))));
    }
    Ok(Examples::new(Vec::new(), queries.into_iter().chain(gallery).map(Ok)))
}

/// `name_query.txt` and `name_test.txt` with the pictures in `image_query` and `image_test`; a name such as
/// `0002_c002_00030600_0.jpg` says which car a camera saw.
pub(super) fn veri(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "VeRi-776")?;
    let parts: &[(&str, &str, Role)] = match split {
        Split::Train => &[("name_train.txt", "image_train", Role::Gallery)],
        Split::Test => {
            &[("name_query.txt", "image_query", Role::Query), ("name_test.txt", "image_test", Role::Gallery)]
        }
        Split::Valid => {
            return Err(Error::Split { format: "VeRi-776", split: split.name(), known: "train and test" });
        }
    };
    let mut opened = Vec::new();
    for (list, images, role) in parts {
        let file = folder.first(&[list])?;
        opened.push((file.clone(), file.lines()?, folder.within(images), *role));
    }
    let rows = opened.into_iter().flat_map(|(file, lines, images, role)| {
        let named = lines.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty()));
        named.map(move |line| {
            let (place, name) = line?;
            let name = name.trim();
            let mut fields = name.split('_');
            let car = fields.next().unwrap_or_default();
            let camera = fields.next().and_then(|camera| camera.strip_prefix('c'));
            let camera = camera.ok_or_else(|| file.wrong(&*place, format!("{name:?} names no camera")))?;
            let seen = Appearance {
                identity: file.number(&place, "car", car)?,
                camera: file.number(&place, "camera", camera)?,
            };
            let image = Media::file(file.inside(&images, &place, name)?);
            Ok(Example { id: name.to_owned(), input: Input::Image(image), target: Target::Appearance(seen, role) })
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}
