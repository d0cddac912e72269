//! Heads on a backbone that stops after some of its blocks, against transformers and peft; what of them is refused.

use std::sync::Arc;

use serde_json::{Value, json};

use loam::adapter::{Adapter, InstallPolicy};
use loam::engine::{Engine, LanguageModel};
use loam::model::backbone::{Entry, Row, Want, token_rows};
use loam::task::{AnswerLabels, ClassifyOptions, ScoredBy};
use loam::weights::Safetensors;
use loam::{Error, Result};

use crate::fixture::{Tensor, adapter_with, floats, max_difference, path, tokens};
use crate::smollm2::foundation;

const TOLERANCE: f32 = 1e-4;
/// Fixture, base, blocks of the base.
const CASES: [(&str, &str, usize); 4] = [
    ("backbone-llama2-1", "llama2", 2),
    ("backbone-llama2-2", "llama2", 2),
    ("backbone-qwen2-2", "qwen2-sliding", 3),
    ("backbone-gemma3-3", "gemma3-softcap", 7),
];

fn task(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let text = std::fs::read(path("heads").join(name).join("task.json")).expect("task");
    let mut json = serde_json::from_slice(&text).expect("json");
    change(&mut json);
    json
}

fn install(
    engine: &Engine,
    name: &str,
    change: impl FnOnce(&mut Value),
    tensors: impl FnOnce(&mut Vec<Tensor>),
) -> Result<Arc<Adapter>> {
    let dir = adapter_with(&path("heads").join(name), &task(name, change), tensors);
    engine.install("head", dir.path(), InstallPolicy::Upsert)
}

fn logits(model: &LanguageModel, adapter: &Adapter, ids: &[u32]) -> Vec<f32> {
    let head = adapter.bound.head.as_ref().expect("a head");
    head.logits(&model.head_input(ids, adapter, head).expect("read"))
}

#[test]
fn states_after_some_blocks_match_transformers() {
    for (name, base, blocks) in CASES {
        let engine = Engine::open(path("models").join(base)).expect("engine");
        let model = engine.language().expect("model");
        let file = path("heads").join(name).join("expected.safetensors");
        let (ids, expected) = (tokens(&file, "tokens"), Safetensors::open(&file).expect("expected"));
        let bare = |tensors: &mut Vec<Tensor>| tensors.retain(|(name, ..)| name.contains("classifier"));
        let mut worst = 0.0f32;
        for (reads, golden) in [("embedding", "last"), ("mean-state", "mean")] {
            let read = |json: &mut Value| json["head"]["reads"] = json!(reads);
            let adapter = install(&engine, name, read, |_| {}).expect("installed");
            let layers = adapter.bound.head.as_ref().expect("a head").spec().layers().expect("layers");
            assert!(layers <= blocks);
            worst = worst.max(max_difference(&logits(&model, &adapter, &ids), &floats(&expected, golden)));
            // Without the LoRA `target_modules` names layers that hold nothing.
            let none = |json: &mut Value| json["head"]["reads"] = json!(reads);
            let dir = adapter_with(&path("heads").join(name), &task(name, none), bare);
            let config = dir.path().join("adapter_config.json");
            let mut fields: Value = serde_json::from_slice(&std::fs::read(&config).expect("read")).expect("json");
            fields["target_modules"] = json!([]);
            std::fs::write(&config, fields.to_string()).expect("written");
            let adapter = engine.install("bare", dir.path(), InstallPolicy::Upsert).expect("installed");
            let golden = floats(&expected, &format!("bare.{golden}"));
            worst = worst.max(max_difference(&logits(&model, &adapter, &ids), &golden));

            // Each token's state, in one piece and token by token.
            let golden = floats(&expected, "bare.states");
            for chunk in [ids.len(), 1] {
                let mut cache = model.backbone().new_cache_of(layers).expect("cache");
                let mut states = Vec::new();
                for ids in ids.chunks(chunk) {
                    let rows = token_rows(ids, cache.len(), None, |_| Want::Hidden);
                    states.extend(model.backbone().forward(&rows, &mut [&mut cache]).expect("forward"));
                }
                worst = worst.max(max_difference(&states, &golden));
                // The cache holds the blocks that ran and nothing for the others.
                assert_eq!(cache.shape().layers, layers);
            }
        }
        println!("{name:<20} max |difference| {worst:.1e}");
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}

#[test]
fn all_blocks_are_what_no_number_means() {
    let engine = Engine::open(path("models/llama2")).expect("engine");
    let model = engine.language().expect("model");
    let ids = tokens(&path("heads/backbone-llama2-2/expected.safetensors"), "tokens");
    let all = |json: &mut Value| drop(json["head"].as_object_mut().expect("head").remove("layers"));
    let of = |adapter: Result<Arc<Adapter>>| logits(&model, &adapter.expect("installed"), &ids);
    let named = of(install(&engine, "backbone-llama2-2", |_| {}, |_| {}));
    assert_eq!(named, of(install(&engine, "backbone-llama2-2", all, |_| {})));
    let fewer = of(install(&engine, "backbone-llama2-1", |_| {}, |_| {}));
    assert!(max_difference(&named, &fewer) > 0.1);
}

#[test]
fn what_early_exits_cannot_do_is_refused_by_name() {
    let engine = Engine::open(path("models/llama2")).expect("engine");
    let reason = |name: &str, head: Value| match install(&engine, name, |json| json["head"] = head, |_| {}) {
        Err(Error::Adapter { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    };
    let linear = |layers: Value| json!({ "kind": "linear", "layers": layers });
    for (found, wanted) in [
        (reason("backbone-llama2-2", linear(json!(0))), "0 layers"),
        (reason("backbone-llama2-2", linear(json!(-1))), "-1"),
        (reason("backbone-llama2-2", linear(json!(3))), "after 3 layers, 'backbone' has 2"),
        (reason("backbone-llama2-2", linear(json!(u64::MAX))), "layers"),
        (reason("backbone-llama2-2", linear(json!(1))), "layers.1."),
        (reason("backbone-llama2-2", linear(json!(1))), "is in block 2, its head reads after 1"),
        (reason("backbone-llama2-1", json!({ "kind": "ctc", "vocabulary": ["", "a", "b"], "layers": 1 })), "layers"),
    ] {
        assert!(found.contains(wanted), "{found} instead of {wanted}");
    }
    // A block that is run must be whole.
    let gone = |t: &mut Vec<Tensor>| t.retain(|(name, ..)| !name.contains("layers.0.mlp.up_proj"));
    let missing = install(&engine, "backbone-llama2-1", |_| {}, gone).expect_err("incomplete").to_string();
    assert!(missing.contains("layers.0.mlp.up_proj"), "{missing}");
    // A component other than a backbone runs as one.
    let sound = Engine::open(path("models/ast-tiny")).expect("engine");
    let task = json!({ "path": "encoder", "component": "sound", "labels": ["a", "b", "c"], "head": { "kind": "linear", "layers": 1 } });
    let dir = adapter_with(&path("heads/linear"), &task, |_| {});
    let refused = sound.install("x", dir.path(), InstallPolicy::Create).expect_err("no backbone").to_string();
    assert!(refused.contains("sound-encoder component"), "{refused}");
}

#[test]
fn calls_that_mix_depths_are_refused() {
    let engine = Engine::open(path("models/llama2")).expect("engine");
    let model = engine.language().expect("model");
    let backbone = model.backbone();
    for blocks in [0, 3, usize::MAX] {
        assert!(matches!(backbone.new_cache_of(blocks), Err(Error::Argument { .. })), "{blocks}");
    }
    let (mut short, mut whole) = (backbone.new_cache_of(1).expect("cache"), backbone.new_cache());
    let rows = token_rows(&[1, 2], 0, None, |_| Want::Logits);
    let refused = backbone.forward(&rows, &mut [&mut short]).expect_err("no logits").to_string();
    assert!(refused.contains("after 1 blocks"), "{refused}");
    let row = |sequence| Row { entry: Entry::Token(1), sequence, position: 0, deltas: None, want: Want::Hidden };
    let refused = backbone.forward(&[row(0), row(1)], &mut [&mut short, &mut whole]);
    assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
    assert!(short.is_empty() && whole.is_empty(), "a refused call changes nothing");
}

/// On the real backbone: a third of the blocks, and a third of the work.
#[test]
fn a_head_after_ten_blocks_of_smollm2_leaves_out_the_others() {
    let Some(dir) = foundation() else { return };
    let engine = Engine::open(dir).expect("engine");
    let model = engine.language().expect("model");
    let width = model.backbone().config().hidden_size;
    let values: Vec<f32> = (0..2 * width).map(|i| (i as f32 * 0.7).sin()).collect();
    let adapter = |layers: Option<usize>| {
        let mut head = json!({ "kind": "linear", "reads": "mean-state" });
        if let Some(layers) = layers {
            head["layers"] = json!(layers);
        }
        let json = json!({ "task": "classify", "labels": ["a", "b"], "head": head, "template": "Text: {}" });
        let dir = adapter_with(&path("peft/llama2-seqcls"), &json, |tensors| {
            *tensors = vec![("base_model.model.classifier.weight".into(), vec![2, width], values.clone())];
        });
        let config = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": []}"#;
        std::fs::write(dir.path().join("adapter_config.json"), config).expect("written");
        let alias = format!("head-{}", layers.unwrap_or(0));
        engine.install(&alias, dir.path(), InstallPolicy::Create).expect("installed")
    };
    let text = "The cup final went to penalties, and the keeper saved three of them. ".repeat(8);
    let time = |adapter: &Arc<Adapter>| {
        let options = ClassifyOptions { adapter: Some(adapter.clone()), ..ClassifyOptions::default() };
        let run = || {
            let start = std::time::Instant::now();
            let result = engine.classify(text.as_str(), &options).expect("classified");
            assert_eq!(result.scored_by, ScoredBy::AdapterHead);
            start.elapsed().as_secs_f64()
        };
        run();
        (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
    };
    let (third, all) = (time(&adapter(Some(10))), time(&adapter(None)));
    println!("10 blocks {:.1} ms, all 30 {:.1} ms", third * 1e3, all * 1e3);
    assert!(third < 0.75 * all, "{third} s of {all} s");
}

/// Labels are read several at a time: each as if it were alone.
#[test]
fn answers_do_not_depend_on_their_company() {
    let Some(dir) = foundation() else { return };
    let engine = Engine::open(dir).expect("engine");
    let labels =
        ["sports", "world politics", "business", "science", "art", "food", "law", "weather", "travel", "history"];
    let options = AnswerLabels {
        labels: labels.map(str::to_owned).to_vec(),
        instructions: Some("Name the topic of the text.".into()),
        ..AnswerLabels::default()
    };
    let text = "The striker scored twice in the second half.";
    let all = engine.classify_by_answers(text, &options).expect("classified");
    assert_eq!(all.scored_by, ScoredBy::Answers);
    let score = |result: &loam::task::Classification, label: &str| {
        f64::from(result.scores.iter().find(|s| s.label == label).expect("a score").probability).ln()
    };
    for label in &labels[1..] {
        let two = AnswerLabels { labels: vec!["sports".into(), (*label).into()], ..options.clone() };
        let two = engine.classify_by_answers(text, &two).expect("classified");
        let (together, alone) =
            (score(&all, label) - score(&all, "sports"), score(&two, label) - score(&two, "sports"));
        assert!((together - alone).abs() < 1e-3, "{label}: {together} and {alone}");
    }
    let without = AnswerLabels { template: Some("no place".into()), ..options };
    assert!(matches!(engine.classify_by_answers(text, &without), Err(Error::Argument { .. })));
}
