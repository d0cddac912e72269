//! Checkpoints with a classifier of their own, and adapters on them by the names of two releases of transformers.

use loam::Error;
use loam::model::encoder::{Encoding, Head};
use loam::weights::Safetensors;

use crate::fixture::{max_difference, path};
use crate::pairs::{bound, close, encode, matches_transformers, pictures, tower, with_field};

fn logits(head: &Head, encodings: &[Encoding]) -> Vec<f32> {
    encodings.iter().flat_map(|encoding| head.logits(encoding).expect("logits")).collect()
}

#[test]
fn classifiers_match_transformers() {
    for (name, labels) in [
        ("vit-classifier-tiny", &["cat", "dog", "bird"][..]),
        ("deit-distilled-tiny", &["cat", "dog", "bird"]),
        ("siglip-classifier-tiny", &["cat", "dog", "bird"]),
        ("clip-classifier-tiny", &["LABEL_0", "LABEL_1"]),
    ] {
        let encodings = matches_transformers(name);
        let tower = tower(name);
        let head = tower.head().expect("a classifier");
        assert_eq!(head.labels(), labels, "{name}");
        close(&logits(head, &encodings), &format!("models/{name}"), "classes");
        let other = Encoding { embedding: vec![], states: vec![0.0; 17] };
        assert!(matches!(head.logits(&other), Err(Error::Argument { .. })));
    }
    assert!(tower("siglip-tiny").head().is_none());
}

#[test]
fn an_adapter_matches_peft_by_newer_and_older_names() {
    let (tower, pictures) = (tower("vit-classifier-tiny"), pictures("vit-classifier-tiny"));
    let newer = bound(tower.linears(), &path("peft/vit-classifier-r2")).expect("bound");
    let adapted = encode(&*tower, &pictures, Some(&newer.deltas));
    let states: Vec<f32> = adapted.iter().flat_map(|e| e.states.clone()).collect();
    close(&states, "peft/vit-classifier-r2", "states");
    close(&logits(tower.head().expect("a classifier"), &adapted), "peft/vit-classifier-r2", "classes");
    let bare = encode(&*tower, &pictures, None);
    assert!(bare.iter().zip(&adapted).all(|(a, b)| max_difference(&a.embedding, &b.embedding) > 1e-2));

    // The same adapter as transformers 4 names its modules.
    let older = respelled(&[]);
    let older = bound(tower.linears(), older.path()).expect("bound");
    assert_eq!(encode(&*tower, &pictures, Some(&older.deltas)), adapted);
    // One module fewer than the configuration says.
    let incomplete = respelled(&["layer.1.output"]);
    let error = bound(tower.linears(), incomplete.path()).expect_err("incomplete").to_string();
    assert!(error.contains("encoder.layer.1.output.dense"), "{error}");
}

/// The fixture's adapter with the module names of transformers 4, without the modules whose name contains one of `left`.
fn respelled(left: &[&str]) -> tempfile::TempDir {
    const NAMES: [(&str, &str); 7] = [
        ("layers.", "encoder.layer."),
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ];
    let older = |name: &str| NAMES.iter().fold(name.to_owned(), |name, (new, old)| name.replace(new, old));
    let from = path("peft/vit-classifier-r2");
    let to = tempfile::tempdir().expect("folder");
    let text = std::fs::read_to_string(from.join("adapter_config.json")).expect("config");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("json");
    config["target_modules"] = serde_json::json!(["query", "key", "value", "dense", "projection"]);
    config["rank_pattern"] = serde_json::json!({"layer.1.intermediate.dense": 3});
    config["alpha_pattern"] = serde_json::json!({"query": 11, "layer.0.output.dense": 2});
    std::fs::write(to.path().join("adapter_config.json"), config.to_string()).expect("written");
    let file = Safetensors::open(from.join("adapter_model.safetensors")).expect("adapter");
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .names()
        .into_iter()
        .map(|name| {
            let view = file.tensor(&name).expect("readable").expect("present");
            (older(&name), view.shape.clone(), view.data.to_vec())
        })
        .filter(|(name, _, _)| !left.iter().any(|part| name.contains(part)))
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).expect("view"))
    });
    let bytes = safetensors::serialize(views, None).expect("serialized");
    std::fs::write(to.path().join("adapter_model.safetensors"), bytes).expect("written");
    to
}

#[test]
fn labels_that_do_not_fit_are_refused_by_name() {
    for (field, value, named) in [
        ("/id2label", r#"{"0": "a", "2": "b", "1": "c", "4": "d"}"#, "id2label"),
        ("/id2label", r#"{"0": "a", "1": 7, "2": "c"}"#, "id2label"),
        ("/id2label", "[]", "id2label"),
        ("/id2label", r#"{"0": "a", "1": "b"}"#, "classifier.weight"),
        ("/qkv_bias", "true", "query.bias"),
        ("/pooler_act", "\"relu\"", "pooler_act"),
    ] {
        let error = with_field("vit-classifier-tiny", field, value).expect_err(field);
        assert!(error.to_string().contains(named), "{field} {value}: {error}");
    }
}
