//! Data folders of every form, and what is refused of them, by file, row and value.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Parts of "0" to "9".
const PARTS: [&str; 10] = ["test", "train", "train", "train", "train", "train", "train", "test", "train", "test"];

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    dir
}

fn open(files: &[(&str, &str)]) -> Result<DataSplit> {
    DataSplit::open(folder(files).path(), "test")
}

fn refused(files: &[(&str, &str)]) -> String {
    open(files).expect_err("it is wrong").to_string()
}

#[test]
fn listings_of_both_kinds_hold_the_same_rows() {
    let lines =
        "{\"text\": \"a, b\", \"text2\": \"c\", \"label\": \"x\", \"id\": 7}\n\n{\"text\": \"d\", \"label\": \"y\"}\n";
    let json = open(&[("test.jsonl", lines)]).expect("read");
    let csv = open(&[("test.csv", "\u{feff}id,text,text2,label\r\n7,\"a, b\",c,x\r\n8,d,,y\r\n")]).expect("read");
    let rows = |data: &DataSplit| -> Vec<(Option<String>, Target)> {
        data.examples.iter().map(|example| (example.text.clone(), example.target.clone())).collect()
    };
    assert_eq!(rows(&json), rows(&csv));
    assert_eq!(json.examples[0].text.as_deref(), Some("a, b\nc"));
    assert_eq!((json.examples[1].place.as_str(), csv.examples[1].place.as_str()), ("row 3", "row 2"));
    assert_eq!((json.task, &json.labels[..]), (DataTask::Classify, &["x".to_owned(), "y".to_owned()][..]));
}

#[test]
fn tasks_follow_from_rows() {
    let task = |rows: &str, files: &[(&str, &str)]| {
        open(&[&[("test/metadata.jsonl", rows)][..], files].concat()).expect("read").task
    };
    assert_eq!(task(r#"{"text": "a", "output": "b"}"#, &[]), DataTask::Generate);
    assert_eq!(task(r#"{"file_name": "a.wav", "outputs": ["b", "c"]}"#, &[("test/a.wav", "")]), DataTask::Transcribe);
    assert_eq!(
        task(r#"{"file_name": "./s/a.PNG", "text": "?", "output": "b"}"#, &[("test/s/a.PNG", "")]),
        DataTask::Answer
    );
    assert_eq!(task(r#"{"file_name": "a.csv", "label": "walking"}"#, &[("test/a.csv", "")]), DataTask::Classify);
    let described = [("data.json", r#"{"task": "transcribe"}"#), ("test.jsonl", r#"{"text": "a", "label": "b"}"#)];
    assert!(refused(&described).contains("task in data.json is Transcribe, the rows have a label"));
}

#[test]
fn a_directory_is_a_class() {
    let files = [("test/cat/2.png", ""), ("test/cat/1.png", ""), ("test/dog/1.jpg", ""), ("test/.cache/x", "")];
    let data = open(&files).expect("read");
    let places: Vec<&str> = data.examples.iter().map(|example| example.place.as_str()).collect();
    assert_eq!(places, ["cat/1.png", "cat/2.png", "dog/1.jpg"]);
    assert_eq!((data.examples[2].label(), data.examples[2].kind()), (Some("dog"), Kind::Image));
    let named = [("data.json", r#"{"labels": ["cat"]}"#), ("test/cat/1.png", ""), ("test/dog/1.jpg", "")];
    assert!(refused(&named).contains("dog/1.jpg: label is \"dog\""));
    assert!(refused(&[("test/readme.txt", "")]).contains("expected a directory for each class"));
    assert!(refused(&[("test/cat/1.gif", "")]).contains("\"cat/1.gif\", expected one of .png, .jpg, .jpeg, .wav"));
}

#[test]
fn rows_that_make_no_sense_are_refused_by_value() {
    let row = |text: &str| refused(&[("test.jsonl", &format!("{{\"text\": \"a\", \"label\": \"b\"}}\n{text}\n"))]);
    for (text, wanted) in [
        (r#"{"text": "a", "label": "b", "colour": "red"}"#, "row 2: column \"colour\" is unknown"),
        (r#"{"text": "a"}"#, "expected one of 'label', 'output' and 'outputs'"),
        (r#"{"text": "a", "label": "b", "output": "c"}"#, "expected one of"),
        (r#"{"text2": "a", "label": "b"}"#, "'text2' without 'text'"),
        (r#"{"label": "b"}"#, "neither 'text' nor 'file_name'"),
        (r#"{"text": " ", "label": "b"}"#, "text is empty"),
        (r#"{"text": "a", "label": 3}"#, "label is \"3\", expected a text"),
        (r#"{"text": "a", "outputs": []}"#, "expected a list of 1 to 64"),
        (r#"{"text": "a", "outputs": ["b", 4]}"#, "outputs is \"4\""),
        (r#"{"text": "a", "output": "b"}"#, "some rows have a label, others an output"),
        (r#"["a"]"#, "expected a JSON object"),
        ("{", "row 2 is no JSON object"),
    ] {
        let reason = row(text);
        assert!(reason.contains(wanted) && reason.contains("test.jsonl"), "{reason} instead of {wanted}");
    }
    let long = format!("{{\"text\": \"{}\", \"label\": \"b\"}}", "x".repeat(1 << 20));
    assert!(row(&long).contains("row 2 has more than 1048576 bytes"));
    let deep = "[".repeat(200_000);
    assert!(row(&deep).contains("row 2 is no JSON object"));
    let long = format!("text,label\nfirst,b\n\"{}", "x\n".repeat(2 << 20));
    assert!(refused(&[("test.csv", &long)]).contains("a row has more than"));
    for (text, wanted) in [
        ("text,label\na\n", "row 1 has 1 cells, the header 2"),
        ("text,text\na,b\n", "the header names \"text\" twice"),
        ("text,outputs\na,b\n", "column 'outputs' is a list"),
        ("text,label\na,\n", "label is empty"),
        ("text,label\n", "it has no rows"),
    ] {
        assert!(refused(&[("test.csv", text)]).contains(wanted), "{wanted}");
    }
    let bytes = folder(&[]);
    fs::write(bytes.path().join("test.jsonl"), b"{\"text\": \"\xff\", \"label\": \"b\"}").expect("written");
    assert!(DataSplit::open(bytes.path(), "test").expect_err("no text").to_string().contains("row 1 is not UTF-8"));
}

#[test]
fn files_outside_the_folder_are_refused() {
    for name in [
        "/etc/passwd",
        "../secret.png",
        "a/../../secret.png",
        "..\\\\secret.png",
        "a\\u0000.png",
        "none.png",
        "sub.png",
    ] {
        let rows = format!("{{\"file_name\": \"{name}\", \"label\": \"b\"}}");
        let reason = refused(&[("secret.png", ""), ("test/sub.png/x", ""), ("test/metadata.jsonl", &rows)]);
        assert!(reason.contains("row 1: file_name is"), "{reason}");
    }
    #[cfg(unix)]
    {
        let dir = folder(&[("secret.png", ""), ("test/metadata.jsonl", r#"{"file_name": "link.png", "label": "b"}"#)]);
        std::os::unix::fs::symlink("../secret.png", dir.path().join("test/link.png")).expect("link");
        let reason = DataSplit::open(dir.path(), "test").expect_err("outside").to_string();
        assert!(reason.contains("a link that leaves the folder"), "{reason}");
        // A folder that is a link itself, as caches have them, is the reader's own choice.
        let inside =
            folder(&[("real/test/metadata.jsonl", r#"{"file_name": "a.png", "label": "b"}"#), ("real/test/a.png", "")]);
        std::os::unix::fs::symlink("real", inside.path().join("link")).expect("link");
        assert_eq!(DataSplit::open(&inside.path().join("link"), "test").expect("read").examples.len(), 1);
    }
}

#[test]
fn a_split_is_there_once() {
    let row = r#"{"text": "a", "label": "b"}"#;
    assert!(refused(&[("test.jsonl", row), ("test.csv", "text,label\na,b\n")]).contains("test.jsonl and as test.csv"));
    assert!(refused(&[("train.jsonl", row)]).contains("; it has train"));
    let dir = folder(&[("rows.txt", row)]);
    assert!(
        DataSplit::open(&dir.path().join("rows.txt"), "test").expect_err("no listing").to_string().contains(".csv")
    );
    assert!(
        DataSplit::open(&dir.path().join("no.csv"), "test").expect_err("nothing").to_string().contains("not there")
    );
}

/// By the SHA-256 of each text, as `loam_train` does it: "0" to "9" of hashlib.
#[test]
fn a_single_file_is_divided_by_its_rows_alone() {
    let parts: Vec<&str> = (0..10).map(|i| part(&i.to_string())).collect();
    assert_eq!(parts, PARTS);
    let rows: String = (0..10).map(|i| format!("{i},b\n")).collect();
    let dir = folder(&[("rows.csv", &format!("text,label\n{rows}"))]);
    let count =
        |split: &str| DataSplit::open(&dir.path().join("rows.csv"), split).map_or(0, |data| data.examples.len());
    let wanted = SPLITS.map(|split| PARTS.iter().filter(|part| **part == split).count());
    assert_eq!(SPLITS.map(count), wanted);
}

#[test]
fn fewer_rows_are_spread_over_all() {
    let rows: String = (0..100).map(|i| format!("{{\"text\": \"{i}\", \"label\": \"b\"}}\n")).collect();
    let mut data = open(&[("test.jsonl", &rows)]).expect("read");
    data.thin(1000);
    assert_eq!(data.examples.len(), 100);
    data.thin(4);
    let texts: Vec<&str> = data.examples.iter().filter_map(|example| example.text.as_deref()).collect();
    assert_eq!(texts, ["0", "25", "50", "75"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_listing_ends_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for name in ["test.jsonl", "test.csv"] {
            let dir = folder(&[]);
            fs::write(dir.path().join(name), &bytes).expect("written");
            let _ = DataSplit::open(dir.path(), "test");
            let _ = DataSplit::open(&dir.path().join(name), "train");
            fs::write(dir.path().join("data.json"), &bytes).expect("written");
            let _ = DataSplit::open(dir.path(), "test");
        }
    }

    #[test]
    fn any_row_ends_in_a_result(name in "[a-z_0-9]{1,10}|text|label|file_name", value in "\\PC{0,20}") {
        let row = serde_json::json!({ "text": "a", "label": "b", name: value }).to_string();
        let _ = open(&[("test.jsonl", &row)]);
    }
}
