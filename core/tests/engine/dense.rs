//! Dense heads against the same networks in PyTorch, and what the tasks make of their planes.

use std::sync::Arc;

use loam::Error;
use loam::adapter::{Adapter, AdapterPackage, Base, InstallPolicy, bind};
use loam::engine::Engine;
use loam::input::{Image, Input, PixelLayout};
use loam::model::Modality;
use loam::model::encoder::{Features, Item, open};
use loam::task::DetectOptions;
use loam::weights::Safetensors;
use serde_json::{Value, json};

use crate::answer::assemble;
use crate::fixture::{adapter_with, floats, max_difference, path};

const HEADS: [&str; 5] = ["classes", "mask", "density", "boxes", "points"];
const TOLERANCE: f32 = 1e-4;
const SIZE: [usize; 2] = [24, 32];

#[test]
fn planes_match_pytorch() {
    let encoder = open(&path("models/tower-image"), Modality::IMAGE).expect("tower");
    for gives in HEADS {
        let dir = path(&format!("peft/dense-{gives}"));
        let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
        let base = Base { linears: encoder.linears(), fingerprint: None, tied: false };
        let bound = bind(&AdapterPackage::open(&dir).expect("package"), &base).expect("bound");
        let head = bound.dense.as_ref().expect("a dense head");
        let (inputs, planes) = (floats(&expected, "inputs"), floats(&expected, "planes"));
        let (inputs, planes) = (inputs.chunks_exact(inputs.len() / 2), planes.chunks_exact(planes.len() / 2));
        for (input, wanted) in inputs.zip(planes) {
            let features = Features::new(input.to_vec(), vec![3, SIZE[0], SIZE[1]]).expect("features");
            let states = encoder.map(&Item { features: &features, deltas: Some(&bound.deltas) }).expect("states");
            let ours = head.apply(&states);
            assert_eq!((ours.height, ours.width), (24, 32));
            assert_eq!(ours.values.len(), wanted.len());
            let worst = max_difference(&ours.values, wanted);
            assert!(worst <= TOLERANCE, "{gives}: planes differ by {worst}");
            let bare = head.apply(&encoder.map(&Item { features: &features, deltas: None }).expect("states"));
            assert!(max_difference(&ours.values, &bare.values) > 1e-2, "{gives}: LoRA changes nothing");
        }
        assert!(bound.bytes() > head.bytes() && head.bytes() > 0);
    }
}

fn engine() -> (tempfile::TempDir, Engine) {
    let root = tempfile::tempdir().expect("folder");
    let components = [("image", "image-encoder", Some("tower-image")), ("sound", "sound-encoder", Some("tower-sound"))];
    assemble(root.path(), &components);
    let engine = Engine::open(root.path()).expect("foundation");
    (root, engine)
}

fn picture(width: usize, height: usize) -> Input {
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
    Input::Image(Image::from_pixels(&pixels, PixelLayout::Rgb, width, height).expect("picture"))
}

fn install(engine: &Engine, gives: &str) -> Arc<Adapter> {
    engine.install(gives, path(&format!("peft/dense-{gives}")), InstallPolicy::Create).expect("installed")
}

#[test]
fn tasks_read_planes_in_the_pictures_own_pixels() {
    let (_root, engine) = engine();
    let [classes, mask, density, boxes, points] = HEADS.map(|gives| install(&engine, gives));
    let input = picture(64, 96);

    let segmentation = engine.segment(input.clone(), &classes).expect("segmented");
    assert_eq!(segmentation.labels, ["sky", "sea", "sand"]);
    assert_eq!((segmentation.height, segmentation.width), (24, 32));
    let places = 24 * 32;
    for place in 0..places {
        let sum: f32 = (0..3).map(|label| segmentation.probabilities[label * places + place]).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum} at {place}");
    }
    assert!(segmentation.classes().iter().collect::<std::collections::BTreeSet<_>>().len() > 1, "one label everywhere");
    assert_eq!(segmentation.trace.steps.len(), 1);
    assert_eq!(segmentation.trace.steps[0].component, "image");

    let cut = engine.segment(input.clone(), &mask).expect("cut out");
    assert_eq!(cut.labels, ["foreground"]);
    assert!(cut.stretched(0, 96, 64).iter().all(|alpha| (0.0..=1.0).contains(alpha)));

    let counted = engine.count(input.clone(), &density).expect("counted");
    assert_eq!(counted.label, "bird");
    let sum: f64 = counted.density.iter().map(|value| f64::from(*value)).sum();
    assert!(counted.density.iter().all(|value| *value >= 0.0) && (f64::from(counted.count) - sum).abs() < 1e-3);

    let all = DetectOptions { least: 0.0, ..DetectOptions::default() };
    let found = engine.detect(input.clone(), &boxes, &all).expect("detected");
    assert!(!found.things.is_empty() && found.things.len() <= all.most);
    for thing in &found.things {
        assert!(thing.x >= 0.0 && thing.y >= 0.0 && thing.x + thing.width <= 64.1 && thing.y + thing.height <= 96.1);
    }
    assert!(found.things.is_sorted_by(|a, b| a.score >= b.score));
    let sure = found.things[0].score;
    let surest = DetectOptions { least: sure, ..all };
    assert_eq!(engine.detect(input.clone(), &boxes, &surest).expect("detected").things[0], found.things[0]);

    let located = engine.locate(input, &points).expect("located");
    let names: Vec<&str> = located.points.iter().map(|point| point.label.as_str()).collect();
    assert_eq!(names, ["bow", "mast", "stern"]);
    assert!(located.points.iter().all(|p| (0.0..=64.0).contains(&p.x) && (0.0..=96.0).contains(&p.y)));
}

#[test]
fn other_heads_inputs_and_options_are_refused_by_name() {
    let (_root, engine) = engine();
    let (classes, boxes) = (install(&engine, "classes"), install(&engine, "boxes"));
    let refused = |error: Error, words: &str| assert!(error.to_string().contains(words), "{error}");
    refused(engine.count(picture(8, 8), &classes).expect_err("no density"), "gives Classes");
    refused(engine.segment("a text", &classes).expect_err("no picture"), "expected a picture");
    let options = DetectOptions { overlap: 1.5, ..DetectOptions::default() };
    refused(engine.detect(picture(8, 8), &boxes, &options).expect_err("no overlap"), "overlap");
    let without = engine.install("plain", path("peft/tower-image-r2"), InstallPolicy::Create).expect("installed");
    refused(engine.locate(picture(8, 8), &without).expect_err("no head"), "brings no dense head");
    let options = loam::task::ClassifyOptions { adapter: Some(boxes), ..Default::default() };
    refused(engine.classify(picture(8, 8), &options).expect_err("no label of the whole"), "by places");
}

fn task(gives: &str) -> Value {
    let file = path(&format!("peft/dense-{gives}")).join("task.json");
    serde_json::from_slice(&std::fs::read(file).expect("task")).expect("json")
}

#[test]
fn damaged_heads_are_refused_at_installation() {
    let (_root, engine) = engine();
    let from = path("peft/dense-classes");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut task = task("classes");
        change(&mut task);
        let dir = adapter_with(&from, &task, |_| {});
        engine.install("damaged", dir.path(), InstallPolicy::Upsert).expect_err("damaged").to_string()
    };
    for (change, words) in [
        (&(|t: &mut Value| t["head"]["states"] = json!([12, 6, 7])) as &dyn Fn(&mut Value), "[12, 6, 7]"),
        (&|t: &mut Value| t["head"]["states"] = json!([0, 6, 8]), "states [0, 6, 8]"),
        (&|t: &mut Value| t["head"]["states"] = json!([12, 9000, 8]), "states [12, 9000, 8]"),
        (&|t: &mut Value| t["head"]["gives"] = json!("depth"), "depth"),
        (&|t: &mut Value| t["labels"] = json!(["sky"]), "1 labels"),
        (&|t: &mut Value| t["labels"] = json!(["sky", "sea", "sand", "land"]), "3 planes, expected 4"),
        (&|t: &mut Value| t["head"]["stages"][3] = json!({ "type": "upsample", "factor": 100 }), "factor 100"),
        (&|t: &mut Value| t["head"]["stages"][6] = json!({ "type": "pixel_shuffle", "factor": 5 }), "squares of 5"),
        (&|t: &mut Value| t["head"]["stages"][0] = json!({ "type": "warp" }), "stages.0"),
        (&|t: &mut Value| t["head"]["stages"][0]["outputs"] = json!(9), "shape"),
        (&|t: &mut Value| t["preprocessing"] = Value::Null, "preprocessing is missing"),
        (&|t: &mut Value| t["preprocessing"]["do_center_crop"] = json!(true), "preprocessing"),
        (&|t: &mut Value| t["preprocessing"]["size"] = json!({ "height": 24, "width": 48 }), "[12, 6, 12]"),
        (&|t: &mut Value| t["component"] = json!("sound"), "module"),
    ] {
        let error = with(change);
        assert!(error.contains(words), "{error} names no {words}");
    }
    let dir = adapter_with(&from, &task("classes"), |tensors| {
        tensors.retain(|(name, ..)| !name.ends_with("classifier.stages.5.bias"));
    });
    let error = engine.install("damaged", dir.path(), InstallPolicy::Upsert).expect_err("a hole").to_string();
    assert!(error.contains("stages.5.bias"), "{error}");
    let dir = adapter_with(&from, &task("classes"), |tensors| {
        tensors.push(("base_model.model.classifier.stages.9.weight".into(), vec![1], vec![0.0]));
    });
    let error = engine.install("damaged", dir.path(), InstallPolicy::Upsert).expect_err("too many").to_string();
    assert!(error.contains("stages.9.weight"), "{error}");
}

#[test]
fn a_head_alone_is_an_adapter() {
    let (_root, engine) = engine();
    let from = path("peft/dense-mask");
    let task: Value = serde_json::from_slice(&std::fs::read(from.join("task.json")).expect("a task")).expect("json");
    let package = adapter_with(&from, &task, |tensors| tensors.retain(|(name, ..)| name.contains(".classifier.")));
    let config = json!({ "peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": [] });
    std::fs::write(package.path().join("adapter_config.json"), config.to_string()).expect("written");
    let alone = engine.install("alone", package.path(), InstallPolicy::Create).expect("installed");
    let ours = engine.segment(picture(64, 96), &alone).expect("cut out");
    let theirs = engine.segment(picture(64, 96), &install(&engine, "mask")).expect("cut out");
    assert_eq!(ours.labels, theirs.labels);
    assert!(max_difference(&ours.probabilities, &theirs.probabilities) > 1e-4, "the other one has LoRA, too");
}
