//! What would lead out of the folder or fill memory is refused.

use std::fs;

use loam_bench::Error;
use loam_bench::loader::{Format, Split};
use proptest::prelude::*;

use super::fixture;

/// A list with a name that leads elsewhere.
fn list(name: &str) -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("bed")).expect("made");
    fs::write(folder.path().join("testing_list.txt"), format!("{name}\n")).expect("written");
    fs::write(folder.path().join("validation_list.txt"), "").expect("written");
    Format::SpeechCommands.open(folder.path(), Split::Test)?.try_for_each(|row| row.map(drop))
}

#[test]
fn names_stay_within_the_folder() {
    list("bed/a.wav").expect("it is within");
    for name in ["bed/../../etc/passwd", "bed/..", "bed/../x.wav"] {
        let error = list(name).expect_err(name);
        assert!(matches!(&error, Error::Outside { name: found, .. } if found == name), "{error}");
        assert!(error.to_string().contains("testing_list.txt, line 1"), "{error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "label,youtube_id,time_start,time_end,split\nx,../../y,0,10,val\n";
    fs::write(folder.path().join("val.csv"), rows).expect("written");
    let mut rows = Format::Kinetics.open(folder.path(), Split::Valid).expect("opened");
    assert!(matches!(rows.next(), Some(Err(Error::Outside { .. }))));
    assert!(rows.next().is_none(), "no row follows one that is wrong");
}

#[test]
fn splits_that_are_not_public_are_named() {
    let error = Format::CocoInstances.open(&fixture("coco"), Split::Test).expect_err("secret");
    assert_eq!(error.to_string(), "COCO instances has no split test; it has train and valid");
}

#[test]
fn announced_sizes_are_not_believed() {
    // A matrix of 2^31 records, in a hundred bytes.
    let mut file = b"MATLAB 5.0 MAT-file".to_vec();
    file.resize(124, b' ');
    file.extend(b"\x00\x01IM");
    let mut matrix = Vec::new();
    let mut element = |kind: u32, data: &[u8]| {
        matrix.extend(kind.to_le_bytes());
        matrix.extend((data.len() as u32).to_le_bytes());
        matrix.extend(data);
        matrix.resize(matrix.len().next_multiple_of(8), 0);
    };
    element(6, &[2, 0, 0, 0, 0, 0, 0, 0]);
    element(5, &[255, 255, 255, 127, 1, 0, 0, 0]);
    element(1, b"annPoints");
    file.extend(14u32.to_le_bytes());
    file.extend((matrix.len() as u32).to_le_bytes());
    file.extend(&matrix);
    let error = crowd(&file).expect_err("too many");
    assert!(error.to_string().contains("extents [2147483647, 1]"), "{error}");
}

/// Reads a file of heads.
fn crowd(mat: &[u8]) -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let test = folder.path().join("Test");
    fs::create_dir(&test).expect("made");
    fs::write(test.join("img_0001.jpg"), "").expect("written");
    fs::write(test.join("img_0001_ann.mat"), mat).expect("written");
    Format::UcfQnrf.open(folder.path(), Split::Test)?.try_for_each(|row| row.map(drop))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any change of any byte is read or refused, and never panics.
    #[test]
    fn changed_variables_do_not_panic(place in 0usize..400, value: u8, compressed: bool) {
        let name = if compressed { "ucf/Test/img_0001_ann.mat" } else { "ucf/Test/img_0002_ann.mat" };
        let mut bytes = fs::read(fixture(name)).expect("read");
        let place = place % bytes.len();
        bytes[place] = value;
        let _ = crowd(&bytes);
    }

    #[test]
    fn changed_archives_do_not_panic(place in 0usize..100_000, value: u8, which in 0usize..3) {
        let (set, file) = [("motion", "data.npz"), ("images", "images.tar.zst"), ("sounds", "audio.tar")][which];
        let folder = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(fixture(&format!("stand-in/{set}"))).expect("a folder") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
        }
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).expect("read");
        let place = place % bytes.len();
        bytes[place] = value;
        fs::write(&path, bytes).expect("written");
        let format = Format::StandIn(loam_bench::loader::View::Main);
        if let Ok(mut rows) = format.open(folder.path(), Split::Test) {
            let _ = rows.try_for_each(|row| row.map(drop));
        }
    }
}
