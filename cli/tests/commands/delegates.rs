//! Delegates of commands, and what compiles for them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{fixture, json, path, run};

/// ONNX Runtime is there, or a line says that the test was skipped.
fn has_runtime() -> bool {
    let named = std::env::var_os("LOAM_ONNXRUNTIME").is_some_and(|file| Path::new(&file).is_file());
    if !named {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: LOAM_ONNXRUNTIME names no file; delegates/setup.sh installs ONNX Runtime"
        );
    }
    named
}

/// A text and an image encoder, in a folder of their own: what is compiled lies beside it.
fn encoders(dir: &Path) -> PathBuf {
    let own = dir.join("encoders");
    std::fs::create_dir(&own).expect("made");
    for file in std::fs::read_dir(fixture("models/siglip-tiny")).expect("fixture") {
        let file = file.expect("fixture");
        std::fs::copy(file.path(), own.join(file.file_name())).expect("copied");
    }
    own
}

fn step(found: &Value) -> (&str, &Value) {
    let step = &found["trace"]["steps"][0];
    (step["backend"].as_str().expect("a backend"), &step["fallback"])
}

#[test]
fn a_component_is_compiled_when_it_is_first_used() {
    if !has_runtime() {
        return;
    }
    let dir = tempfile::tempdir().expect("tempdir");
    let (model, home) = (encoders(dir.path()), dir.path().join("home"));
    let plain = ["embed", "--model", path(&model), "--home", path(&home), "--json"];
    let with = |more: &[&str]| run(&[&plain[..], &["two cats"], more].concat());
    let refused = with(&["--delegate", "onnx-float", "--strict"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(19), "{said}");
    assert!(said.contains("not compiled"), "{said}");

    let compiled = json(&with(&["--delegate", "onnx-float", "--strict", "--compile"]));
    assert_eq!(step(&compiled), ("onnx-float", &Value::Null));
    assert_eq!(step(&json(&with(&["--delegate", "onnx-float", "--strict"]))).0, "onnx-float", "from now on");
    // It may lie elsewhere, where it was told to.
    let (beside, moved) = (dir.path().join("encoders.delegates"), dir.path().join("moved"));
    std::fs::rename(&beside, &moved).expect("moved");
    let there = ["--delegate", "onnx-float", "--strict", "--artefacts", path(&moved)];
    assert_eq!(step(&json(&with(&there))).0, "onnx-float");
    // Components that nothing was compiled for say so.
    let places = |more: &[&str]| {
        let plain = ["places", "--model", path(&model), "--home", path(&home), "--delegate", "onnx-float"];
        run(&[&plain[..], &["--artefacts", path(&moved)], more].concat())
    };
    let told = String::from_utf8(places(&[]).stdout).expect("text");
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(lines, [["image", "processor", "none"], ["text", "onnx-float", "full"]], "{told}");
    assert!(told.contains("not compiled") && told.contains(" ms (processor "), "{told}");
    let rows = json(&places(&["--json"]));
    assert_eq!(
        (&rows[1]["support"], &rows[1]["backend"]),
        (&Value::from("full"), &Value::from("onnx-float")),
        "{rows}"
    );
    assert_eq!(run(&["places", "--model", path(&model)]).status.code(), Some(2), "no delegate is asked");
    std::fs::rename(&moved, &beside).expect("moved");
    let processor = json(&with(&[]));
    let vector = |found: &Value| -> Vec<f64> {
        found["embeddings"][0]
            .as_array()
            .expect("a vector")
            .iter()
            .map(|value| value.as_f64().expect("a number"))
            .collect()
    };
    for (ours, theirs) in vector(&compiled).iter().zip(vector(&processor)) {
        assert!((ours - theirs).abs() < 1e-3, "{ours} is not {theirs}");
    }

    assert_eq!(step(&json(&with(&["--delegate", "onnx-integer", "--compile"]))).0, "onnx-integer", "by texts built in");

    // Pictures are not built in: the processor does it and says why.
    let picture = fixture("models/smolvlm/square.png");
    let more = ["--image", path(&picture), "--delegate", "onnx-integer", "--compile"];
    let found = json(&run(&[&plain[..], &more].concat()));
    assert!(step(&found).0.starts_with("cpu/"), "{found}");
    assert!(step(&found).1.to_string().contains("no sample of what it reads"), "{found}");
}

#[test]
fn targets_of_other_systems_are_refused_by_name() {
    let other = if cfg!(target_vendor = "apple") { "qnn-v75" } else { "coreml" };
    let refused = run(&["embed", "a", "--model", path(&fixture("models/siglip-tiny")), "--delegate", other]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains(other), "{said}");
    let alone = run(&["embed", "a", "--compile", "--json"]);
    assert_eq!(alone.status.code(), Some(2), "there is nothing to compile for");
    let error: Value = serde_json::from_slice(&alone.stdout).expect("one object");
    let told = error["error"]["message"].as_str().expect("a message");
    assert!(told.contains("--delegate") && !told.contains("Usage"), "{told}");
}

#[test]
fn a_fallback_is_told_beside_the_result() {
    let dir = tempfile::tempdir().expect("tempdir");
    let model = encoders(dir.path());
    let asked = ["embed", "two cats", "--model", path(&model), "--home", path(dir.path()), "--delegate", "onnx-float"];
    let made = run(&asked);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    assert!(said.contains("runs on the processor: not"), "{said}");
}
