//! Path 3: an encoder alone. The backbone is neither opened nor mapped, and its content could be anything.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{is_pulled, json, loam, path, run};

const BACKBONE: &str = "backbone/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Where the pulled foundation lies.
fn pulled() -> PathBuf {
    let report = json(&run(&["foundation", "list", "--json"]));
    let listed = report["foundations"].as_array().expect("a list").iter();
    let nano = listed.clone().find(|one| one["foundation"] == "loam-nano").expect("it is pulled");
    PathBuf::from(nano["path"].as_str().expect("a path"))
}

/// Resident bytes of a component's packed weights in the memory of a process, or `None` when they are not mapped at all.
fn resident(child: &Child, component: &str) -> Option<u64> {
    let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", child.id())).expect("Linux has it");
    let home = pulled().ancestors().nth(2).expect("HOME/foundations/ID").canonicalize().expect("there");
    let begin = home.join(format!("packed/{component}-")).display().to_string();
    let mut lines = smaps.lines();
    let mut total = None;
    while lines.by_ref().any(|line| line.contains(&begin)) {
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).expect("each mapping has one");
        let kib: u64 = rss.trim().trim_end_matches(" kB").parse().expect("a number");
        *total.get_or_insert(0) += kib * 1024;
    }
    total
}

/// A process that has embedded more than a pipe holds waits for its reader, with all that it loaded still there.
#[test]
fn embedding_maps_no_page_of_the_backbone() {
    if !is_pulled() {
        return;
    }
    let texts: Vec<String> = (0..64).map(|i| format!("Sentence number {i}.")).collect();
    let mut child = loam().arg("embed").args(&texts).stdout(Stdio::piped()).spawn().expect("starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut first = [0];
    stdout.read_exact(&mut first).expect("a first vector");
    assert!(resident(&child, "text") > Some(10 << 20), "the encoder is mapped and its pages are in memory");
    assert_eq!(resident(&child, "backbone"), None, "the backbone is not mapped");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    assert!(child.wait().expect("ends").success());
    assert_eq!(rest.lines().count(), 64);

    // The same question finds the backbone where it runs.
    let mut child = Command::new(env!("CARGO_BIN_EXE_loam"))
        .args(["generate", "Once", "-n", "400", "--temperature", "1", "-q"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let begun = Instant::now();
    while resident(&child, "backbone").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the backbone was never mapped");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("running");
    child.wait().expect("ended");
}

/// A foundation whose backbone is a file of zeros of the right size: whatever runs without it cannot tell.
#[test]
fn classifying_needs_no_byte_of_the_backbone() {
    if !is_pulled() {
        return;
    }
    let root = pulled();
    let dir = tempfile::tempdir().expect("tempdir");
    copy(&root, dir.path());
    let size = std::fs::metadata(root.join(BACKBONE)).expect("there").len();
    // Zeros that no disk holds.
    std::fs::File::create(dir.path().join(BACKBONE)).and_then(|file| file.set_len(size)).expect("made");
    let classify = |model: &Path| -> (Value, String) {
        let words = ["classify", "The cup final went to penalties.", "--labels", "sports,cooking"];
        let output = run(&[&words[..], &["--model", path(model), "--json", "-v"]].concat());
        (json(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (mut result, log) = classify(dir.path());
    let steps = result["trace"]["steps"].as_array().expect("steps");
    assert!(!steps.is_empty() && steps.iter().all(|step| step["component"] == "text"), "{result}");
    assert!(log.contains("component 'text' is loaded") && !log.contains("'backbone'"), "{log}");
    let mut expected = classify(&root).0;
    for result in [&mut result, &mut expected] {
        result["trace"] = Value::Null;
    }
    assert_eq!(result, expected);
    // What needs the backbone finds out at once, and digests tell beforehand.
    let chat = run(&["chat", "Hello", "--model", path(dir.path())]);
    assert_eq!(chat.status.code(), Some(4), "{}", String::from_utf8_lossy(&chat.stderr));
    let verified = run(&["foundation", "verify", path(dir.path())]);
    assert_eq!(verified.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&verified.stderr).contains(BACKBONE));
    // A budget too small for the text encoder.
    let tight = run(&["embed", "x", "--model", path(&root), "--budget", "50"]);
    assert_eq!(tight.status.code(), Some(14), "{}", String::from_utf8_lossy(&tight.stderr));
}

/// Copies all files but the backbone.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|ending| ending != "gguf") {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
