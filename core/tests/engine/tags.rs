//! Words that are tagged by an adapter on the text encoder, against transformers and PEFT (`parity/make_tags.py`); what does not fit
//! is refused by name.

use std::sync::Arc;

use serde_json::{Value, json};

use loam::adapter::{Adapter, InstallPolicy};
use loam::engine::Engine;
use loam::task::{ClassifyOptions, EmbedOptions};
use loam::{Error, Result};

use crate::fixture::{Tensor, adapter_with, path};

const TOLERANCE: f64 = 1e-4;

fn engine() -> Engine {
    Engine::open(path("tags/model")).expect("engine")
}

fn install(engine: &Engine, name: &str) -> Arc<Adapter> {
    engine.install(name, path("tags").join(name), InstallPolicy::Upsert).expect("installed")
}

fn expected() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path("tags/expected.json")).expect("expected")).expect("a list")
}

#[test]
fn spans_and_labels_are_those_of_torch() {
    let engine = engine();
    let (plain, joint) = (install(&engine, "plain"), install(&engine, "joint"));
    let mut worst: f64 = 0.0;
    for wanted in expected() {
        let text = wanted["text"].as_str().expect("a text");
        let found = engine.tag(text, &joint).expect("tagged");
        assert_eq!(found.read, text.len());
        let spans = wanted["spans"].as_array().expect("spans");
        assert_eq!(found.spans.len(), spans.len(), "{text}: {:?}", found.spans);
        for (ours, theirs) in found.spans.iter().zip(spans) {
            let mut same = theirs.clone();
            same["score"] = json!(ours.score);
            assert_eq!(serde_json::to_value(ours).expect("JSON"), same, "{text}");
            assert_eq!(ours.text, text[ours.start..ours.end]);
            worst = worst.max((f64::from(ours.score) - theirs["score"].as_f64().expect("a score")).abs());
        }
        assert_eq!(found.labels.len(), 3);
        assert!(found.labels.is_sorted_by(|a, b| a.probability >= b.probability));
        for label in &found.labels {
            let theirs = wanted["labels"][&label.label].as_f64().expect("a probability");
            worst = worst.max((f64::from(label.probability) - theirs).abs());
        }
        assert_eq!(found.trace.steps[0].component, "text");
        // As PEFT stores a token classifier: words alone.
        let words = engine.tag(text, &plain).expect("tagged");
        assert_eq!((words.spans, words.labels), (found.spans, Vec::new()));
    }
    println!("largest difference of scores: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{worst}");
}

/// The encoder takes 24 tokens, two of them around the text: words that are not whole within them are not read.
#[test]
fn a_long_text_is_read_as_far_as_whole_words_fit() {
    let engine = engine();
    let joint = install(&engine, "joint");
    let text = "play nineteen ".repeat(9);
    let found = engine.tag(&text, &joint).expect("tagged");
    // Three tokens a pair: seven pairs, and the word that the last one begins with.
    assert_eq!(found.read, 7 * "play nineteen ".len() + "play".len());
    let whole = engine.tag(text[..found.read].trim_end(), &joint).expect("tagged");
    assert_eq!((whole.spans, whole.labels), (found.spans, found.labels));
    // A word longer than all of it has no tag.
    let found = engine.tag(&format!("play{}", "s".repeat(40)), &joint).expect("tagged");
    assert_eq!((found.spans, found.read), (Vec::new(), 0));
}

#[test]
fn other_tasks_and_other_heads_are_refused() {
    let engine = engine();
    let joint = install(&engine, "joint");
    let options = ClassifyOptions { adapter: Some(joint.clone()), ..ClassifyOptions::default() };
    let refused = engine.classify("play", &options).expect_err("a head of tags").to_string();
    assert!(refused.contains("tags head gives no labels"), "{refused}");
    engine.embed("play", &EmbedOptions { adapter: Some(joint), modality: None }).expect("its deltas act on a vector");
    let sound = Engine::open(path("models/ast-tiny")).expect("engine");
    let linear = sound.install("linear", path("heads/linear"), InstallPolicy::Create).expect("installed");
    let refused = sound.tag("play", &linear).expect_err("a linear head").to_string();
    assert!(refused.contains("linear head tags no words"), "{refused}");
}

/// What installing a changed copy of `tags/joint` says.
fn refusal(head: Value, labels: Value, change: impl FnOnce(&mut Vec<Tensor>)) -> String {
    let task = json!({ "task": "tag", "path": "encoder", "component": "text", "labels": labels, "head": head });
    let dir = adapter_with(&path("tags/joint"), &task, change);
    let installed: Result<_> = engine().install("x", dir.path(), InstallPolicy::Create);
    match installed {
        Err(Error::Adapter { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn heads_of_tags_that_make_no_sense_are_refused_by_value() {
    let tags = || json!(["O", "B-song", "I-song", "B-time", "I-time"]);
    let head = |sentence: &[&str]| json!({ "kind": "tags", "sentence": sentence });
    let good = || head(&["a", "b", "c"]);
    let keep = |_: &mut Vec<Tensor>| {};
    for (reason, wanted) in [
        (refusal(good(), json!(["B-x", "I-x", "B-y", "I-y", "B-z"]), keep), "no tag is O"),
        (refusal(good(), json!(["O", "B-x", "I-x", "B-y", "I-z"]), keep), "'I-z' goes on with what no tag begins"),
        (refusal(good(), json!(["O", "B-x", "I-x", "B-x", "I-y"]), keep), "'B-x' is given twice"),
        (refusal(good(), json!(["O", "B-x", "I-x", "L-x", "U-x"]), keep), "'L-x'"),
        (refusal(good(), json!(["O", "B-", "I-x", "B-x", "B-y"]), keep), "'B-'"),
        (refusal(good(), json!([]), keep), "0 tags"),
        (refusal(good(), json!(["O", "B-x"]), keep), "8 rows for 5 tags and labels of the sentence"),
        (refusal(head(&["a", "b"]), tags(), keep), "8 rows for 7"),
        (refusal(head(&["a", "b", "a"]), tags(), keep), "label 'a' of the sentence"),
        (refusal(head(&["a", "b", " "]), tags(), keep), "label ' ' of the sentence"),
        (refusal(json!({ "kind": "tags", "layers": 2 }), tags(), keep), "layers"),
        (refusal(json!({ "kind": "linear", "reads": "tokens" }), tags(), keep), "'tokens'"),
        (
            refusal(good(), tags(), |tensors| {
                let weight = tensors.iter_mut().find(|(name, ..)| name.ends_with("classifier.weight")).expect("it");
                (weight.1, weight.2) = (vec![8, 15], vec![0.0; 120]);
            }),
            "states of tokens 16 values",
        ),
        (
            refusal(good(), tags(), |tensors| {
                tensors.iter_mut().find(|(name, ..)| name.ends_with("classifier.bias")).expect("it").2[1] = f32::NAN;
            }),
            "value 1 is NaN",
        ),
        (
            refusal(good(), tags(), |tensors| tensors.retain(|(name, ..)| !name.ends_with("classifier.weight"))),
            "classifier.bias",
        ),
    ] {
        assert!(reason.contains(wanted), "{reason} instead of {wanted}");
    }
    // Encoders that give a vector alone, and components that read no text.
    for (model, component, adapter, width) in
        [("models/siglip-tiny", "text", "peft/siglip-text-r2", 16), ("models/ast-tiny", "sound", "peft/ast-r2", 16)]
    {
        let task =
            json!({ "path": "encoder", "component": component, "labels": ["O", "B-x"], "head": { "kind": "tags" } });
        let dir = adapter_with(&path(adapter), &task, |tensors| {
            tensors.push(("base_model.model.classifier.weight".into(), vec![2, width], vec![0.5; 2 * width]));
        });
        let engine = Engine::open(path(model)).expect("engine");
        let refused = engine.install("x", dir.path(), InstallPolicy::Create).expect_err("no states").to_string();
        assert!(refused.contains("reads states of tokens, which the component does not give"), "{refused}");
    }
}
