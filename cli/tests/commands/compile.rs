//! `loam compile`.

use std::path::Path;

use crate::{fixture, json, loam, path, run};

#[test]
fn recognisers_have_a_graph_for_each_length_of_sound() {
    let (tower, dir) = (fixture("models/tower-speech"), tempfile::tempdir().expect("tempdir"));
    let sounds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo/fsdd");
    let compile = |seconds: &str| {
        let seconds = format!("--seconds={seconds}");
        let target = ["--target", "onnx-float", "--component", "speech", &seconds];
        let samples = ["--samples", path(&sounds)];
        let place = ["--model", path(&tower), "--output", path(dir.path()), "--json"];
        run(&[&["compile"][..], &target, &samples, &place].concat())
    };
    // The tower hears a second at once.
    let made = json(&compile("0.3,0.5,9"));
    let graphs = made["graphs"].as_array().expect("a list");
    let segments: Vec<&str> = graphs.iter().map(|graph| graph["segment"].as_str().expect("a name")).collect();
    assert_eq!(segments, ["sound-31", "sound-51", "sound-100"], "{made}");
    for (segment, graph) in segments.iter().zip(graphs) {
        assert!(graph["reason"].is_null(), "{graph}");
        assert!(dir.path().join("onnx-float/speech").join(segment).join("graph.onnx").is_file(), "{segment}");
    }
    for wrong in ["0", "-1", "61", "nan", "long"] {
        let refused = compile(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("at most 60"), "{wrong}");
    }
}

#[test]
fn what_fails_is_told_once_in_json() {
    let (model, dir) = (fixture("models/siglip-tiny"), tempfile::tempdir().expect("tempdir"));
    let place = ["--model", path(&model), "--output", path(dir.path()), "--json"];
    let words = ["compile", "--target", "coreml", "--component", "image"];
    let failed = loam().args(words).args(place).env("LOAM_PYTHON", "no-such-python").output().expect("started");
    assert_eq!(failed.status.code(), Some(19), "{failed:?}");
    let error: serde_json::Value = serde_json::from_slice(&failed.stdout).expect("one object");
    assert!(error["error"]["message"].to_string().contains("no-such-python"), "{error}");
    let wrong = run(&["compile", "--target", "onnx-float", "--texts", "0", "--model", path(&model)]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// Whoever asked for a component holds the other end of the compiler's standard input.
#[cfg(unix)]
#[test]
fn a_compiler_ends_with_the_process_that_asked_for_it() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let (model, dir) = (fixture("models/siglip-tiny"), tempfile::tempdir().expect("tempdir"));
    let python = dir.path().join("python");
    std::fs::write(&python, "#!/bin/sh\nexec sleep 120\n").expect("written");
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o700)).expect("made a program");
    let start = Instant::now();
    let mut compiler = loam()
        .args(["compile", "--with-parent", "--target", "coreml", "--component", "image"])
        .args(["--model", path(&model), "--output", path(dir.path())])
        .env("LOAM_PYTHON", &python)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    assert!(compiler.try_wait().expect("known").is_none(), "it goes on while somebody is there");
    drop(compiler.stdin.take());
    assert_eq!(compiler.wait().expect("ended").code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(100), "what it had started would have ended by itself");
}
