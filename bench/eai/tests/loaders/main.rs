//! Loaders on fixtures in the official formats, which `reference/make_fixtures.py` wrote, and on damaged ones.

mod damaged;
mod hostile;
mod pictures;
mod sounds;
mod stand_ins;
mod texts;

use std::path::{Path, PathBuf};

use loam_bench::loader::{Example, Examples, Format, Input, Media, Source, Split, Target};

/// A folder of fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(name: &str, format: Format, split: Split) -> Examples {
    format.open(&fixture(name), split).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Labels and all rows.
fn read(name: &str, format: Format, split: Split) -> (Vec<String>, Vec<Example>) {
    let examples = open(name, format, split);
    let labels = examples.labels().to_vec();
    let rows = examples.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| panic!("{name}: {error}"));
    (labels, rows)
}

fn texts(all: &[&str]) -> Target {
    Target::Texts(all.iter().map(|text| (*text).to_owned()).collect())
}

fn text(text: &str) -> Input {
    Input::Text(text.to_owned())
}

/// Where a medium's file is, within the fixture.
fn within(media: &Media, name: &str) -> String {
    let path = media.path().expect("it has a file of its own");
    path.strip_prefix(fixture(name)).expect("it lies in the fixture").to_str().expect("UTF-8").replace('\\', "/")
}

fn image(example: &Example) -> &Media {
    match &example.input {
        Input::Image(media) | Input::ImageQuestion { image: media, .. } => media,
        other => panic!("{other:?} is no picture"),
    }
}

fn sound(example: &Example) -> &Media {
    match &example.input {
        Input::Sound(media) | Input::Video(media) => media,
        other => panic!("{other:?} is no sound"),
    }
}

fn labels_of(rows: &[Example]) -> Vec<usize> {
    let label = |row: &Example| match &row.target {
        Target::Label(label) => *label,
        other => panic!("{other:?} is no label"),
    };
    rows.iter().map(label).collect()
}

fn pixels(source: &Source) -> (usize, usize, usize, Vec<u8>) {
    match source {
        Source::Pixels { width, height, channels, samples } => (*width, *height, *channels, samples.to_vec()),
        other => panic!("{other:?} has no pixels"),
    }
}
