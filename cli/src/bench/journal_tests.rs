use std::path::PathBuf;

use super::*;
use crate::bench::machine::Machine;
use crate::bench::plan::Way;
use crate::bench::settings::FoundationIdentity;
use crate::digest::Hasher;

/// Makes settings other ones.
type Change = fn(&mut Settings);

fn settings() -> Settings {
    Settings {
        schema: 1,
        id: "T8".into(),
        task: "text classification".into(),
        dataset: "AG News".into(),
        set: "official".into(),
        split: "test".into(),
        metric: "accuracy".into(),
        way: Way::ZeroShot,
        adapter: None,
        foundation: FoundationIdentity {
            id: "tiny".into(),
            version: None,
            digest: Hasher::default().finish(),
            bytes: 1,
        },
        seed: 1,
        rows: 5,
        of: 9,
        classes: 4,
        data: Hasher::default().finish(),
        machine: Machine { processor: "one".into(), commit: "abc".into() },
        engine: String::new(),
    }
}

fn outcomes(from: usize, to: usize) -> Vec<Outcome> {
    (from..to).map(|at| Outcome { prediction: Prediction::Label(at), ms: at as f64 / 3.0 }).collect()
}

/// A file with a line of two rows and one of one.
fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let (mut journal, none) = Journal::open(&path, &settings()).expect("made");
    assert!(none.is_empty());
    journal.add(&outcomes(0, 2)).expect("written");
    journal.add(&outcomes(2, 3)).expect("written");
    (folder, path)
}

#[test]
fn what_was_written_is_read_and_gone_on_with() {
    let (_folder, path) = written();
    let (mut journal, found) = Journal::open(&path, &settings()).expect("opened");
    assert_eq!(found, outcomes(0, 3));
    journal.add(&outcomes(3, 5)).expect("written");
    assert_eq!(Journal::open(&path, &settings()).expect("opened").1, outcomes(0, 5));
}

/// Wherever a program was stopped: whole lines stay, the rest of one goes, and what follows is as if nothing had happened.
#[test]
fn a_line_in_part_is_cut_off_at_any_byte() {
    let (_folder, path) = written();
    let whole = std::fs::read(&path).expect("read");
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("written");
        let (mut journal, found) =
            Journal::open(&path, &settings()).unwrap_or_else(|error| panic!("{length}: {error}"));
        let rows = [0, 0, 2, 3][ends.iter().filter(|end| **end <= length).count()];
        assert_eq!(found, outcomes(0, rows), "{length}");
        journal.add(&outcomes(rows, 5)).expect("written");
        assert_eq!(Journal::open(&path, &settings()).expect("opened").1, outcomes(0, 5), "{length}");
    }
}

#[test]
fn other_settings_are_refused_by_name() {
    let (_folder, path) = written();
    let changes: [(&str, Change); 7] = [
        ("seed", |settings| settings.seed = 2),
        ("way", |settings| settings.way = Way::FewShot(16)),
        ("rows", |settings| settings.rows = 4),
        ("data", |settings| {
            let mut hasher = Hasher::default();
            hasher.update(b"other");
            settings.data = hasher.finish();
        }),
        ("machine", |settings| settings.machine.processor = "two".into()),
        ("commit", |settings| settings.machine.commit = "def".into()),
        ("engine", |settings| settings.engine = "--kv q8".into()),
    ];
    for (field, change) in changes {
        let mut asked = settings();
        change(&mut asked);
        let error = Journal::open(&path, &asked).expect_err(field);
        assert!(matches!(&error, Error::OtherSettings { field: found, .. } if *found == field), "{field}: {error}");
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("--restart begins anew"), "{error}");
    }
    assert_eq!(Journal::open(&path, &settings()).expect("it is as it was").1, outcomes(0, 3));
}

#[test]
fn damage_is_refused_with_its_line() {
    let (_folder, path) = written();
    let whole = std::fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        format!("{}\n", lines.join("\n"))
    };
    let many = r#"{"from":2,"predictions":[{"label":1},{"label":1},{"label":1},{"label":1}],"ms":[1,1,1,1]}"#;
    for (text, line, wanted) in [
        (damaged(0, "{}"), 1, "missing field"),
        (damaged(1, "nonsense"), 2, "expected ident"),
        (damaged(1, r#"{"from":1,"predictions":[],"ms":[]}"#), 2, "from row 1, expected 0"),
        (damaged(1, r#"{"from":0,"predictions":[{"label":1}],"ms":[]}"#), 2, "1 rows with 0 times"),
        (damaged(2, r#"{"from":2,"predictions":[{"colour":1}],"ms":[1]}"#), 3, "colour"),
        (damaged(2, many), 3, "6 rows of 5"),
        (damaged(2, r#"{"from":2,"predictions":[{"label":1}],"ms":[-1]}"#), 3, "took -1e0 ms"),
        (damaged(2, r#"{"from":2,"predictions":[],"ms":[],"more":1}"#), 3, "more"),
    ] {
        std::fs::write(&path, &text).expect("written");
        let error = Journal::open(&path, &settings()).expect_err(wanted);
        let message = error.to_string();
        assert!(message.contains(&format!("line {line}")) && message.contains(wanted), "{message}");
        assert_eq!(error.code(), 4);
    }
}
