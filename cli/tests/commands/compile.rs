//! `loam compile`.

use std::path::Path;

use crate::{fixture, json, path, run};

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
