//! `loam ops`.

use crate::{fixture, json, path, run};

#[test]
fn graphs_are_counted_and_written() {
    let dir = tempfile::tempdir().expect("tempdir");
    let tower = fixture("models/tower-image");
    let counted = json(&run(&["ops", path(&tower), "--export", path(dir.path()), "--rank", "4", "--json"]));
    let graph = &counted["graphs"][0];
    assert_eq!((&graph["component"], &graph["segment"]), (&"image".into(), &"whole".into()));
    assert!(graph["operators"]["Conv"].as_u64().expect("a count") > 0, "{counted}");
    let types = |key: &str| counted[key].as_array().expect("a list").len();
    assert_eq!(types("types") + 2, types("types_quantized"));

    let files = json(&run(&["ops", path(&tower), "--rank", "4", "--models", path(dir.path()), "--json"]));
    let file = &files["models"]["files"][0];
    assert_eq!(file["path"], path(&dir.path().join("image.whole.onnx")));
    assert_eq!(file["operators"]["Conv"], graph["operators"]["Conv"]);
    assert_eq!(files["models"]["types"]["tflite"], serde_json::json!([]));

    let text = run(&["ops", path(&tower), "--models", path(dir.path())]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("1 models of ONNX: ") && text.contains("quantized: "), "{text}");
}

#[test]
fn what_has_no_graph_is_told() {
    let counted = json(&run(&["ops", path(&fixture("models/wav2vec2-base")), "--json"]));
    assert_eq!(counted["without_graph"][0]["component"], "speech");
    assert_eq!(counted["types"], serde_json::json!([]));
}

#[test]
fn damaged_models_and_other_files_are_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let tower = fixture("models/tower-image");
    for ending in ["onnx", "tflite"] {
        let damaged = dir.path().join(format!("model.{ending}"));
        std::fs::write(&damaged, [0xff; 40]).expect("written");
        let refused = run(&["ops", path(&tower), "--models", path(&damaged)]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(4), "{said}");
        assert!(said.contains("malformed"), "{said}");
    }
    let config = tower.join("config.json");
    for other in [&config, &dir.path().join("nowhere")] {
        assert_eq!(run(&["ops", path(&tower), "--models", path(other)]).status.code(), Some(2));
    }
    assert_eq!(run(&["ops", path(&tower), "--rank", "999"]).status.code(), Some(2));
}
