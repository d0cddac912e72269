//! Modalities that were added by a file and a line each (docs/adding-a-modality.md): what follows by itself.

use std::path::Path;

use loam::Error;
use loam::adapter::{Adapter, InstallPolicy};
use loam::engine::Engine;
use loam::foundation::{ComponentKind, Manifest};
use loam::input::{Image, Input, PixelLayout};
use loam::model::Modality;
use loam::model::encoder::{FAMILIES, modality};
use loam::task::{ClassifyOptions, EmbedOptions, ScoredBy, Scoring, similarity};

use crate::fixture::{max_difference, path};

const ADDED: [&str; 2] = ["depth", "thermal"];

/// ImageBind's fixture with a tokenizer, so that texts run too.
fn foundation() -> (tempfile::TempDir, Engine) {
    let to = tempfile::tempdir().expect("folder");
    let files = [("imagebind-tiny", "config.json"), ("imagebind-tiny", "model.safetensors")];
    let words = [("siglip-tiny", "tokenizer.json"), ("siglip-tiny", "tokenizer_config.json")];
    for (model, file) in files.into_iter().chain(words) {
        std::fs::copy(path("models").join(model).join(file), to.path().join(file)).expect("copied");
    }
    let engine = Engine::open(to.path()).expect("engine");
    (to, engine)
}

fn named(name: &str) -> Modality {
    modality(name).expect("a modality")
}

fn picture(level: u8) -> Image {
    let pixels: Vec<u8> = (0..20 * 14).map(|i| level.wrapping_add((i % 23) as u8 * 3)).collect();
    Image::from_pixels(&pixels, PixelLayout::Grey, 20, 14).expect("picture")
}

fn installed(engine: &Engine, name: &str) -> std::sync::Arc<Adapter> {
    let (from, to) = (path("imagebind").join(format!("{name}-r3")), tempfile::tempdir().expect("folder"));
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(from.join(file), to.path().join(file)).expect("copied");
    }
    let task = serde_json::json!({ "path": "encoder", "component": name });
    std::fs::write(to.path().join("task.json"), task.to_string()).expect("written");
    engine.install(name, to.path(), InstallPolicy::Upsert).expect("installed")
}

#[test]
fn foundations_know_the_kind_of_component() {
    let (_dir, engine) = foundation();
    for name in ADDED {
        let kind = ComponentKind::Encoder(named(name));
        assert_eq!(ComponentKind::parse(&format!("{name}-encoder")), Some(kind));
        assert_eq!(engine.foundation().component(kind).expect("a component").name(), name);
    }
    let file = tempfile::NamedTempFile::new().expect("file");
    let component = |kind: &str| {
        serde_json::json!({ "schema": 1, "id": "x", "version": "1", "components": [{
            "name": "eyes", "kind": kind, "format": "hugging-face", "entry": "eyes",
            "files": [{ "path": "eyes/model.safetensors", "bytes": 1, "sha256": "0".repeat(64) }],
        }] })
    };
    std::fs::write(file.path(), component("depth-encoder").to_string()).expect("written");
    let manifest = Manifest::read(file.path()).expect("a manifest");
    assert_eq!(manifest.components[0].kind.to_string(), "depth-encoder");
    std::fs::write(file.path(), component("smell-encoder").to_string()).expect("written");
    assert!(Manifest::read(file.path()).expect_err("unknown").to_string().contains("smell-encoder"));
}

#[test]
fn pictures_are_prepared_as_each_tower_reads_them() {
    let (_dir, engine) = foundation();
    // A uniform picture: level 51 of 255 is 0.2.
    let flat = Image::from_pixels(&[51; 18 * 12], PixelLayout::Grey, 18, 12).expect("picture");
    for (name, value) in [("depth", (0.2 - 0.0418) / 0.0295), ("thermal", 0.2)] {
        let model = engine.encoder(named(name)).expect("tower");
        let features = model.encoder().prepare(&Input::Image(flat.clone())).expect("prepared");
        assert_eq!(features.shape, [1, 12, 12], "{name}");
        let worst = features.values.iter().map(|v| (v - value).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{name}: {worst}");
        let refused = model.encoder().prepare(&Input::from("a text")).expect_err("refused");
        assert!(matches!(refused, Error::Argument { .. }), "{refused}");
    }
}

#[test]
fn embeddings_and_adapters_follow_and_the_trace_names_the_tower() {
    let (_dir, engine) = foundation();
    let as_picture = engine.embed(picture(90), &EmbedOptions::default()).expect("embedded");
    for name in ADDED {
        let options = EmbedOptions { modality: Some(named(name)), ..EmbedOptions::default() };
        let bare = engine.embed(picture(90), &options).expect("embedded");
        assert_eq!(bare.trace.steps.iter().map(|s| s.component.as_str()).collect::<Vec<_>>(), [name]);
        assert!(max_difference(&bare.vector, &as_picture.vector) > 1e-2, "{name} is read as a picture");
        // An adapter says which component reads; nobody has to say it again.
        let adapter = installed(&engine, name);
        let adapted = EmbedOptions { adapter: Some(adapter.clone()), modality: None };
        let adapted = engine.embed(picture(90), &adapted).expect("embedded");
        assert_eq!(adapted.trace.steps[0].component, name);
        assert!(max_difference(&bare.vector, &adapted.vector) > 1e-2, "{name}: the adapter does nothing");
        let wrong = EmbedOptions { adapter: Some(adapter), modality: Some(Modality::IMAGE) };
        let refused = engine.embed(picture(90), &wrong).expect_err("another component").to_string();
        assert!(refused.contains(&format!("'{name}'")) && refused.contains("'image'"), "{refused}");
    }
}

#[test]
fn labels_classify_without_the_backbone_or_another_tower() {
    for name in ADDED {
        let (_dir, engine) = foundation();
        let labels = ["a cat", "the red house", "two trees"].map(str::to_owned).to_vec();
        let modality = Some(named(name));
        let options = ClassifyOptions { labels: labels.clone(), modality, ..ClassifyOptions::default() };
        let result = engine.classify(picture(140), &options).expect("classified");
        assert_eq!((result.scored_by, result.scoring), (ScoredBy::Labels, Scoring::Softmax));
        let steps: Vec<&str> = result.trace.steps.iter().map(|step| step.component.as_str()).collect();
        assert_eq!(steps, [name, "text"]);
        let loaded = engine.loaded();
        assert!(loaded.len() == 2 && loaded.iter().all(|component| steps.contains(&component.name.as_str())));
        // The same by hand: cosines times both scales.
        let embed = |input: Input, modality| {
            engine.embed(input, &EmbedOptions { modality, adapter: None }).expect("embedded").vector
        };
        let (vector, scale) = (embed(picture(140).into(), modality), if name == "depth" { 500.0 } else { 1000.0 });
        let cosines = labels
            .iter()
            .map(|label| similarity(&vector, &embed(Input::from(format!("a photo of a {label}.").as_str()), None)));
        let logits: Vec<f64> = cosines.map(|cosine| f64::from(cosine) * scale).collect();
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = logits.iter().map(|v| (v - largest).exp()).sum();
        for (label, logit) in labels.iter().zip(&logits) {
            let ours = result.scores.iter().find(|score| score.label == *label).expect("a label").probability;
            let theirs = ((logit - largest).exp() / total) as f32;
            assert!((ours - theirs).abs() < 1e-3, "{name}: {label} {ours} {theirs}");
        }
    }
}

/// The guide names files and lines; this keeps it true.
#[test]
fn the_guide_quotes_lines_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("../docs/adding-a-modality.md")).expect("the guide");
    let source = |file: &str| std::fs::read_to_string(root.join("src/model/encoder").join(file)).expect("source");
    let registry = source("registry.rs");
    let mut quoted = 0;
    for line in guide.lines().map(str::trim).filter(|line| line.starts_with("Family {")) {
        assert!(registry.contains(line), "the registry has no line '{line}'");
        quoted += 1;
    }
    assert!(quoted >= 1 && guide.contains("imagebind/depth.rs") && guide.contains("imagebind/thermal.rs"));
    for name in ADDED {
        assert!(source("imagebind/mod.rs").contains(&format!("mod {name};")));
        assert_eq!(FAMILIES.iter().filter(|family| family.modality.as_str() == name).count(), 1);
    }
}
