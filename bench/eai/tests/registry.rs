//! The registry is whole, and agrees with the sets at hand and with its page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loam_bench::loader::{Format, Split};
use loam_bench::metric::Metric;
use loam_bench::registry::{self, DATASETS, DatasetId, EnginePath, Status, Task, UNMAPPED};

fn sets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}

#[test]
fn there_are_38_tasks_on_50_data_sets() {
    assert_eq!(Task::ALL.len(), 38);
    let names: BTreeSet<&str> = Task::ALL.iter().map(|task| task.name()).collect();
    assert_eq!(names.len(), 38);
    let ids: Vec<u8> = registry::entries().map(|entry| entry.id.number()).collect();
    assert_eq!(ids, (1..=50).collect::<Vec<u8>>());
    assert_eq!(ids.len(), DATASETS);
    let used: BTreeSet<Task> = registry::entries().map(|entry| entry.task).collect();
    assert_eq!(used, Task::ALL.iter().copied().collect());
}

#[test]
fn paths_are_shared_out_as_in_the_system() {
    let on = |path| registry::entries().filter(|entry| entry.path == path).count();
    let counts = [EnginePath::One, EnginePath::Two, EnginePath::Three, EnginePath::Four].map(on);
    assert_eq!(counts, [10, 13, 25, 2]);
}

#[test]
fn ids_are_read_and_written() {
    for text in ["T24", "t24", "24"] {
        assert_eq!(text.parse::<DatasetId>().expect("an id").to_string(), "T24");
    }
    for text in ["T0", "T51", "T", "+4", "T 4", "T999", ""] {
        let message = text.parse::<DatasetId>().expect_err("no id").to_string();
        assert_eq!(message, format!("data set {text:?} is unknown; they are T1 to T50"));
    }
}

#[test]
fn every_entry_says_how_it_is_measured() {
    for entry in registry::entries() {
        let id = entry.id;
        assert_eq!(entry.command(), format!("loam bench run --task {id} --data DIR"));
        assert!(entry.source.starts_with("http"), "{id}");
        assert!(Metric::ALL.contains(&entry.metric), "{id}");
        // A loader: it looks for its files, and says which are missing.
        let folder = tempfile::tempdir().expect("a folder");
        let outcome = entry.format.open(folder.path(), entry.split);
        let outcome = outcome.and_then(|mut rows| rows.try_for_each(|row| row.map(drop)));
        let message = outcome.expect_err("the folder is empty").to_string();
        assert!(!message.contains("has no split"), "{id}: {message}");
        assert!(entry.published.is_none_or(|published| published.score > 0.0 && !published.source.is_empty()), "{id}");
        if entry.status() == Status::StandIn {
            let set = entry.stand_ins[0];
            let command = entry.stand_in_command(&set);
            assert_eq!(command, format!("loam bench run --task {id} --stand-in {} --data ../shared/data", set.name()));
        }
    }
    let formats: BTreeSet<String> = registry::entries().map(|entry| format!("{:?}", entry.format)).collect();
    assert!(formats.len() >= 45, "{} formats", formats.len());
}

#[test]
fn stand_ins_are_the_sets_at_hand() {
    let mapped: BTreeSet<&str> = registry::stand_ins().iter().map(|set| set.path).collect();
    let unmapped: BTreeSet<&str> = UNMAPPED.iter().map(|(path, _)| *path).collect();
    assert!(mapped.is_disjoint(&unmapped));
    assert_eq!(mapped.len() + unmapped.len(), 61);
    let root = sets();
    if !root.is_dir() {
        println!("skipped: {} is not there", root.display());
        return;
    }
    let mut there = BTreeSet::new();
    for domain in std::fs::read_dir(&root).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if !domain.is_dir() {
            continue;
        }
        let name = domain.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        for set in std::fs::read_dir(&domain).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if set.join("meta.json").is_file() {
                there.insert(format!("{name}/{}", set.file_name().and_then(|name| name.to_str()).expect("a name")));
            }
        }
    }
    let known: BTreeSet<String> = mapped.union(&unmapped).map(|path| (*path).to_owned()).collect();
    assert_eq!(there, known);
    for entry in registry::entries() {
        for set in entry.stand_ins {
            let examples = Format::StandIn(set.view).open(&root.join(set.path), set.split);
            let examples = examples.unwrap_or_else(|error| panic!("{} for {}: {error}", set.path, entry.id));
            let first = examples.into_iter().next().expect("a row");
            first.unwrap_or_else(|error| panic!("{} for {}: {error}", set.path, entry.id));
        }
    }
}

/// `LOAM_WRITE_DOCS=1 cargo test -p loam-bench --test registry` writes both tables again.
#[test]
fn the_page_has_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/eaibench.md");
    let mut page = std::fs::read_to_string(&path).expect("docs/eaibench.md");
    for (name, table) in [("registry", registry::table()), ("files", registry::files())] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let (before, rest) = page.split_once(&begin).expect("the mark before the table");
        let (written, after) = rest.split_once(&end).expect("the mark after the table");
        if std::env::var_os("LOAM_WRITE_DOCS").is_none() {
            assert_eq!(written, table, "the table is old: LOAM_WRITE_DOCS=1 writes it");
        }
        page = [before, &begin, &table, &end, after].concat();
    }
    if std::env::var_os("LOAM_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).expect("written");
    }
}

#[test]
fn scores_are_reported_where_answers_are_public() {
    let valid: Vec<u8> =
        registry::entries().filter(|entry| entry.split == Split::Valid).map(|entry| entry.id.number()).collect();
    assert_eq!(valid, [2, 3, 9, 14, 15, 18, 19, 20, 23, 29, 44, 49, 50]);
}
