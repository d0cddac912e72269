//! LIMU-BERT against its formulae (`parity/limu_bert.py`), with random weights and with the released ones.

use loam::Error;
use loam::engine::Engine;
use loam::input::{ImuLayout, ImuSource, ImuWindow, Input, Repair};
use loam::model::Modality;
use loam::model::encoder::{Encoder, Encoding, Features, Item, open};
use loam::quant::Deltas;

use crate::fixture::{floats, max_difference, path, shared};
use crate::pairs::{bound, expected};

const TOLERANCE: f32 = 1e-4;
/// Of the fixture's windows.
const TINY: [usize; 2] = [6, 10];
/// Every n-th state of a released network is stored.
const STRIDE: usize = 6;

/// Windows `[windows, steps, channels]`, each turned to `[channels, steps]`.
fn features(values: &[f32], [channels, steps]: [usize; 2]) -> Vec<Features> {
    let turned = |window: &[f32]| (0..channels * steps).map(|i| window[i % steps * channels + i / steps]).collect();
    let windows = values.chunks_exact(channels * steps);
    windows.map(|window| Features::new(turned(window), vec![channels, steps]).expect("features")).collect()
}

fn encode(encoder: &dyn Encoder, inputs: &[Features], deltas: Option<&Deltas>) -> Vec<Encoding> {
    let items: Vec<Item<'_>> = inputs.iter().map(|features| Item { features, deltas }).collect();
    encoder.encode(&items).expect("encoded")
}

fn states(encodings: &[Encoding]) -> Vec<f32> {
    encodings.iter().flat_map(|encoding| encoding.states.clone()).collect()
}

#[test]
fn states_match_the_formulae_bare_and_adapted() {
    let file = expected("models/limu-tiny");
    let encoder = open(&path("models/limu-tiny"), Modality::IMU).expect("network");
    let inputs = features(&floats(&file, "inputs"), TINY);
    let bare = encode(&*encoder, &inputs, None);
    let bound = bound(encoder.linears(), &path("limu/limu-r2")).expect("bound");
    let adapted = encode(&*encoder, &inputs, Some(&bound.deltas));
    let worst = [
        max_difference(&states(&bare), &floats(&file, "states")),
        max_difference(&states(&adapted), &floats(&file, "adapted")),
    ];
    println!("states {:.1e}, adapted {:.1e}", worst[0], worst[1]);
    assert!(worst.iter().all(|w| *w <= TOLERANCE), "{worst:?}");
    for (i, (bare, adapted)) in bare.iter().zip(&adapted).enumerate() {
        assert!(max_difference(&bare.embedding, &adapted.embedding) > 1e-2, "the adapter does nothing");
        assert_eq!(&encode(&*encoder, &inputs[i..=i], None)[0], bare, "company changed window {i}");
        let mean: Vec<f32> = (0..12).map(|c| bare.states.iter().skip(c).step_by(12).sum::<f32>() / 10.0).collect();
        assert!(max_difference(&bare.embedding, &mean) < 1e-6);
    }
}

/// A copy of the fixture with another value in `config.json`.
fn with_field(field: &str, value: serde_json::Value) -> loam::Result<Box<dyn Encoder>> {
    let to = tempfile::tempdir().expect("folder");
    std::fs::copy(path("models/limu-tiny/model.safetensors"), to.path().join("model.safetensors")).expect("copied");
    let text = std::fs::read_to_string(path("models/limu-tiny/config.json")).expect("config");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("json");
    json[field] = value;
    std::fs::write(to.path().join("config.json"), json.to_string()).expect("written");
    open(to.path(), Modality::IMU)
}

#[test]
fn fields_say_what_is_run_and_hostile_ones_are_refused() {
    let file = expected("models/limu-tiny");
    let single = with_field("emb_norm", false.into()).expect("network");
    let inputs = features(&floats(&file, "inputs"), TINY);
    let worst = max_difference(&states(&encode(&*single, &inputs, None)), &floats(&file, "single_norm"));
    assert!(worst <= TOLERANCE, "{worst}");
    for (field, value, named) in [
        ("hidden", u64::MAX.into(), "hidden"),
        ("hidden", 16.into(), "embed.lin.weight"),
        ("hidden_ff", 24.into(), "pwff.fc1.weight"),
        ("n_heads", 5.into(), "heads"),
        ("n_layers", 0.into(), "n_layers"),
        ("n_layers", (1u64 << 40).into(), "n_layers"),
        ("feature_num", 9.into(), "embed.lin.weight"),
        ("feature_num", 65.into(), "feature_num"),
        ("seq_len", 11.into(), "pos_embed"),
        ("seq_len", "long".into(), "seq_len"),
        ("emb_norm", 3.into(), "emb_norm"),
    ] {
        let error = with_field(field, value).expect_err(field).to_string();
        assert!(error.contains(named), "{field}: {error}");
    }
    let turned = Features::new(vec![0.0; 60], vec![10, 6]).expect("features");
    let error = single.encode(&[Item { features: &turned, deltas: None }]).expect_err("refused").to_string();
    assert!(error.contains("[10, 6]"), "{error}");
    assert!(matches!(single.prepare(&Input::from("a text")), Err(Error::Argument { .. })));
}

/// The released networks, read from their `.pt` files, on windows of a public data set, from raw samples to states.
#[test]
fn released_networks_match_the_formulae_on_real_motion() {
    let Some(weights) = shared("weights/limu-bert") else { return };
    let file = expected("limu");
    let (windows, prepared) = (floats(&file, "windows"), features(&floats(&file, "prepared"), [6, 120]));
    let source = ImuSource::android(20.0, ImuLayout::AccelerometerGyroscope);
    let inputs: Vec<Input> = windows
        .chunks_exact(120 * 6)
        .map(|samples| Input::Motion {
            window: ImuWindow::new(source, samples.to_vec(), None).expect("window"),
            repair: Repair::Refuse,
        })
        .collect();
    for name in ["hhar", "motion", "shoaib", "uci"] {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::copy(weights.join(format!("{name}.pt")), dir.path().join("pytorch_model.bin")).expect("copied");
        std::fs::write(dir.path().join("config.json"), r#"{"model_type": "limu-bert"}"#).expect("written");
        let engine = Engine::open(dir.path()).expect("engine");
        let model = engine.encoder(Modality::IMU).expect("network");
        let window = model.encoder().motion().expect("a window");
        assert_eq!((window.rate, window.steps), (20.0, 120));
        for (input, theirs) in inputs.iter().zip(&prepared) {
            // What the release expects: 20 Hz, 120 steps, m/s^2 over 9.8, rad/s.
            let ours = model.encoder().prepare(input).expect("prepared");
            assert_eq!(ours.shape, theirs.shape);
            assert!(max_difference(&ours.values, &theirs.values) < 1e-5);
        }
        let ours: Vec<f32> = model
            .encode(&inputs, None)
            .expect("encoded")
            .0
            .iter()
            .flat_map(|e| e.states.chunks_exact(72).step_by(STRIDE).flatten().copied().collect::<Vec<f32>>())
            .collect();
        let worst = max_difference(&ours, &floats(&file, &format!("{name}.states")));
        println!("{name:<7} max |difference| {worst:.1e}");
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}
