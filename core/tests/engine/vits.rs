//! Speech generation against transformers (fp32), with and without noise.

use std::path::Path;

use loam::Error;
use loam::adapter::DataPath;
use loam::engine::{Loading, Part, SpeakOptions, SpeechGenerator};
use loam::input::{CharacterTokenizer, Script};
use loam::model::generator::vits::{MAX_TOKENS, Noise, VitsConfig};
use loam::weights::Safetensors;
use serde_json::{Value, json};

use crate::fixture::{floats, max_difference, path, tokens};

/// Of a waveform within -1 to 1.
const TOLERANCE: f32 = 1e-4;
const TEXT: &str = "Bok a'go, Kab!";
const PHONEMES: &str = "ɡobˈa kaˈok";

fn open(dir: &Path) -> loam::Result<SpeechGenerator> {
    SpeechGenerator::open(Part::new("voice", 0, Loading::First), dir)
}

fn still() -> SpeakOptions {
    SpeakOptions { noise_scale: Some(0.0), noise_scale_duration: Some(0.0), ..SpeakOptions::default() }
}

#[test]
fn waveforms_match_transformers() {
    for (name, text, speaker) in [("vits", PHONEMES, None), ("vits-regression", TEXT, Some(1))] {
        let dir = path("models").join(name);
        let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
        let generator = open(&dir).unwrap_or_else(|e| panic!("{name}: {e}"));
        let ids = CharacterTokenizer::from_dir(&dir).expect("tokenizer").encode(text).expect("ids");
        assert_eq!(ids, tokens(&dir.join("expected.safetensors"), "ids"), "{name}");
        let has = |key: &str| expected.names().contains(&key.to_owned());
        let given = |key: &str| if has(key) { floats(&expected, key) } else { Vec::new() };
        let noise = Noise::Given { durations: given("noise.durations"), latents: given("noise.latents") };
        let noisy = SpeakOptions { noise, speaking_rate: Some(1.3), speaker, ..SpeakOptions::default() };
        let mut cases = vec![("still", SpeakOptions { speaker, ..still() }), ("noisy", noisy)];
        if has("bare") {
            cases.push(("bare", still()));
        }
        for (key, options) in cases {
            let speech = generator.speak(text, &options).unwrap_or_else(|e| panic!("{name} {key}: {e}"));
            let difference = max_difference(&speech.samples, &floats(&expected, key));
            println!("{name:<16} {key:<6} {} samples, max |difference| {difference:.2e}", speech.samples.len());
            assert!(difference <= TOLERANCE, "{name} {key}: {difference}");
            assert_eq!(speech.sample_rate, 16_000);
            assert_eq!(speech.trace.path, DataPath::Generator);
            assert_eq!(speech.trace.steps[0].component, "voice");
        }
    }
}

#[test]
fn a_seed_fixes_the_speech() {
    let generator = open(&path("models/vits")).expect("model");
    let speak = |seed| {
        let options = SpeakOptions { noise: Noise::Seed(seed), ..SpeakOptions::default() };
        generator.speak(PHONEMES, &options).expect("speech").samples
    };
    let (one, again, other) = (speak(1), speak(1), speak(2));
    assert!(one == again && one != other);
    assert!(one.iter().all(|sample| sample.abs() <= 1.0));
    let slow = SpeakOptions { speaking_rate: Some(0.5), ..still() };
    let (slow, normal) = (generator.speak(PHONEMES, &slow), generator.speak(PHONEMES, &still()));
    assert!(slow.expect("slow").samples.len() > normal.expect("normal").samples.len());
}

/// Expected ids are what transformers' tokenizer gives for the same vocabulary.
#[test]
fn characters_become_ids_as_in_transformers() {
    let tokenizer = CharacterTokenizer::from_dir(path("models/vits-regression")).expect("tokenizer");
    assert_eq!(tokenizer.script(), Script::Text);
    for (text, ids) in [
        ("koak kk boK", &[0, 0, 3, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 2, 0, 3, 0, 0][..]),
        ("Abo! <unk> 'K' x", &[0, 1, 0, 2, 0, 3, 0, 5, 0, 0, 0, 5, 0, 6, 0, 0, 0, 6, 0]),
        (" ka ", &[0, 0, 1, 0]),
        ("oo", &[0, 3, 0, 3, 0]),
    ] {
        assert_eq!(tokenizer.encode(text).expect("ids"), ids, "{text}");
    }
    for text in ["", "!?", "\u{1F600}"] {
        assert!(matches!(tokenizer.encode(text), Err(Error::Argument { name: "text", .. })), "{text}");
    }
    assert!(tokenizer.encode(&"a".repeat(1 << 20)).is_err());
    let phonemes = CharacterTokenizer::from_dir(path("models/vits")).expect("tokenizer");
    assert_eq!(phonemes.script(), Script::Phonemes);
    let error = phonemes.encode("hello").expect_err("written text");
    assert!(error.to_string().contains("'h' is no phoneme"), "{error}");
}

#[test]
fn text_that_needs_romanizing_is_refused() {
    let copy = copied("vits-regression");
    edit(&copy.path().join("tokenizer_config.json"), "/is_uroman", true.into());
    let tokenizer = CharacterTokenizer::from_dir(copy.path()).expect("tokenizer");
    assert!(tokenizer.encode("bako").is_ok());
    let error = tokenizer.encode("bako \u{0434}").expect_err("another script");
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("uroman"), "{error}");
}

#[test]
fn options_out_of_range_are_refused() {
    let generator = open(&path("models/vits-regression")).expect("model");
    let refused = |options: SpeakOptions, named: &str| {
        let error = generator.speak(TEXT, &options).expect_err(named);
        assert!(matches!(error, Error::Argument { .. }) && error.to_string().contains(named), "{named}: {error}");
    };
    refused(SpeakOptions { speaking_rate: Some(0.0), ..still() }, "speaking_rate");
    refused(SpeakOptions { speaking_rate: Some(f32::NAN), ..still() }, "speaking_rate");
    refused(SpeakOptions { noise_scale: Some(-1.0), ..still() }, "noise_scale");
    refused(SpeakOptions { speaker: Some(2), ..still() }, "speaker");
    let short = Noise::Given { durations: Vec::new(), latents: vec![0.0; 5] };
    refused(SpeakOptions { noise: short, ..SpeakOptions::default() }, "noise");
    let spoilt = Noise::Given { durations: Vec::new(), latents: vec![f32::NAN; 1 << 16] };
    refused(SpeakOptions { noise: spoilt, ..SpeakOptions::default() }, "noise");
    let long = "a".repeat(MAX_TOKENS / 2);
    let error = generator.speak(&long, &still()).expect_err("too long");
    assert!(matches!(error, Error::Argument { name: "text", .. }), "{error}");
    let voice = open(&path("models/vits")).expect("model");
    let error = voice.speak(PHONEMES, &SpeakOptions { speaker: Some(0), ..still() }).expect_err("one voice");
    assert!(error.to_string().contains("speaker"), "{error}");
}

/// Durations that no text has: a damaged or hostile checkpoint must not make the engine allocate hours of sound.
#[test]
fn endless_speech_is_refused() {
    let copy = copied("vits-regression");
    for bias in [20.0f32, 1000.0] {
        rewrite(&copy.path().join("model.safetensors"), |name, bytes| {
            if name == "duration_predictor.proj.bias" {
                bytes.copy_from_slice(&bias.to_le_bytes());
            }
        });
        let error = open(copy.path()).expect("model").speak(TEXT, &still()).expect_err("endless");
        assert!(matches!(error, Error::Argument { name: "text", .. }), "{bias}: {error}");
    }
}

#[test]
fn hostile_configurations_are_refused() {
    let source = path("models/vits/config.json");
    let good: Value = serde_json::from_slice(&std::fs::read(source).expect("config")).expect("json");
    for (field, value) in [
        ("model_type", json!("bert")),
        ("hidden_size", json!(1u64 << 40)),
        ("hidden_size", json!(0)),
        ("num_attention_heads", json!(3)),
        ("flow_size", json!(13)),
        ("window_size", json!(-1)),
        ("ffn_kernel_size", json!(4)),
        ("wavenet_kernel_size", json!(2)),
        ("wavenet_dilation_rate", json!(9)),
        ("prior_encoder_num_wavenet_layers", json!(60)),
        ("upsample_rates", json!([4, 3, 2])),
        ("upsample_rates", json!([])),
        ("upsample_rates", json!([0, 3])),
        ("upsample_kernel_sizes", json!([7, 7])),
        ("upsample_initial_channel", json!(2)),
        ("resblock_dilation_sizes", json!([[1], [0]])),
        ("resblock_kernel_sizes", json!([3, 4])),
        ("depth_separable_channels", json!(4)),
        ("duration_predictor_tail_bound", json!(0)),
        ("speaking_rate", json!(0)),
        ("num_speakers", json!(3)),
        ("hidden_act", json!("mish")),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        let error = VitsConfig::parse(&bad).expect_err(field);
        assert!(matches!(error, Error::Malformed { .. } | Error::Unsupported { .. }), "{field} {value}: {error}");
    }
}

#[test]
fn damaged_models_are_refused_by_name() {
    for (pointer, value, named) in [
        ("/num_hidden_layers", json!(3), "layers.2"),
        ("/num_hidden_layers", json!(1), "layers.1"),
        ("/prior_encoder_num_flows", json!(1), "flow.flows.1"),
        ("/ffn_dim", json!(28), "feed_forward.conv_1.weight"),
        ("/window_size", json!(4), "emb_rel_k"),
        ("/vocab_size", json!(8), "the tokenizer has"),
    ] {
        let copy = copied("vits");
        edit(&copy.path().join("config.json"), pointer, value);
        let error = open(copy.path()).expect_err(pointer);
        assert!(error.to_string().contains(named), "{pointer}: {error}");
    }
    let copy = copied("vits");
    std::fs::remove_file(copy.path().join("vocab.json")).expect("removed");
    assert!(open(copy.path()).expect_err("no vocabulary").to_string().contains("vocab.json"));
}

fn copied(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("folder");
    for file in std::fs::read_dir(path("models").join(name)).expect("model").map(|entry| entry.expect("entry").path()) {
        std::fs::copy(&file, copy.path().join(file.file_name().expect("name"))).expect("copied");
    }
    copy
}

fn edit(file: &Path, pointer: &str, value: Value) {
    let mut json: Value = serde_json::from_slice(&std::fs::read(file).expect("file")).expect("json");
    let (parent, field) = pointer.rsplit_once('/').expect("pointer");
    json.pointer_mut(parent).expect("parent")[field] = value;
    std::fs::write(file, json.to_string()).expect("written");
}

/// Rewrites a file with changed tensors.
fn rewrite(file: &Path, change: impl Fn(&str, &mut Vec<u8>)) {
    let bytes = std::fs::read(file).expect("file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let changed: Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let mut data = view.data().to_vec();
            change(&name, &mut data);
            (name, view.dtype(), view.shape().to_vec(), data)
        })
        .collect();
    let views = changed.iter().map(|(name, dtype, shape, data)| {
        let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).expect("view");
        (name.clone(), view)
    });
    safetensors::serialize_to_file(views, None, file).expect("written");
}
