//! The sets that stand in for others: on fixtures, and whole where they are there.

use std::path::Path;

use loam_bench::loader::{Direction, Format, Input, Source, Split, Target, View};

use super::{image, labels_of, pixels, read, sound, text, texts};

fn main_view(name: &str) -> (Vec<String>, Vec<loam_bench::loader::Example>) {
    read(&format!("stand-in/{name}"), Format::StandIn(View::Main), Split::Test)
}

#[test]
fn rows_of_texts_are_told_by_their_fields() {
    let (labels, rows) = main_view("labels");
    assert_eq!((labels, labels_of(&rows)), (vec!["bad".into(), "good".into()], vec![1, 0]));
    let (labels, rows) = main_view("names");
    assert_eq!((labels, labels_of(&rows)), (vec!["alarm".into(), "music".into()], vec![1, 0]));
    assert_eq!(main_view("tags").1[0].target, Target::Tags(vec!["O".into(), "B-genre".into()]));
    assert_eq!(main_view("score").1[0].target, Target::Number(4.75));
    assert_eq!(main_view("squad").1[0].target, texts(&["noon"]));
    assert_eq!(main_view("choices").1[0].target, texts(&["4"]));
    assert_eq!(main_view("summary").1[0].target, texts(&["s", "t", "u"]));
    assert_eq!((&main_view("turns").1[0].input, &main_view("turns").1[0].target), (&text("Hi"), &texts(&["Hello"])));
    let Target::Frame(frame) = main_view("frames").1.remove(0).target else { panic!("a frame") };
    assert_eq!((frame.action.as_str(), frame.entities[0].filler.as_str()), ("set", "ten am"));
}

#[test]
fn views_ask_other_questions() {
    let view = View::Translation(Direction { from: "de", into: "en" });
    let (_, rows) = read("stand-in/pairs", Format::StandIn(view), Split::Test);
    assert_eq!((&rows[0].input, &rows[0].target), (&text("Ein Hund."), &texts(&["A dog."])));
    let (labels, rows) = read("stand-in/tags", Format::StandIn(View::Intent), Split::Test);
    assert_eq!((labels, &rows[0].input), (vec!["PlayMusic".to_owned()], &text("play jazz")));
    let (labels, rows) = read("stand-in/frames", Format::StandIn(View::Topic), Split::Test);
    assert_eq!((labels, labels_of(&rows)), (vec!["alarm".to_owned()], vec![0]));
}

#[test]
fn falls_are_told_from_all_else_by_the_numbers_of_the_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stand-in/motion/data.npz");
    std::fs::copy(from, folder.path().join("data.npz")).expect("copied");
    std::fs::write(folder.path().join("meta.json"), r#"{"hz": 20, "classes": ["D01", "F01"]}"#).expect("written");
    let opened = Format::StandIn(View::Falls).open(folder.path(), Split::Test).expect("opened");
    assert_eq!(opened.labels(), ["no fall", "fall"]);
    let rows: Vec<_> = opened.collect::<Result<_, _>>().expect("rows");
    assert_eq!(labels_of(&rows), [1, 0]);
}

#[test]
fn packed_sounds_and_pictures_are_read_in_place() {
    let (labels, rows) = main_view("sounds");
    assert_eq!((labels, labels_of(&rows)), (vec!["dog".into(), "rain".into()], vec![1]));
    assert!(matches!(sound(&rows[0]).source, Source::Packed { .. }));
    assert_eq!(sound(&rows[0]).bytes().expect("read"), b"second one");
    let (_, rows) = main_view("images");
    assert_eq!(image(&rows[0]).bytes().expect("read"), b"a picture");
    assert_eq!((&rows[0].target, &rows[1].target), (&texts(&["circle"]), &texts(&["A circle .", "Round ."])));
}

#[test]
fn arrays_are_motion_or_pictures() {
    let (_, rows) = main_view("motion");
    assert_eq!(labels_of(&rows), [1, 0]);
    let windows: Vec<_> = rows
        .iter()
        .map(|row| match &row.input {
            Input::Motion(motion) => motion.clone(),
            other => panic!("{other:?} is no motion"),
        })
        .collect();
    assert_eq!((windows[0].rate, windows[0].channels, windows[0].subject.as_str()), (20.0, 6, "SE02"));
    assert_eq!((windows[0].samples.len(), windows[1].samples.len()), (24, 12));
    assert_eq!(windows[1].samples[1], 6.25);
    let (labels, rows) = main_view("grey");
    assert_eq!((labels.len(), labels_of(&rows)), (2, vec![0, 1]));
    assert_eq!(pixels(&image(&rows[1]).source), (2, 3, 1, vec![6, 7, 8, 9, 10, 11]));
}

/// Every row of every set, where the sets are there; they lie beside the repository.
#[test]
fn the_sets_themselves_are_read_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let mut sets = 0;
    for entry in loam_bench::registry::stand_ins() {
        let path = root.join(entry.path);
        if !path.is_dir() {
            continue;
        }
        let examples = Format::StandIn(entry.view).open(&path, entry.split);
        let examples = examples.unwrap_or_else(|error| panic!("{}: {error}", entry.path));
        let rows = examples.collect::<Result<Vec<_>, _>>();
        let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", entry.path)).len();
        assert!(rows >= 10, "{} has {rows} rows", entry.path);
        sets += 1;
    }
    println!("{sets} stand-in sets read");
}
