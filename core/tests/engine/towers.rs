//! Our own towers against the same networks in PyTorch, adapters on their convolutions and linears against peft.

use loam::Error;
use loam::adapter::{AdapterPackage, Base, InstallPolicy, bind};
use loam::engine::Engine;
use loam::input::{Audio, Channels, ImuLayout, ImuSource, ImuWindow, Input, Repair, SampleRate};
use loam::model::Modality;
use loam::model::encoder::{Encoder, Features, Item, open};
use loam::quant::Deltas;
use loam::weights::Safetensors;

use crate::fixture::{floats, max_difference, path};

const TOLERANCE: f32 = 1e-4;
const TOWERS: [(&str, Modality); 3] = [("image", Modality::IMAGE), ("sound", Modality::SOUND), ("imu", Modality::IMU)];

struct Tower {
    encoder: Box<dyn Encoder>,
    inputs: Vec<Features>,
    expected: Safetensors,
}

fn tower(name: &str, modality: Modality) -> Tower {
    let dir = path(&format!("models/tower-{name}"));
    let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
    let view = expected.tensor("inputs").expect("readable").expect("present");
    let values = view.to_f32();
    let inputs = values.chunks_exact(values.len() / view.shape[0]);
    let inputs = inputs.map(|input| Features::new(input.to_vec(), view.shape[1..].to_vec()).expect("features"));
    Tower { encoder: open(&dir, modality).expect("tower"), inputs: inputs.collect(), expected }
}

impl Tower {
    fn items<'a>(&'a self, deltas: Option<&'a Deltas>) -> Vec<Item<'a>> {
        self.inputs.iter().map(|features| Item { features, deltas }).collect()
    }
}

#[test]
fn towers_match_pytorch() {
    for (name, modality) in TOWERS {
        let tower = tower(name, modality);
        let encodings = tower.encoder.encode(&tower.items(None)).expect("encoded");
        let embedding: Vec<f32> = encodings.iter().flat_map(|e| e.embedding.clone()).collect();
        let states: Vec<f32> = encodings.iter().flat_map(|e| e.states.clone()).collect();
        let worst = max_difference(&embedding, &floats(&tower.expected, "embedding"));
        assert!(worst <= TOLERANCE, "{name}: embeddings differ by {worst}");
        let worst = max_difference(&states, &floats(&tower.expected, "states"));
        assert!(worst <= TOLERANCE, "{name}: states differ by {worst}");
        for (i, encoding) in encodings.iter().enumerate() {
            assert_eq!(&tower.encoder.encode(&tower.items(None)[i..=i]).expect("encoded")[0], encoding, "{name} {i}");
        }
    }
}

#[test]
fn adapters_on_convolutions_and_linears_match_peft() {
    for (name, modality) in TOWERS {
        let tower = tower(name, modality);
        let dir = path(&format!("peft/tower-{name}-r2"));
        let package = AdapterPackage::open(&dir).expect("package");
        let base = Base { linears: tower.encoder.linears(), fingerprint: None, tied: false };
        let bound = bind(&package, &base).expect("bound");
        let adapted = tower.encoder.encode(&tower.items(Some(&bound.deltas))).expect("encoded");
        let ours: Vec<f32> = adapted.iter().flat_map(|e| e.embedding.clone()).collect();
        let theirs = floats(&Safetensors::open(dir.join("expected.safetensors")).expect("expected"), "embedding");
        let worst = max_difference(&ours, &theirs);
        assert!(worst <= TOLERANCE, "{name}: differs from peft by {worst}");
        let bare = tower.encoder.encode(&tower.items(None)).expect("encoded");
        assert!(bare.iter().zip(&adapted).all(|(a, b)| max_difference(&a.embedding, &b.embedding) > 1e-2), "{name}");
        let mixed = [Item { features: &tower.inputs[0], deltas: None }, tower.items(Some(&bound.deltas))[1]];
        let mixed = tower.encoder.encode(&mixed).expect("encoded");
        assert_eq!((&mixed[0], &mixed[1]), (&bare[0], &adapted[1]), "{name}");
    }
}

#[test]
fn labels_enter_the_towers_space_by_its_anchor() {
    let tower = tower("imu", Modality::IMU);
    let anchor = tower.encoder.anchor().expect("anchor");
    let texts = floats(&tower.expected, "texts");
    let moved: Vec<f32> = texts.chunks_exact(16).flat_map(|text| anchor.apply(text)).collect();
    let worst = max_difference(&moved, &floats(&tower.expected, "moved"));
    assert!(worst <= TOLERANCE, "differs by {worst}");
    assert!(self::tower("sound", Modality::SOUND).encoder.anchor().is_none());
}

#[test]
fn a_bare_tower_is_a_foundation_of_its_modality() {
    let engine = Engine::open(path("models/tower-imu")).expect("engine");
    let kinds: Vec<String> = engine.foundation().components().iter().map(|c| c.kind().to_string()).collect();
    assert_eq!(kinds, ["imu-encoder"]);
    let adapter = engine.install("gait", path("peft/tower-imu-r2"), InstallPolicy::Create).expect("installed");
    assert_eq!(adapter.bound.rank, 2);
    assert!(matches!(engine.encoder(Modality::SOUND), Err(Error::MissingComponent(_))));
}

#[test]
fn configurations_out_of_bounds_are_refused_by_name() {
    let from = path("models/tower-imu");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(from.join("config.json")).expect("config")).expect("json");
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut config = config.clone();
        change(&mut config);
        let to = tempfile::tempdir().expect("directory");
        std::fs::copy(from.join("model.safetensors"), to.path().join("model.safetensors")).expect("copied");
        std::fs::write(to.path().join("config.json"), config.to_string()).expect("written");
        open(to.path(), Modality::IMU).expect_err("refused").to_string()
    };
    let check = |word: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let reason = refused(change);
        assert!(reason.contains(word), "expected '{word}' in: {reason}");
    };
    check("stages.0", &|c| c["stages"][0]["kernel"] = serde_json::json!([99_999]));
    check("stages.0", &|c| c["stages"][0]["kernel"] = serde_json::json!([60]));
    check("stages.0", &|c| c["stages"][0]["stride"] = serde_json::json!([0]));
    check("stages.0", &|c| c["stages"][0]["outputs"] = serde_json::json!(0));
    check("stages.0.weight", &|c| c["stages"][0]["outputs"] = serde_json::json!(11));
    check("stages.6", &|c| c["stages"][6]["kernel"] = serde_json::json!([400]));
    check("stages.7", &|c| {
        c["stages"][7]["shortcut"] = serde_json::json!([{"type": "max_pool", "kernel": [2], "stride": [2]}])
    });
    check("input", &|c| c["input"] = serde_json::json!([6, 99_999_999]));
    check("input", &|c| c["input"] = serde_json::json!([6]));
    check("unheard", &|c| c["stages"][1]["type"] = serde_json::json!("unheard"));
    check("extra", &|c| c["extra"] = serde_json::json!(1));
    check("logit_scale", &|c| c["logit_scale"] = serde_json::json!(-3));
    check("modality", &|c| c["modality"] = serde_json::json!("smell"));
    check("imu", &|c| c["modality"] = serde_json::json!("image"));
    check("norm.weight", &|c| c["pooling"] = serde_json::json!("mean"));
    check("stages.7", &|c| {
        c["stages"].as_array_mut().expect("list").pop();
    });
    let mut deep = serde_json::json!([]);
    for _ in 0..200 {
        deep = serde_json::json!([{"type": "residual", "body": deep}]);
    }
    check("recursion", &|c| c["stages"] = deep.clone());
}

/// A copy of a tower's fixture with a preprocessor configuration.
fn with_preprocessing(name: &str, json: &serde_json::Value) -> tempfile::TempDir {
    let (from, to) = (path(&format!("models/tower-{name}")), tempfile::tempdir().expect("folder"));
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), to.path().join(file)).expect("copied");
    }
    std::fs::write(to.path().join("preprocessor_config.json"), json.to_string()).expect("written");
    to
}

#[test]
fn motion_is_prepared_as_the_towers_file_says() {
    let shape = tower("imu", Modality::IMU).inputs[0].shape.clone();
    let (channels, steps) = (shape[0], shape[1]);
    assert_eq!(channels, 6, "the fixture reads accelerometer and gyroscope");
    let config = |steps: usize| {
        serde_json::json!({
            "rate": 50.0, "steps": steps, "layout": "accelerometer_gyroscope", "acceleration": "g", "rotation": "rad/s",
            "gravity": "included", "mean": vec![0.5; 6], "std": vec![2.0; 6],
        })
    };
    let dir = with_preprocessing("imu", &config(steps));
    let encoder = open(dir.path(), Modality::IMU).expect("tower");
    assert_eq!(encoder.motion().map(|config| config.rate), Some(50.0));
    let source = ImuSource::ios(50.0, ImuLayout::AccelerometerGyroscope);
    let window = ImuWindow::new(source, vec![1.0; steps * 6], None).expect("window");
    let features = encoder.prepare(&Input::Motion { window, repair: Repair::Refuse }).expect("prepared");
    assert_eq!(features.shape, shape);
    // iOS counts acceleration the other way round.
    assert!((features.values[0] - (-1.0 - 0.5) / 2.0).abs() < 1e-6, "{}", features.values[0]);
    assert!(matches!(encoder.prepare(&Input::from("a text")), Err(Error::Argument { .. })));
    let dir = with_preprocessing("imu", &config(steps + 1));
    let refused = open(dir.path(), Modality::IMU).expect_err("another length").to_string();
    assert!(refused.contains(&format!("[6, {}]", steps + 1)), "{refused}");
}

#[test]
fn a_spectrogram_is_one_channel_of_a_sound_tower() {
    let shape = tower("sound", Modality::SOUND).inputs[0].shape.clone();
    let [1, bins, frames] = shape[..] else { panic!("the fixture reads one channel, not {shape:?}") };
    let config = |frames: usize| {
        serde_json::json!({
            "sample_rate": 16000, "n_fft": 512, "hop": 256, "n_mels": bins, "f_min": 40.0, "f_max": 7800.0, "scale": "htk",
            "log": { "kind": "ln_plus", "offset": 1e-7 }, "ends": "centered",
            "normalize": { "kind": "clip_mean", "scale": 3.0 }, "frames": frames, "cut": "center",
        })
    };
    let dir = with_preprocessing("sound", &config(frames));
    let encoder = open(dir.path(), Modality::SOUND).expect("tower");
    let rate = SampleRate::new(16_000).expect("rate");
    let tone: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.2).sin() * 0.5).collect();
    let audio = Audio::from_f32(&tone, Channels::MONO, rate).expect("audio");
    let features = encoder.prepare(&Input::Sound(audio)).expect("prepared");
    assert_eq!(features.shape, [bins, frames]);
    let whole = Features::new(features.values.clone(), shape).expect("features");
    let encode = |features: &Features| encoder.encode(&[Item { features, deltas: None }]).expect("encoded");
    assert_eq!(encode(&features), encode(&whole));
    let dir = with_preprocessing("sound", &config(frames + 1));
    let refused = open(dir.path(), Modality::SOUND).expect_err("another length").to_string();
    assert!(refused.contains(&format!("[{bins}, {}]", frames + 1)), "{refused}");
    let narrow = Features::new(vec![0.0; bins * (frames - 1)], vec![bins, frames - 1]).expect("features");
    assert!(encoder.encode(&[Item { features: &narrow, deltas: None }]).is_err());
}
