//! The audio spectrogram transformer against transformers, its adapter against peft.

use loam::adapter::InstallPolicy;
use loam::engine::Engine;
use loam::input::{Audio, Channels, Input, SampleRate};
use loam::model::Modality;
use loam::model::encoder::{Encoder, Encoding, Features, Item, open};
use loam::quant::Deltas;
use loam::task::EmbedOptions;
use loam::weights::Safetensors;
use loam::{Error, Result};

use crate::fixture::{floats, max_difference, path};
use crate::pairs::{bound, close, expected};

/// Frames and mel bins of the fixtures' spectrograms.
const SHAPE: [usize; 2] = [33, 27];
/// From samples to logits.
const PIPELINE: f32 = 1e-4;

fn network(name: &str) -> Box<dyn Encoder> {
    open(&path("models").join(name), Modality::SOUND).expect("network")
}

fn spectrograms(name: &str) -> Vec<Features> {
    let values = floats(&expected(&format!("models/{name}")), "spectrograms");
    let each = values.chunks_exact(SHAPE[0] * SHAPE[1]);
    each.map(|v| Features::new(v.to_vec(), SHAPE.to_vec()).expect("features")).collect()
}

fn encode(encoder: &dyn Encoder, inputs: &[Features], deltas: Option<&Deltas>) -> Vec<Encoding> {
    let items: Vec<Item<'_>> = inputs.iter().map(|features| Item { features, deltas }).collect();
    encoder.encode(&items).expect("encoded")
}

fn all(encodings: &[Encoding], part: fn(&Encoding) -> &Vec<f32>) -> Vec<f32> {
    encodings.iter().flat_map(part).copied().collect()
}

fn classes(encoder: &dyn Encoder, encodings: &[Encoding]) -> Vec<f32> {
    let head = encoder.head().expect("a classifier");
    encodings.iter().flat_map(|encoding| head.logits(encoding).expect("logits")).collect()
}

#[test]
fn networks_match_transformers() {
    for name in ["ast-tiny", "ast-bare-tiny"] {
        let (encoder, inputs) = (network(name), spectrograms(name));
        let encodings = encode(&*encoder, &inputs, None);
        let folder = format!("models/{name}");
        close(&all(&encodings, |e| &e.states), &folder, "states");
        close(&all(&encodings, |e| &e.embedding), &folder, "embedding");
        assert_eq!((encoder.dim(), encoder.state_width(), encoder.modality()), (16, 16, Modality::SOUND));
        for (i, encoding) in encodings.iter().enumerate() {
            assert_eq!(&encode(&*encoder, &inputs[i..=i], None)[0], encoding, "{name}: company changed sound {i}");
        }
    }
    let encoder = network("ast-tiny");
    let encodings = encode(&*encoder, &spectrograms("ast-tiny"), None);
    close(&classes(&*encoder, &encodings), "models/ast-tiny", "classes");
    assert_eq!(encoder.head().expect("a classifier").labels(), ["speech", "siren", "rain", "dog"]);
    assert!(network("ast-bare-tiny").head().is_none());
}

#[test]
fn an_adapter_matches_peft() {
    let (encoder, inputs) = (network("ast-tiny"), spectrograms("ast-tiny"));
    let bound = bound(encoder.linears(), &path("peft/ast-r2")).expect("bound");
    let adapted = encode(&*encoder, &inputs, Some(&bound.deltas));
    close(&all(&adapted, |e| &e.states), "peft/ast-r2", "states");
    close(&all(&adapted, |e| &e.embedding), "peft/ast-r2", "embedding");
    close(&classes(&*encoder, &adapted), "peft/ast-r2", "classes");
    let bare = encode(&*encoder, &inputs, None);
    assert!(bare.iter().zip(&adapted).all(|(a, b)| max_difference(&a.embedding, &b.embedding) > 1e-2));
    let mixed =
        [Item { features: &inputs[0], deltas: None }, Item { features: &inputs[1], deltas: Some(&bound.deltas) }];
    let mixed = encoder.encode(&mixed).expect("encoded");
    assert_eq!((&mixed[0], &mixed[1]), (&bare[0], &adapted[1]));
}

fn sound(file: &Safetensors, index: usize) -> Audio {
    Audio::from_f32(&floats(file, &format!("sound.{index}")), Channels::MONO, SampleRate::SPEECH).expect("sound")
}

/// From samples to logits; the first sound is longer than the network reads, the second shorter.
#[test]
fn samples_match_transformers_pipeline() {
    let file = expected("models/ast-tiny");
    let engine = Engine::open(path("models/ast-tiny")).expect("engine");
    let kinds: Vec<String> = engine.foundation().components().iter().map(|c| c.kind().to_string()).collect();
    assert_eq!(kinds, ["sound-encoder"]);
    let model = engine.encoder(Modality::SOUND).expect("network");
    for index in 0..2 {
        let input = Input::from(sound(&file, index));
        let mel = model.encoder().prepare(&input).expect("prepared");
        assert_eq!(mel.shape, SHAPE);
        let encoding = model.encode(&[input], None).expect("encoded").0.remove(0);
        let logits = classes(model.encoder(), &[encoding]);
        let worst = [
            max_difference(&mel.values, &floats(&file, &format!("mel.{index}"))),
            max_difference(&logits, &floats(&file, &format!("heard.{index}"))),
        ];
        println!("sound {index}: spectrogram {:.1e}, logits {:.1e}", worst[0], worst[1]);
        assert!(worst.iter().all(|w| *w <= PIPELINE), "sound {index}: {worst:?}");
    }
    let adapter = engine.install("ear", path("peft/ast-r2"), InstallPolicy::Create).expect("installed");
    let plain = engine.embed(sound(&file, 0), &EmbedOptions::default()).expect("embedded").vector;
    let options = EmbedOptions { adapter: Some(adapter), ..EmbedOptions::default() };
    let adapted = engine.embed(sound(&file, 0), &options).expect("embedded").vector;
    assert!(max_difference(&plain, &adapted) > 1e-2);
}

/// Opens the fixture with other values in `config.json` and `preprocessor_config.json`.
fn with_field(file: &str, field: &str, value: serde_json::Value) -> Result<Box<dyn Encoder>> {
    let to = tempfile::tempdir().expect("folder");
    for name in ["config.json", "preprocessor_config.json", "model.safetensors"] {
        std::fs::copy(path("models/ast-tiny").join(name), to.path().join(name)).expect("copied");
    }
    let text = std::fs::read_to_string(to.path().join(file)).expect("file");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("json");
    json[field] = value;
    std::fs::write(to.path().join(file), json.to_string()).expect("written");
    open(to.path(), Modality::SOUND)
}

#[test]
fn hostile_configurations_are_refused_by_field() {
    let (config, preprocessor) = ("config.json", "preprocessor_config.json");
    for (file, field, value, named) in [
        (config, "hidden_size", u64::MAX.into(), "hidden_size"),
        (config, "hidden_size", 17.into(), "heads"),
        (config, "num_hidden_layers", 3.into(), "encoder.layer.2"),
        (config, "num_hidden_layers", 1.into(), "encoder.layer.1"),
        (config, "patch_size", 0.into(), "patch_size"),
        (config, "patch_size", 28.into(), "patch_size"),
        (config, "frequency_stride", (-1).into(), "frequency_stride"),
        (config, "time_stride", "fast".into(), "time_stride"),
        (config, "time_stride", 1.into(), "position_embeddings"),
        (config, "max_length", 34.into(), "preprocessor_config.json"),
        (config, "max_length", 0.into(), "max_length"),
        (config, "num_mel_bins", 28.into(), "preprocessor_config.json"),
        (config, "num_mel_bins", 65_536.into(), "patch_size"),
        (config, "hidden_act", "warp".into(), "warp"),
        (config, "qkv_bias", false.into(), "attention.key.bias"),
        (config, "layer_norm_eps", "none".into(), "layer_norm_eps"),
        (config, "id2label", serde_json::json!({ "0": "one" }), "classifier.dense.weight"),
        (preprocessor, "max_length", 34.into(), "[34, 27]"),
        (preprocessor, "num_mel_bins", 28.into(), "[33, 28]"),
        (preprocessor, "feature_extractor_type", "WhisperFeatureExtractor".into(), "the network reads [33, 27]"),
    ] {
        let error = with_field(file, field, value).expect_err(field).to_string();
        assert!(error.contains(named), "{field}: {error}");
    }
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let encoder = network("ast-bare-tiny");
    let turned = Features::new(vec![0.0; SHAPE[0] * SHAPE[1]], vec![SHAPE[1], SHAPE[0]]).expect("features");
    let error = encoder.encode(&[Item { features: &turned, deltas: None }]).expect_err("refused").to_string();
    assert!(error.contains("[27, 33]"), "{error}");
    assert!(matches!(encoder.prepare(&Input::from("a text")), Err(Error::Argument { .. })));
    let audio = sound(&expected("models/ast-tiny"), 0);
    assert!(matches!(encoder.prepare(&audio.into()), Err(Error::Unsupported { .. })));
}
