//! Foundations of several small towers: strict manifests, tampered files, loading within a budget, and what Path 3 maps.

use std::path::Path;
use std::sync::Arc;

use loam::Error;
use loam::engine::{Engine, EngineOptions};
use loam::foundation::{Foundation, MANIFEST, Manifest, Verify};
use loam::input::{Image, Input, PixelLayout};
use loam::model::Modality;
use loam::model::encoder::{Encoding, Features, Item};
use loam::weights::{Safetensors, sha256_file};
use serde_json::{Value, json};

use crate::fixture::{floats, path};

/// Name, kind, fixture, files of each component of the test foundation.
const PARTS: [(&str, &str, &str); 4] = [
    ("image", "image-encoder", "vit-tiny"),
    ("sound", "sound-encoder", "tower-sound"),
    ("imu", "imu-encoder", "tower-imu"),
    ("backbone", "backbone", "llama2"),
];

pub struct Built {
    place: tempfile::TempDir,
    pub manifest: Value,
}

impl Built {
    /// Copies the fixtures and writes their manifest.
    pub fn new() -> Self {
        let place = tempfile::tempdir().expect("tempdir");
        let components: Vec<Value> = PARTS.iter().map(|part| component(place.path(), part)).collect();
        let manifest = json!({ "schema": 1, "id": "towers", "version": "1", "components": components });
        let built = Self { place, manifest };
        built.write(&built.manifest);
        built
    }

    pub fn root(&self) -> &Path {
        self.place.path()
    }

    fn write(&self, manifest: &Value) {
        std::fs::write(self.root().join(MANIFEST), manifest.to_string()).expect("written");
    }

    /// The error of opening the foundation with a changed manifest.
    fn refusal(&self, change: impl Fn(&mut Value)) -> String {
        let mut manifest = self.manifest.clone();
        change(&mut manifest);
        self.write(&manifest);
        let found = Foundation::open(self.root()).map(|_| ()).expect_err("refused").to_string();
        self.write(&self.manifest);
        found
    }
}

fn component(root: &Path, (name, kind, fixture): &(&str, &str, &str)) -> Value {
    std::fs::create_dir(root.join(name)).expect("made");
    let files: Vec<Value> = ["config.json", "model.safetensors"]
        .iter()
        .map(|file| {
            let target = root.join(name).join(file);
            std::fs::copy(path("models").join(fixture).join(file), &target).expect("copied");
            let bytes = target.metadata().expect("there").len();
            json!({ "path": format!("{name}/{file}"), "bytes": bytes, "sha256": sha256_file(&target).expect("read") })
        })
        .collect();
    json!({ "name": name, "kind": kind, "format": "hugging-face", "entry": name, "licence": "CC0-1.0", "files": files })
}

/// Runs the tower of `modality` on its fixture's first input.
fn encode(engine: &Engine, modality: Modality) -> Encoding {
    let (fixture, key) = match modality {
        Modality::IMAGE => ("vit-tiny", "pixels"),
        Modality::SOUND => ("tower-sound", "inputs"),
        _ => ("tower-imu", "inputs"),
    };
    let file = Safetensors::open(path(&format!("models/{fixture}/expected.safetensors"))).expect("expected");
    let shape = file.tensor(key).expect("readable").expect("there").shape[1..].to_vec();
    let values = floats(&file, key)[..shape.iter().product()].to_vec();
    let features = Features::new(values, shape).expect("features");
    let model = engine.encoder(modality).expect("tower");
    model.encoder().encode(&[Item { features: &features, deltas: None }]).expect("encoded").remove(0)
}

fn loaded(engine: &Engine) -> Vec<String> {
    engine.loaded().into_iter().map(|component| component.name).collect()
}

#[test]
fn a_manifest_survives_a_round_trip_with_its_wiring() {
    let built = Built::new();
    let mut manifest = built.manifest.clone();
    manifest["components"][0]["dim"] = json!(24);
    manifest["components"][1]["dim"] = json!(24);
    manifest["components"][1]["wiring"] = json!({ "space": "image" });
    manifest["components"][1]["source"] = json!({ "package": "towers", "version": "1" });
    manifest["components"][1]["model"] = json!("made up");
    built.write(&manifest);
    let read = Manifest::read(&built.root().join(MANIFEST)).expect("manifest");
    assert_eq!(read.components[1].wiring.as_ref().and_then(|wiring| wiring.space.as_deref()), Some("image"));
    assert_eq!(read.components[1].properties["model"], "made up");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), manifest);
    let engine = Engine::open(built.root()).expect("foundation");
    assert_eq!(engine.foundation().components().len(), 4);
}

#[test]
fn manifests_that_do_not_hold_together_are_refused_by_name() {
    let built = Built::new();
    let set = |component: usize, field: &'static str, value: Value| {
        move |manifest: &mut Value| manifest["components"][component][field] = value.clone()
    };
    let file = |field: &'static str, value: Value| {
        move |manifest: &mut Value| manifest["components"][0]["files"][1][field] = value.clone()
    };
    for (found, wanted) in [
        (built.refusal(set(1, "wiring", json!({ "space": "smell" }))), "'smell', and no component"),
        (built.refusal(set(1, "wiring", json!({ "space": "backbone" }))), "both must be encoders"),
        (built.refusal(set(1, "wiring", json!({ "from": "image", "to": "backbone" }))), "is no projector"),
        (built.refusal(set(1, "wiring", json!({ "from": "image" }))), "only one of from and to"),
        (built.refusal(set(1, "wiring", json!({ "via": "image" }))), "via"),
        (built.refusal(set(1, "kind", json!("smell-encoder"))), "smell-encoder"),
        (built.refusal(set(1, "format", json!("onnx"))), "'onnx'"),
        (built.refusal(set(1, "entry", json!("elsewhere"))), "'elsewhere'"),
        (built.refusal(set(1, "entry", json!("../sound"))), "leaves the directory"),
        (built.refusal(set(1, "name", json!("image"))), "two components named 'image'"),
        (built.refusal(set(1, "name", json!("a/b"))), "name 'a/b'"),
        (built.refusal(set(1, "dim", json!(0))), "dim of 'sound'"),
        (built.refusal(set(1, "preprocessing", json!("sound/none.json"))), "none of its files"),
        (built.refusal(set(3, "preprocessing", json!({ "do_resize": false }))), "a backbone reads its own"),
        (built.refusal(file("sha256", json!("AB"))), "sha256 'AB'"),
        (built.refusal(file("bytes", json!(u64::MAX))), "18446744073709551615 bytes"),
        (built.refusal(file("path", json!("image/CONFIG.json"))), "listed twice"),
        (built.refusal(|manifest| manifest["id"] = json!("..")), "id '..'"),
        (built.refusal(|manifest| manifest["schema"] = json!(2)), "schema 2"),
        (
            built.refusal(|manifest| {
                manifest["components"][0]["dim"] = json!(24);
                manifest["components"][1]["dim"] = json!(16);
                manifest["components"][1]["wiring"] = json!({ "space": "image" });
            }),
            "'sound' has dim 16, 'image', whose space it shares, has 24",
        ),
    ] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    assert!(Foundation::open(built.root()).is_ok());
}

#[test]
fn changed_missing_short_and_added_files_are_named() {
    let open = |built: &Built, verify: Verify| {
        Engine::open_with(built.root(), EngineOptions { verify, ..EngineOptions::default() }).map(|_| ())
    };
    let weights = |built: &Built| built.root().join("imu/model.safetensors");
    let built = Built::new();
    assert!(open(&built, Verify::Digests).is_ok());

    // A flipped byte has the right size: only digests tell.
    let mut bytes = std::fs::read(weights(&built)).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(weights(&built), &bytes).expect("written");
    assert!(open(&built, Verify::Sizes).is_ok());
    match open(&built, Verify::Digests) {
        Err(Error::Digest { path, .. }) => assert_eq!(path, weights(&built)),
        other => panic!("{other:?}"),
    }
    std::fs::write(weights(&built), &bytes[..middle]).expect("written");
    let short = open(&built, Verify::Sizes).expect_err("short").to_string();
    assert!(short.contains("imu/model.safetensors") && short.contains("the manifest says"), "{short}");
    std::fs::remove_file(weights(&built)).expect("removed");
    let missing = open(&built, Verify::Sizes).expect_err("missing");
    assert!(matches!(&missing, Error::Io { path, .. } if *path == weights(&built)), "{missing}");

    // A file beside those listed could change what is loaded.
    let built = Built::new();
    std::fs::write(built.root().join("imu/.hidden"), "").expect("written");
    assert!(open(&built, Verify::Sizes).is_ok());
    for added in ["imu/preprocessor_config.json", "image/sub/x"] {
        let built = Built::new();
        let added = built.root().join(added);
        std::fs::create_dir_all(added.parent().expect("a folder")).expect("made");
        std::fs::write(&added, "{}").expect("written");
        let found = open(&built, Verify::Sizes).expect_err("added").to_string();
        assert!(found.contains(&added.display().to_string()) && found.contains("does not list"), "{found}");
    }
}

#[test]
fn progress_of_verifying_counts_every_byte() {
    let built = Built::new();
    let foundation = Foundation::open(built.root()).expect("foundation");
    let mut seen = 0;
    foundation.verify(Verify::Digests, |bytes| seen += bytes).expect("intact");
    let records = foundation.components().iter().filter_map(|component| component.record());
    assert_eq!(seen, records.flat_map(|record| &record.files).map(|file| file.bytes).sum::<u64>());
}

/// Constants in the manifest, or a file under another name, replace the directory's own.
#[test]
fn preprocessing_comes_from_the_manifest() {
    let picture = || Input::Image(Image::from_pixels(&[9; 12], PixelLayout::Rgb, 2, 2).expect("image"));
    let built = Built::new();
    let engine = Engine::open(built.root()).expect("foundation");
    assert!(engine.encoder(Modality::IMAGE).expect("tower").encode(&[picture()], None).is_err(), "nothing says how");

    let processor = |mean: f32| {
        json!({
            "image_processor_type": "ViTImageProcessor",
            "size": 18,
            "image_mean": [mean, mean, mean],
            "image_std": [0.5, 0.5, 0.5],
        })
    };
    let encoded = |preprocessing: Value, built: &Built| {
        let mut manifest = built.manifest.clone();
        manifest["components"][0]["preprocessing"] = preprocessing;
        built.write(&manifest);
        let engine = Engine::open(built.root()).expect("foundation");
        engine.encoder(Modality::IMAGE).expect("tower").encode(&[picture()], None).expect("encoded").0.remove(0)
    };
    let constants = encoded(processor(0.5), &built);
    assert_ne!(constants, encoded(processor(0.1), &built));

    let mut built = Built::new();
    let file = built.root().join("image/pixels.json");
    std::fs::write(&file, processor(0.5).to_string()).expect("written");
    let listed = json!({ "path": "image/pixels.json", "bytes": file.metadata().expect("there").len(),
        "sha256": sha256_file(&file).expect("read") });
    built.manifest["components"][0]["files"].as_array_mut().expect("files").push(listed);
    assert_eq!(encoded(json!("image/pixels.json"), &built), constants);
}

#[test]
fn components_are_dropped_under_a_budget_and_come_back() {
    let built = Built::new();
    let foundation = Foundation::open(built.root()).expect("foundation");
    let bytes: Vec<u64> = foundation.components().iter().map(|c| c.weight_bytes().expect("known")).collect();
    let with = |budget: u64| {
        let options = EngineOptions { component_budget: Some(budget), ..EngineOptions::default() };
        Engine::open_with(built.root(), options).expect("foundation")
    };
    // Room for the two largest towers, not for three.
    let mut towers = bytes[..3].to_vec();
    towers.sort_unstable();
    let engine = with(towers[1] + towers[2]);
    assert!(engine.loaded().is_empty());
    let first = encode(&engine, Modality::IMAGE);
    encode(&engine, Modality::SOUND);
    assert_eq!(loaded(&engine), ["image", "sound"]);
    encode(&engine, Modality::IMAGE);

    // Sound was used least recently; whoever holds it keeps it.
    let held = engine.encoder(Modality::SOUND).expect("loaded");
    encode(&engine, Modality::IMAGE);
    let motion = encode(&engine, Modality::IMU);
    assert!(!loaded(&engine).contains(&"sound".to_owned()), "{:?}", loaded(&engine));
    assert_eq!((held.part().name.as_str(), Arc::strong_count(&held)), ("sound", 1));
    let again = engine.encoder(Modality::SOUND).expect("comes back");
    assert!(!Arc::ptr_eq(&held, &again), "a dropped component is loaded anew");

    // The same bits, however often a component went and came.
    for _ in 0..3 {
        encode(&engine, Modality::SOUND);
        assert_eq!(encode(&engine, Modality::IMU), motion);
        assert_eq!(encode(&engine, Modality::IMAGE), first);
        let held: u64 = engine.loaded().iter().map(|component| component.bytes).sum();
        assert!(held <= towers[1] + towers[2]);
    }

    let tight = with(bytes[0] - 1);
    match tight.encoder(Modality::IMAGE) {
        Err(Error::Memory { what, needed, limit }) => {
            assert_eq!((what.as_str(), needed, limit), ("image", bytes[0], bytes[0] - 1));
        }
        other => panic!("{other:?}"),
    }
    // What did not fit has pushed nothing out.
    let before = loaded(&engine);
    assert!(bytes[3] > towers[1] + towers[2] && engine.language().is_err());
    assert_eq!(loaded(&engine), before);
}

#[test]
fn many_threads_share_a_budget() {
    let built = Built::new();
    let foundation = Foundation::open(built.root()).expect("foundation");
    let largest = foundation.components()[..3].iter().map(|c| c.weight_bytes().expect("known")).max();
    let options = EngineOptions { component_budget: largest, ..EngineOptions::default() };
    let engine = Engine::open_with(built.root(), options).expect("foundation");
    let all = [Modality::IMAGE, Modality::SOUND, Modality::IMU];
    let expected = all.map(|modality| encode(&engine, modality));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, expected) = (&engine, &expected);
            scope.spawn(move || {
                for round in 0..12 {
                    let which = (thread + round) % 3;
                    assert_eq!(encode(engine, all[which]), expected[which]);
                }
            });
        }
    });
    assert!(engine.loaded().iter().map(|component| component.bytes).sum::<u64>() <= largest.expect("three"));
}
