//! Heads that adapters bring, against torch; what of a task's description is checked, and by which name it is refused.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use loam::adapter::{Adapter, AdapterPackage, HeadReads, HeadSpec, InstallPolicy};
use loam::engine::Engine;
use loam::input::{Audio, Channels, Image, SampleRate};
use loam::model::Modality;
use loam::model::encoder::{Features, Item};
use loam::task::{ClassifyOptions, EmbedOptions, RegressOptions, ScoredBy, Scoring, SpellOptions};
use loam::{Error, Result};

use crate::fixture::{Tensor, adapter_with, floats, max_difference, path};
use crate::pairs::expected;

const TOLERANCE: f32 = 1e-4;
const HEADS: [&str; 6] = ["linear", "linear-mean", "cosine", "cosine-learned", "ctc", "regression"];

fn engine() -> Engine {
    Engine::open(path("models/ast-tiny")).expect("engine")
}

fn folder(name: &str) -> std::path::PathBuf {
    path("heads").join(name)
}

fn task(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("task.json")).expect("task")).expect("json")
}

fn install(engine: &Engine, dir: &Path) -> Result<Arc<Adapter>> {
    engine.install("head", dir, InstallPolicy::Upsert)
}

fn sound(index: usize) -> Audio {
    let samples = floats(&expected("models/ast-tiny"), &format!("sound.{index}"));
    Audio::from_f32(&samples, Channels::MONO, SampleRate::SPEECH).expect("sound")
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let total: f32 = logits.iter().map(|v| v.exp()).sum();
    logits.iter().map(|v| v.exp() / total).collect()
}

#[test]
fn heads_of_every_kind_match_torch() {
    let engine = engine();
    let model = engine.encoder(Modality::SOUND).expect("network");
    let inputs = floats(&expected("models/ast-tiny"), "spectrograms");
    let inputs: Vec<Features> =
        inputs.chunks_exact(33 * 27).map(|v| Features::new(v.to_vec(), vec![33, 27]).expect("features")).collect();
    for name in HEADS {
        let adapter = install(&engine, &folder(name)).expect("installed");
        let head = adapter.bound.head.as_ref().expect("a head");
        let items: Vec<Item<'_>> =
            inputs.iter().map(|features| Item { features, deltas: Some(&adapter.bound.deltas) }).collect();
        let encodings = model.encoder().encode(&items).expect("encoded");
        let ours: Vec<f32> = encodings.iter().flat_map(|encoding| head.apply(encoding)).collect();
        let worst = max_difference(&ours, &floats(&expected(&format!("heads/{name}")), "spectrograms"));
        println!("{name:<14} max |difference| {worst:.1e}");
        assert!(worst <= TOLERANCE, "{name}: {worst}");
        // A saved package runs alike.
        let package = tempfile::tempdir().expect("folder").keep().join("head.loam");
        AdapterPackage::open(folder(name)).expect("package").save(&package).expect("saved");
        let again = install(&engine, &package).expect("installed");
        assert_eq!(again.package.task(), adapter.package.task());
        let again: Vec<f32> =
            encodings.iter().flat_map(|e| again.bound.head.as_ref().expect("a head").apply(e)).collect();
        assert_eq!(again, ours, "{name}");
        std::fs::remove_dir_all(package.parent().expect("a folder")).expect("removed");
    }
}

#[test]
fn sounds_are_classified_and_measured_by_heads() {
    let engine = engine();
    let labels = ["speech", "siren", "rain"];
    for name in ["linear", "linear-mean", "cosine", "cosine-learned"] {
        let adapter = install(&engine, &folder(name)).expect("installed");
        for index in 0..2 {
            let options = ClassifyOptions { adapter: Some(adapter.clone()), ..ClassifyOptions::default() };
            let result = engine.classify(sound(index), &options).expect("classified");
            assert_eq!((result.scored_by, result.scoring), (ScoredBy::AdapterHead, Scoring::Softmax));
            let ours: Vec<f32> = labels
                .iter()
                .map(|l| result.scores.iter().find(|s| s.label == *l).expect("a label").probability)
                .collect();
            let logits = floats(&expected(&format!("heads/{name}")), &format!("sound.{index}"));
            assert!(max_difference(&ours, &softmax(&logits)) <= TOLERANCE, "{name} {index}: {ours:?}");
        }
        let refused = engine.regress(sound(0), &RegressOptions { adapter: Some(adapter), modality: None });
        assert!(matches!(refused, Err(Error::Adapter { .. })), "{name}: {refused:?}");
    }
    let adapter = install(&engine, &folder("regression")).expect("installed");
    for index in 0..2 {
        let options = RegressOptions { adapter: Some(adapter.clone()), modality: None };
        let found = engine.regress(sound(index), &options).expect("measured");
        let values: Vec<f32> = found.values.iter().map(|v| v.value).collect();
        let theirs = floats(&expected("heads/regression"), &format!("sound.{index}"));
        assert!(max_difference(&values, &theirs) <= TOLERANCE, "{values:?} {theirs:?}");
        let named: Vec<(&str, Option<&str>)> =
            found.values.iter().map(|v| (v.name.as_str(), v.unit.as_deref())).collect();
        assert_eq!(named, [("pulse", Some("1/min")), ("loudness", None)]);
        assert_eq!(found.trace.steps[0].component, "sound");
    }
    for name in ["ctc", "regression"] {
        let adapter = install(&engine, &folder(name)).expect("installed");
        let options =
            ClassifyOptions { adapter: Some(adapter), labels: vec!["a".into(), "b".into()], ..Default::default() };
        let refused = engine.classify(sound(0), &options).expect_err("no labels").to_string();
        assert!(refused.contains(&format!("{name} head")), "{refused}");
    }
    let refused = engine.regress(sound(0), &RegressOptions::default()).expect_err("a classifier").to_string();
    assert!(refused.contains("'sound'"), "{refused}");
}

/// Torch's logits of each patch, averaged over frequencies behind the two special tokens and decoded by hand: the best of each
/// frame, repetitions and blanks left out.
#[test]
fn a_ctc_head_spells_what_it_finds() {
    let engine = engine();
    let adapter = install(&engine, &folder("ctc")).expect("installed");
    // Of the package's "", "|", "a", "b", "c": a bar parts words, as in every vocabulary of CTC.
    let vocabulary = ["", " ", "a", "b", "c"];
    let mut found = 0;
    for index in 0..2 {
        let logits = floats(&expected("heads/ctc"), &format!("sound.{index}"));
        let patches = &logits[2 * 5..];
        let (rows, columns) = (6, 6);
        assert_eq!(patches.len(), rows * columns * 5);
        let in_time: Vec<f32> = (0..columns * 5)
            .map(|at| (0..rows).map(|row| patches[row * columns * 5 + at]).sum::<f32>() / rows as f32)
            .collect();
        let best = in_time.chunks_exact(5).map(|row| (0..5).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("five"));
        let best: Vec<usize> = best.collect();
        let kept = (0..best.len()).filter(|&i| best[i] != 0 && (i == 0 || best[i] != best[i - 1]));
        let pieces: Vec<(u64, &str)> = kept.map(|i| (i as u64, vocabulary[best[i]])).collect();
        let spelling =
            engine.spell(sound(index), &SpellOptions { adapter: adapter.clone(), modality: None }).expect("spelled");
        let ours: Vec<(u64, &str)> = spelling.pieces.iter().map(|p| (p.frame, p.piece.as_str())).collect();
        assert_eq!(ours, pieces);
        assert_eq!(spelling.text, pieces.iter().map(|(_, piece)| *piece).collect::<String>());
        for piece in &spelling.pieces {
            let row = &in_time[piece.frame as usize * 5..][..5];
            let total = row.iter().map(|v| v.exp()).sum::<f32>().ln();
            let theirs = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - total;
            assert!((piece.log_probability - theirs).abs() <= TOLERANCE, "{piece:?}, torch has {theirs}");
        }
        assert_eq!(spelling.trace.steps[0].component, "sound");
        found += pieces.len();
    }
    assert!(found > 0, "nothing is shown");
    let other = install(&engine, &folder("linear")).expect("installed");
    let refused = engine.spell(sound(0), &SpellOptions { adapter: other, modality: None }).expect_err("no ctc head");
    assert!(refused.to_string().contains("linear head"), "{refused}");
}

/// A head beside zero deltas reads what the bare network gives.
#[test]
fn a_head_beside_zero_deltas_reads_the_bare_states() {
    let engine = engine();
    let zero = adapter_with(&folder("regression"), &task("regression"), |tensors| {
        tensors.iter_mut().filter(|(name, ..)| name.contains("lora_B")).for_each(|(_, _, values)| values.fill(0.0));
    });
    let adapter = install(&engine, zero.path()).expect("installed");
    let model = engine.encoder(Modality::SOUND).expect("network");
    let bare = model.encode(&[sound(0).into()], None).expect("encoded").0;
    assert_eq!(model.encode_adapted(&[sound(0).into()], &adapter.bound).expect("encoded").0, bare);
    let options = RegressOptions { adapter: Some(adapter.clone()), modality: None };
    let found: Vec<f32> =
        engine.regress(sound(0), &options).expect("measured").values.iter().map(|v| v.value).collect();
    assert_eq!(found, adapter.bound.head.as_ref().expect("a head").apply(&bare[0]));
    assert_eq!(adapter.bound.head.as_ref().expect("a head").spec().reads(), HeadReads::MeanState);
}

/// What installing a changed copy of `heads/<name>` says.
fn refusal(name: &str, description: impl FnOnce(&mut Value), change: impl FnOnce(&mut Vec<Tensor>)) -> String {
    let mut json = task(name);
    description(&mut json);
    let dir = adapter_with(&folder(name), &json, change);
    match install(&engine(), dir.path()) {
        Err(Error::Adapter { reason, .. }) => reason,
        Err(other) => panic!("{name}: {other}"),
        Ok(_) => panic!("{name} was accepted"),
    }
}

fn named<'a>(tensors: &'a mut [Tensor], ending: &str) -> &'a mut Tensor {
    tensors.iter_mut().find(|(name, ..)| name.ends_with(ending)).expect("a tensor")
}

fn set(tensors: &mut Vec<Tensor>, name: &str, shape: Vec<usize>, values: Vec<f32>) {
    tensors.push((format!("base_model.model.{name}"), shape, values));
}

#[test]
fn heads_whose_tensors_do_not_fit_are_refused_by_name() {
    let keep = |_: &mut Value| {};
    let refused = |name: &str, change: &dyn Fn(&mut Vec<Tensor>)| refusal(name, keep, change);
    let gone = |ending: &'static str| move |t: &mut Vec<Tensor>| t.retain(|(name, ..)| !name.ends_with(ending));
    for (reason, wanted) in [
        (refused("linear", &gone("classifier.weight")), "classifier.bias"),
        (refused("regression", &gone("classifier.weight")), "classifier.bias"),
        (refused("cosine", &gone("classifier.weight")), "'classifier.weight' is missing"),
        (refused("cosine-learned", &gone("classifier.scale")), "'classifier.scale' is missing"),
        (refused("linear", &|t| named(t, "classifier.bias").1 = vec![3, 1]), "classifier.bias"),
        (refused("linear", &|t| named(t, "classifier.weight").1 = vec![48]), "classifier.weight"),
        (refused("linear", &|t| named(t, "classifier.weight").1 = vec![6, 8]), "6 rows for 3 labels"),
        (refused("linear", &|t| named(t, "classifier.weight").2[7] = f32::NAN), "value 7 is NaN"),
        (refused("cosine", &|t| set(t, "classifier.bias", vec![3], vec![0.0; 3])), "classifier.bias"),
        (refused("cosine", &|t| set(t, "classifier.scale", vec![1], vec![2.0])), "gives a scale already"),
        (refused("linear-mean", &|t| set(t, "score.scale", vec![1], vec![2.0])), "a linear head has none"),
        (refused("linear-mean", &|t| set(t, "classifier.weight", vec![3, 16], vec![0.0; 48])), "score.weight"),
        (refused("linear-mean", &|t| set(t, "score.gain", vec![1], vec![2.0])), "score.gain"),
        (refused("cosine-learned", &|t| named(t, "scale").2[0] = f32::NAN), "value 0 is NaN"),
        (refused("cosine-learned", &|t| named(t, "scale").2[0] = -1.0), "scale is -1"),
        (refused("cosine-learned", &|t| set(t, "score.scale", vec![1], vec![2.0])), "scale"),
        (refused("regression", &|t| named(t, "classifier.weight").1 = vec![1, 32]), "1 rows for 2 outputs"),
        (
            refused("regression", &|t| {
                (named(t, "classifier.weight").1, named(t, "classifier.weight").2) = (vec![2, 15], vec![0.0; 30]);
            }),
            "[2, 15]",
        ),
    ] {
        assert!(reason.contains(wanted), "{reason} instead of {wanted}");
    }
}

#[test]
fn descriptions_that_make_no_sense_are_refused_by_value() {
    let refused = |name: &str, field: &str, value: Value| refusal(name, |json| json[field] = value, |_| {});
    for (reason, wanted) in [
        (refused("linear", "head", json!({ "kind": "fancy" })), "fancy"),
        (refused("linear", "head", json!({ "kind": "linear", "depth": 2 })), "depth"),
        (refused("linear", "head", json!({ "kind": "linear", "reads": "tea-leaves" })), "tea-leaves"),
        (refused("linear", "head", json!({ "kind": "linear", "reads": "frames" })), "'frames'"),
        (refused("linear", "labels", json!(["a", "b"])), "3 rows for 2 labels"),
        (refused("cosine", "head", json!({ "kind": "cosine", "scale": 0.0 })), "scale is 0"),
        (refused("cosine", "head", json!({ "kind": "cosine", "scale": -3.0 })), "scale is -3"),
        (refused("cosine", "head", json!({ "kind": "cosine", "scale": 1e9 })), "scale is 1000000000"),
        (refused("cosine", "head", json!({ "kind": "cosine", "scale": "NaN" })), "NaN"),
        (
            refused("ctc", "head", json!({ "kind": "ctc", "vocabulary": ["", "a", "b", "c", "d"], "blank": 5 })),
            "blank is 5",
        ),
        (refused("ctc", "head", json!({ "kind": "ctc", "vocabulary": ["", "a"] })), "5 rows for 2 pieces"),
        (refused("ctc", "head", json!({ "kind": "ctc", "vocabulary": ["a"] })), "vocabulary of 1"),
        (refused("ctc", "head", json!({ "kind": "ctc", "vocabulary": ["", "x".repeat(300)] })), "300 bytes"),
        (refused("ctc", "labels", json!(["a"])), "1 labels"),
        (refused("regression", "head", json!({ "kind": "regression", "outputs": [] })), "0 outputs"),
        (
            refused(
                "regression",
                "head",
                json!({ "kind": "regression", "outputs": [{ "name": "a" }, { "name": "a" }] }),
            ),
            "'a' is empty or given twice",
        ),
        (refused("linear", "template", json!("no place")), "'no place'"),
        (refused("linear", "component", json!("nose")), "'nose'"),
        (refused("linear", "preprocessing", json!({ "rate": 20.0, "steps": 120 })), "layout"),
        (
            refused("linear", "preprocessing", json!({ "feature_extractor_type": "ASTFeatureExtractor", "dither": 1 })),
            "[1024, 128]",
        ),
        (refused("linear", "preprocessing", json!("fast")), "not an object"),
    ] {
        assert!(reason.contains(wanted), "{reason} instead of {wanted}");
    }
    // Tensors of a head over frames need a declaration.
    let undeclared = refusal("ctc", |json| drop(json.as_object_mut().expect("object").remove("head")), |_| {});
    assert!(undeclared.contains("lm_head"), "{undeclared}");
    let spec: HeadSpec = serde_json::from_value(json!({ "kind": "cosine", "scale": 30.0 })).expect("a head");
    assert_eq!((spec.kind(), spec.reads()), ("cosine", HeadReads::Embedding));
}

/// Other levels than the component's own preprocessing makes: the adapter's is what is run.
#[test]
fn an_adapter_brings_its_own_preprocessing() {
    let engine = engine();
    let mut json = task("regression");
    json["preprocessing"] = json!({
        "feature_extractor_type": "ASTFeatureExtractor", "num_mel_bins": 27, "max_length": 33, "mean": -3.0, "std": 2.0,
    });
    let own = adapter_with(&folder("regression"), &json, |_| {});
    let values = |dir: &Path| {
        let options = RegressOptions { adapter: Some(install(&engine, dir).expect("installed")), modality: None };
        let found = engine.regress(sound(0), &options).expect("measured");
        found.values.iter().map(|v| v.value).collect::<Vec<f32>>()
    };
    let adapted = values(own.path());
    assert!(max_difference(&adapted, &values(&folder("regression"))) > 1e-2);
    // The same by hand, from the levels that were prepared with other constants.
    let adapter = install(&engine, own.path()).expect("installed");
    let model = engine.encoder(Modality::SOUND).expect("network");
    let mel = model.encoder().prepare(&sound(0).into()).expect("prepared");
    let other = mel.values.iter().map(|v| (v * 2.0 * 3.7 - 5.1 + 3.0) / (2.0 * 2.0)).collect();
    let features = Features::new(other, mel.shape).expect("features");
    let item = Item { features: &features, deltas: Some(&adapter.bound.deltas) };
    let encoding = model.encoder().encode(&[item]).expect("encoded").remove(0);
    let by_hand = adapter.bound.head.as_ref().expect("a head").apply(&encoding);
    assert!(max_difference(&adapted, &by_hand) <= TOLERANCE, "{adapted:?} {by_hand:?}");
}

/// A template of the adapter's stands in for the default sentence, and gives way to the caller's.
#[test]
fn an_adapter_brings_its_own_template() {
    let engine = Engine::open(path("models/siglip-tiny")).expect("engine");
    let json =
        json!({ "path": "encoder", "component": "image", "template": "two {} on the mat", "labels": ["cat", "dog"] });
    let dir = adapter_with(&path("peft/siglip-image-r2"), &json, |_| {});
    let adapter = engine.install("mat", dir.path(), InstallPolicy::Create).expect("installed");
    let picture = || Image::open(path("images/exact.png")).expect("picture");
    let scores = |template: Option<&str>, adapter: Option<Arc<Adapter>>| {
        let labels = vec!["cat".to_owned(), "dog".to_owned()];
        let options = ClassifyOptions { labels, template: template.map(str::to_owned), adapter, modality: None };
        engine.classify(picture(), &options).expect("classified").scores
    };
    let (own, named) = (scores(None, Some(adapter.clone())), scores(Some("two {} on the mat"), Some(adapter.clone())));
    assert_eq!(own, named);
    assert_ne!(own, scores(Some("a photo of a {}."), Some(adapter.clone())));
    let without = engine.embed(picture(), &EmbedOptions { adapter: Some(adapter), modality: None }).expect("embedded");
    assert_eq!(without.trace.steps.len(), 1);
}

/// On the backbone and on texts a head reads what there is, and no more.
#[test]
fn heads_that_read_what_a_component_does_not_give_are_refused() {
    let engine = Engine::open(path("models/llama2")).expect("engine");
    let refused = |head: Value, extra: Value| {
        let mut json = json!({ "head": head });
        json.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
        let dir = adapter_with(&path("peft/llama2-seqcls"), &json, |_| {});
        match engine.install("x", dir.path(), InstallPolicy::Upsert) {
            Err(Error::Adapter { reason, .. }) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was accepted"),
        }
    };
    let reason = refused(json!({ "kind": "linear" }), json!({ "preprocessing": { "n_mels": 64 } }));
    assert!(reason.contains("backbone component reads text"), "{reason}");
    let text = Engine::open(path("models/siglip-tiny")).expect("engine");
    let refused = |head: Value, width: usize| {
        let json = json!({ "path": "encoder", "component": "text", "head": head });
        let dir = adapter_with(&path("peft/siglip-text-r2"), &json, |tensors| {
            set(tensors, "classifier.weight", vec![2, width], vec![0.5; 2 * width]);
        });
        text.install("x", dir.path(), InstallPolicy::Create).expect_err("it does not fit").to_string()
    };
    let reason = refused(json!({ "kind": "linear" }), 17);
    assert!(reason.contains("[2, 17]") && reason.contains("16"), "{reason}");
    let reason = refused(json!({ "kind": "linear", "reads": "mean-state" }), 16);
    assert!(reason.contains("reads states"), "{reason}");
}
