//! CTC recognisers: wav2vec 2.0 against transformers, its adapters against peft, searches and streams.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam::Error;
use loam::adapter::{Adapter, AdapterPackage, Base, InstallPolicy, bind};
use loam::engine::{Engine, ListenOptions, Listener, Pace, RECOGNIZERS, Search, Segment, SpeechTask};
use loam::input::{Audio, Channels, Input, SampleRate};
use loam::model::Modality;
use loam::model::encoder::{FAMILIES, Features, Item, open};
use loam::model::recognizer::ctc::{CtcNetwork, CtcVocabulary, Greedy, TowerCtc, Wav2Vec2Ctc};
use loam::quant::Deltas;
use loam::weights::Safetensors;
use serde_json::{Value, json};

use crate::fixture::{adapter_with, floats, max_difference, path, read_tensors, write_tensors};

const TOLERANCE: f32 = 1e-4;
const MODELS: [&str; 2] = ["wav2vec2-base", "wav2vec2-large"];

fn dir(name: &str) -> PathBuf {
    path(&format!("models/{name}"))
}

fn expected(name: &str, tensor: &str) -> Vec<f32> {
    floats(&Safetensors::open(dir(name).join("expected.safetensors")).expect("expected"), tensor)
}

fn network(name: &str) -> Wav2Vec2Ctc {
    Wav2Vec2Ctc::open(&dir(name)).expect("network")
}

fn vocabulary(network: &dyn CtcNetwork) -> &CtcVocabulary {
    network.head().expect("head").vocabulary()
}

fn frames(network: &dyn CtcNetwork, samples: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
    let states = network.states(samples, deltas).expect("heard");
    network.head().expect("head").log_probabilities(&states, deltas).expect("probabilities")
}

fn log_softmax(logits: &[f32], width: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let sum: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
        row.iter().map(|v| (f64::from(*v) - sum.ln()) as f32).collect::<Vec<_>>()
    };
    logits.chunks_exact(width).flat_map(row).collect()
}

fn text(network: &dyn CtcNetwork, frames: &[f32]) -> String {
    let vocabulary = vocabulary(network);
    let tokens = Greedy::new(vocabulary.count(), vocabulary.blank()).push(frames);
    tokens.iter().map(|token| vocabulary.piece(token.id)).collect::<String>().trim().to_owned()
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).expect("file")).expect("json")
}

#[test]
fn logits_and_texts_match_transformers() {
    for name in MODELS {
        let network = network(name);
        let width = vocabulary(&network).count();
        let sound = expected(name, "sound");
        let found = frames(&network, &sound, None);
        assert_eq!(found.len() / width, network.frames(sound.len()));
        for (found, reference) in [
            (found.clone(), expected(name, "logits")),
            (frames(&network, &sound[..700], None), expected(name, "short_logits")),
        ] {
            let worst = max_difference(&found, &log_softmax(&reference, width));
            eprintln!("{name}: {worst:.1e}");
            assert!(worst <= TOLERANCE, "{name}: differs by {worst}");
        }
        let decoded = read(&dir(name).join("decoded.json"));
        assert_eq!(text(&network, &found), decoded["text"].as_str().expect("text"), "{name}");
    }
}

#[test]
fn token_ids_become_the_texts_of_transformers() {
    let cases = read(&path("ctc/decoded.json"));
    let mut various = 0;
    for case in cases.as_array().expect("cases") {
        let network = network(case["model"].as_str().expect("model"));
        let vocabulary = vocabulary(&network);
        let (count, blank) = (vocabulary.count(), vocabulary.blank());
        let ids = case["ids"].as_array().expect("ids");
        let ids = ids.iter().map(|id| id.as_u64().expect("id"));
        let frame = |id: u64| (0..count as u64).map(move |at| if id == at { -0.1 } else { -9.0 });
        let frames: Vec<f32> = ids.flat_map(frame).collect();
        let tokens = Greedy::new(count, blank).push(&frames);
        let text: String = tokens.iter().map(|token| vocabulary.piece(token.id)).collect();
        assert_eq!(text.trim(), case["text"].as_str().expect("text"), "{case}");
        various += usize::from(text.trim().contains("  "));
    }
    assert!(various > 0, "no text has two spaces, which a blank between delimiters gives");
}

#[test]
fn the_network_is_an_encoder_of_speech_as_well() {
    for name in MODELS {
        let encoder = open(&dir(name), Modality::SPEECH).expect("encoder");
        let sound = Audio::from_f32(&expected(name, "sound"), Channels::MONO, SampleRate::SPEECH).expect("sound");
        let features = encoder.prepare(&Input::Sound(sound)).expect("prepared");
        let encoding = encoder.encode(&[Item { features: &features, deltas: None }]).expect("encoded").remove(0);
        let states = expected(name, "states");
        let worst = max_difference(&encoding.states, &states);
        assert!(worst <= TOLERANCE, "{name}: states differ by {worst}");
        let width = encoder.state_width();
        let mean: Vec<f32> = (0..width)
            .map(|i| states.iter().skip(i).step_by(width).sum::<f32>() / (states.len() / width) as f32)
            .collect();
        assert!(max_difference(&encoding.embedding, &mean) <= TOLERANCE, "{name}");
        for shape in [vec![3], vec![1, 900]] {
            let features = Features::new(vec![0.1; shape.iter().product()], shape).expect("features");
            let refused = encoder.encode(&[Item { features: &features, deltas: None }]);
            assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
        }
    }
    for family in RECOGNIZERS {
        let speech = FAMILIES.iter().any(|f| f.model_type == family.model_type && f.modality == Modality::SPEECH);
        assert!(speech, "{}: a bare directory would not be found to hear", family.model_type);
    }
}

#[test]
fn adapters_match_peft_in_the_recogniser_and_in_the_encoder() {
    let network = network("wav2vec2-base");
    let folder = path("peft/wav2vec2-r4");
    let package = AdapterPackage::open(&folder).expect("package");
    let bound = bind(&package, &Base { linears: network.linears(), fingerprint: None, tied: false }).expect("bound");
    assert_eq!(bound.deltas.low_rank.len(), network.linears().infos().len(), "every layer is adapted");
    let sound = expected("wav2vec2-base", "sound");
    let adapted = frames(&network, &sound, Some(&bound.deltas));
    let theirs = floats(&Safetensors::open(folder.join("expected.safetensors")).expect("expected"), "logits");
    let width = vocabulary(&network).count();
    let worst = max_difference(&adapted, &log_softmax(&theirs, width));
    eprintln!("adapter: {worst:.1e}");
    assert!(worst <= TOLERANCE, "differs from peft by {worst}");
    let bare = frames(&network, &sound, None);
    assert!(max_difference(&adapted, &bare) > 0.1);

    // The encoder's layers have the same identities, so that one binding serves both.
    let encoder = open(&dir("wav2vec2-base"), Modality::SPEECH).expect("encoder");
    for info in encoder.linears().infos() {
        assert_eq!(network.linears().get(&info.name).map(|own| own.id), Some(info.id), "{}", info.name);
    }

    // Zero deltas change no bit.
    let zero = tempfile::tempdir().expect("directory");
    for file in ["adapter_config.json", "task.json"] {
        std::fs::copy(folder.join(file), zero.path().join(file)).expect("copied");
    }
    let bytes = std::fs::read(folder.join("adapter_model.safetensors")).expect("adapter");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let mut zeros = bytes.clone();
    zeros[header..].fill(0);
    std::fs::write(zero.path().join("adapter_model.safetensors"), &zeros).expect("written");
    let package = AdapterPackage::open(zero.path()).expect("package");
    let none = bind(&package, &Base { linears: network.linears(), fingerprint: None, tied: false }).expect("bound");
    assert_eq!(frames(&network, &sound, Some(&none.deltas)), bare);

    // A key of no module, and a rank that the groups do not divide, are refused by name.
    let renamed =
        String::from_utf8_lossy(&bytes[8..header]).replace("layers.1.attention.q_proj", "layers.7.attention.q_proj");
    let mut wrong = bytes.clone();
    wrong[8..header].copy_from_slice(renamed.as_bytes());
    std::fs::write(zero.path().join("adapter_model.safetensors"), &wrong).expect("written");
    let package = AdapterPackage::open(zero.path()).expect("package");
    let refused = bind(&package, &Base { linears: network.linears(), fingerprint: None, tied: false });
    assert!(refused.expect_err("refused").to_string().contains("layers.7.attention.q_proj"));
}

fn listen(engine: &Engine, options: &ListenOptions) -> Box<dyn Listener + Send> {
    engine.recognizer().expect("recogniser").listen(options, None).expect("listener")
}

/// The sound of the fixture over and over, a little louder each time so that nothing repeats.
fn long(name: &str, seconds: usize) -> Vec<f32> {
    let sound = expected(name, "sound");
    let wanted = seconds * 16_000;
    (0..wanted).map(|i| sound[i % sound.len()] * (0.5 + 0.5 * i as f32 / wanted as f32)).collect()
}

/// Everything that a listener gives, in pushes of `chunk` samples, with the rules of partial texts checked.
fn hear(listener: &mut dyn Listener, samples: &[f32], chunk: usize) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut partial = String::new();
    let mut take = |found: Vec<Segment>, now: &str| {
        for segment in found {
            assert!(segment.text.starts_with(&partial), "'{partial}' was taken back: '{}'", segment.text);
            partial.clear();
            segments.push(segment);
        }
        assert!(now.starts_with(&partial), "'{partial}' was taken back: '{now}'");
        partial = now.to_owned();
    };
    for samples in samples.chunks(chunk) {
        let found = listener.push(samples).expect("heard");
        take(found, listener.partial());
    }
    let found = listener.finish().expect("finished");
    take(found, listener.partial());
    assert_eq!(partial, "", "the end leaves nothing open");
    segments
}

fn joined(segments: &[Segment]) -> String {
    segments.iter().map(|segment| &*segment.text).collect()
}

#[test]
fn streams_of_any_chunks_give_the_same_segments() {
    for name in MODELS {
        let engine = Engine::open(dir(name)).expect("engine");
        let samples = long(name, 13);
        for (pace, search) in
            [(Pace::Thorough, Search::Greedy), (Pace::Live, Search::Greedy), (Pace::Live, Search::Beam(4))]
        {
            let options = ListenOptions { pace, search, ..ListenOptions::default() };
            let whole = hear(&mut *listen(&engine, &options), &samples, samples.len());
            assert!(joined(&whole).len() > 100, "{name}: '{}'", joined(&whole));
            for chunk in [1_600, 777] {
                assert_eq!(hear(&mut *listen(&engine, &options), &samples, chunk), whole, "{name} {pace:?} {chunk}");
            }
            assert!(whole.is_sorted_by(|a, b| a.end <= b.start), "{name}");
            assert!(whole.iter().all(|s| s.start < s.end && s.end <= 13.0 && s.log_probability <= 0.0), "{name}");
        }
    }
}

/// A sound that fits into a window is heard as transformers hears it.
#[test]
fn a_short_stream_gives_the_text_of_transformers() {
    for name in MODELS {
        let engine = Engine::open(dir(name)).expect("engine");
        let decoded = read(&dir(name).join("decoded.json"));
        let heard = hear(&mut *listen(&engine, &ListenOptions::default()), &expected(name, "sound"), 1_600);
        assert_eq!(joined(&heard), decoded["text"].as_str().expect("text"), "{name}");
    }
}

#[test]
fn bad_sound_and_options_are_refused_by_value() {
    let engine = Engine::open(dir("wav2vec2-base")).expect("engine");
    let reason = |error: Error| error.to_string();
    let mut listener = listen(&engine, &ListenOptions::default());
    assert!(reason(listener.finish().expect_err("no sample")).contains("no sample"));
    let mut listener = listen(&engine, &ListenOptions::default());
    listener.push(&[0.0; 30]).expect("pushed");
    for value in [f32::NAN, f32::INFINITY, 1e9] {
        let mut samples = [0.1; 50];
        samples[7] = value;
        assert!(reason(listener.push(&samples).expect_err("refused")).contains("sample 37"), "{value}");
    }
    // Shorter than a frame: nothing was said.
    assert_eq!(listener.finish().expect("finished"), []);
    assert!(listener.push(&[0.0]).is_err(), "a stream ends once");

    let recognizer = engine.recognizer().expect("recogniser");
    let refused = |options: &ListenOptions| {
        Arc::clone(&recognizer).listen(options, None).err().map(|error| error.to_string()).expect("refused")
    };
    for width in [0, 33] {
        let options = ListenOptions { search: Search::Beam(width), ..ListenOptions::default() };
        assert!(refused(&options).contains(&width.to_string()));
    }
    let options = ListenOptions { language: Some("xx".into()), ..ListenOptions::default() };
    assert!(refused(&options).contains("xx"));
    let options = ListenOptions { task: SpeechTask::Translate, ..ListenOptions::default() };
    assert!(refused(&options).contains("translation"));
}

#[test]
fn adapters_are_installed_on_the_recogniser_and_change_what_it_hears() {
    let engine = Engine::open(dir("wav2vec2-base")).expect("engine");
    let adapter: Arc<Adapter> =
        engine.install("accent", path("peft/wav2vec2-r4"), InstallPolicy::Create).expect("installed");
    let samples = expected("wav2vec2-base", "sound");
    let recognizer = engine.recognizer().expect("recogniser");
    let options = ListenOptions::default();
    let mut adapted = Arc::clone(&recognizer).listen(&options, Some(adapter)).expect("listener");
    let mut bare = Arc::clone(&recognizer).listen(&options, None).expect("listener");
    assert_ne!(hear(&mut *adapted, &samples, 1_600), hear(&mut *bare, &samples, 1_600));

    // Both views of the component are one to whoever asks what is loaded.
    engine.encoder(Modality::SPEECH).expect("encoder");
    assert_eq!(engine.loaded().len(), 1);
    assert!(Arc::ptr_eq(&recognizer, &engine.recognizer().expect("recogniser")), "it stayed loaded");
    assert!(engine.unload("speech") && engine.loaded().is_empty());
    drop(engine);
}

#[test]
fn configurations_and_vocabularies_out_of_bounds_are_refused_by_name() {
    let from = dir("wav2vec2-base");
    let refused = |change: &dyn Fn(&Path)| {
        let to = tempfile::tempdir().expect("directory");
        for file in
            ["model.safetensors", "config.json", "vocab.json", "preprocessor_config.json", "tokenizer_config.json"]
        {
            std::fs::copy(from.join(file), to.path().join(file)).expect("copied");
        }
        change(to.path());
        Wav2Vec2Ctc::open(to.path()).expect_err("refused").to_string()
    };
    let field = |file: &'static str, name: &'static str, value: Value| {
        move |to: &Path| {
            let mut json = read(&to.join(file));
            json[name] = value.clone();
            std::fs::write(to.join(file), json.to_string()).expect("written");
        }
    };
    for (name, value) in [
        ("conv_stride", json!([5, 4])),
        ("conv_stride", json!([1024, 1024, 1024])),
        ("conv_kernel", json!([0, 3, 2])),
        ("conv_dim", json!([99_999_999, 3, 2])),
        // Small weights, a hundred gigabytes of activations.
        ("conv_dim", json!([60_000, 3, 2])),
        ("num_conv_pos_embedding_groups", json!(5)),
        ("num_conv_pos_embeddings", json!(1 << 30)),
        ("num_attention_heads", json!(7)),
        ("num_hidden_layers", json!(9_999_999)),
        ("feat_extract_norm", json!("batch")),
        ("hidden_act", json!("snake")),
        ("add_adapter", json!(true)),
        ("adapter_attn_dim", json!(16)),
        ("layer_norm_eps", json!("small")),
    ] {
        let reason = refused(&field("config.json", name, value));
        let shown = if name == "num_attention_heads" { "7 heads" } else { name };
        assert!(reason.contains(shown), "{name}: {reason}");
    }
    for (word, file, name, value) in [
        ("lm_head", "config.json", "num_hidden_layers", json!(1)),
        ("layers.2", "config.json", "num_hidden_layers", json!(3)),
        ("original1", "config.json", "num_conv_pos_embeddings", json!(9)),
        ("token 'Z'", "vocab.json", "Z", json!(12)),
        ("token 'Z'", "vocab.json", "Z", json!(-1)),
        ("[PAD]", "tokenizer_config.json", "pad_token", json!("[PAD]")),
        ("pad_token", "tokenizer_config.json", "pad_token", json!(3)),
        ("several languages", "vocab.json", "deu", json!({"a": 1})),
        (
            "WhisperFeatureExtractor",
            "preprocessor_config.json",
            "feature_extractor_type",
            json!("WhisperFeatureExtractor"),
        ),
    ] {
        let reason = refused(&field(file, name, value));
        let shown = match word {
            "lm_head" => "layers.1",
            "original1" => "original",
            "WhisperFeatureExtractor" => "preprocessing",
            word => word,
        };
        assert!(reason.contains(shown), "{word}: {reason}");
    }
    let missing = |file: &'static str| move |to: &Path| std::fs::remove_file(to.join(file)).expect("removed");
    assert!(refused(&missing("vocab.json")).contains("vocab.json"));
    assert!(refused(&missing("preprocessor_config.json")).contains("preprocessor_config.json"));
    assert!(CtcVocabulary::new(vec![String::new(); 3], 3).is_err());
    assert!(CtcVocabulary::new(vec!["a".repeat(1000), "b".into()], 1).is_err());
}

#[test]
fn own_speech_towers_match_pytorch_at_any_length() {
    for name in ["tower-speech", "tower-speech-2d"] {
        let network = TowerCtc::open(&dir(name)).expect("tower");
        let width = vocabulary(&network).count();
        let sound = expected(name, "sound");
        // Mirrored ends: a hop less a sample does not make another frame.
        assert_eq!(network.longest() / 160, sound.len() / 160, "{name}: the sound fills the window");
        for (samples, tensor) in [(&sound[..], "logits"), (&sound[..3_000], "short_logits")] {
            let found = frames(&network, samples, None);
            assert_eq!(found.len() / width, network.frames(samples.len()), "{name}");
            let worst = max_difference(&found, &log_softmax(&expected(name, tensor), width));
            eprintln!("{name} {tensor}: {worst:.1e}");
            assert!(worst <= TOLERANCE, "{name} {tensor}: differs by {worst}");
        }
        assert!(network.states(&vec![0.0; network.longest() + 1], None).is_err());
        assert!(network.states(&[0.0; 20], None).expect("heard").is_empty());
        // The encoder of the same directory, whose layers have the same identities.
        let encoder = open(&dir(name), Modality::SPEECH).expect("encoder");
        for info in encoder.linears().infos() {
            assert_eq!(network.linears().get(&info.name).map(|own| own.id), Some(info.id), "{}", info.name);
        }
        let engine = Engine::open(dir(name)).expect("engine");
        let samples: Vec<f32> = sound.repeat(4);
        let whole = hear(&mut *listen(&engine, &ListenOptions::default()), &samples, samples.len());
        assert!(joined(&whole).len() > 3, "{whole:?}");
        assert_eq!(hear(&mut *listen(&engine, &ListenOptions::default()), &samples, 1_600), whole, "{name}");
    }
    let network = TowerCtc::open(&dir("tower-speech")).expect("tower");
    let folder = path("peft/tower-speech-r2");
    let package = AdapterPackage::open(&folder).expect("package");
    let bound = bind(&package, &Base { linears: network.linears(), fingerprint: None, tied: false }).expect("bound");
    let sound = expected("tower-speech", "sound");
    let adapted = frames(&network, &sound, Some(&bound.deltas));
    let theirs = floats(&Safetensors::open(folder.join("expected.safetensors")).expect("expected"), "logits");
    let worst = max_difference(&adapted, &log_softmax(&theirs, 6));
    assert!(worst <= TOLERANCE, "differs from peft by {worst}");
    assert!(max_difference(&adapted, &frames(&network, &sound, None)) > 0.1);
}

/// An adapter with a head for another alphabet, on a model with a head and on one without.
#[test]
fn an_adapter_may_bring_the_head() {
    let from = dir("wav2vec2-base");
    let bare = tempfile::tempdir().expect("directory");
    for file in ["config.json", "preprocessor_config.json"] {
        std::fs::copy(from.join(file), bare.path().join(file)).expect("copied");
    }
    let bytes = std::fs::read(from.join("model.safetensors")).expect("weights");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let kept = tensors.tensors().into_iter().filter(|(name, _)| !name.starts_with("lm_head"));
    safetensors::serialize_to_file(kept, None, &bare.path().join("model.safetensors")).expect("written");

    let logits = floats(
        &Safetensors::open(path("peft/wav2vec2-head").join("expected.safetensors")).expect("expected"),
        "logits",
    );
    let tokens = Greedy::new(5, 0).push(&logits);
    let wanted: String = tokens.iter().map(|token| ["", " ", "x", "y", "z"][token.id as usize]).collect();
    let samples = expected("wav2vec2-base", "sound");
    for model in [&from, bare.path()] {
        let engine = Engine::open(model).expect("engine");
        let adapter = engine.install("letters", path("peft/wav2vec2-head"), InstallPolicy::Create).expect("installed");
        let recognizer = engine.recognizer().expect("recogniser");
        let mut listener = Arc::clone(&recognizer).listen(&ListenOptions::default(), Some(adapter)).expect("listener");
        assert_eq!(joined(&hear(&mut *listener, &samples, 1_600)), wanted.trim());
        if *model == *bare.path() {
            let refused = recognizer.listen(&ListenOptions::default(), None).err().expect("no head").to_string();
            assert!(refused.contains("head"), "{refused}");
        }
    }
    assert!(wanted.trim().len() > 10, "'{wanted}'");
}

/// A tower that only hears has no projection into a shared space: it is no encoder, yet an adapter's head fits its states.
#[test]
fn an_adapter_brings_the_head_of_a_tower_without_a_projection() {
    let (from, bare) = (dir("tower-speech"), tempfile::tempdir().expect("directory"));
    let mut config = read(&from.join("config.json"));
    config["ctc"]["vocabulary"] = json!([]);
    std::fs::write(bare.path().join("config.json"), config.to_string()).expect("written");
    let mut tensors = read_tensors(&from.join("model.safetensors"));
    // The last norm is part of the way into the shared space.
    tensors.retain(|(name, ..)| !["projection", "norm.", "ctc_head"].iter().any(|part| name.starts_with(part)));
    write_tensors(&bare.path().join("model.safetensors"), &tensors);

    let head = json!({"kind": "ctc", "vocabulary": ["", "|", "x", "y", "z"], "blank": 0});
    let task = json!({"path": "encoder", "component": "speech", "task": "transcribe", "head": head});
    let adapter = |width: usize| {
        let dir = adapter_with(&path("peft/tower-speech-r2"), &task, |tensors| {
            tensors.retain(|(name, ..)| name.contains("stages.0."));
            let weight = (0..5 * width).map(|i| ((i * 37 % 11) as f32 - 5.0) / 5.0).collect();
            tensors.push(("base_model.model.lm_head.weight".into(), vec![5, width], weight));
            tensors.push(("base_model.model.lm_head.bias".into(), vec![5], vec![0.1, -0.1, 0.0, 0.2, 0.0]));
        });
        let file = dir.path().join("adapter_config.json");
        let mut config = read(&file);
        config["target_modules"] = json!(["stages.0"]);
        std::fs::write(file, config.to_string()).expect("written");
        dir
    };
    let engine = Engine::open(bare.path()).expect("engine");
    let fitting = engine.install("letters", adapter(14).path(), InstallPolicy::Create).expect("installed");
    let listener = engine.recognizer().expect("recogniser").listen(&ListenOptions::default(), Some(fitting));
    let text = joined(&hear(&mut *listener.expect("listener"), &expected("tower-speech", "sound").repeat(3), 4_000));
    assert!(text.chars().count() > 3 && text.chars().all(|c| " xyz".contains(c)), "'{text}'");
    let refused = engine.install("wide", adapter(15).path(), InstallPolicy::Create).expect_err("too wide").to_string();
    assert!(refused.contains("[5, 15]") && refused.contains("14"), "{refused}");
}

#[test]
fn hostile_speech_towers_are_refused_by_name() {
    let from = dir("tower-speech");
    let refused = |change: &dyn Fn(&mut Value)| {
        let to = tempfile::tempdir().expect("directory");
        std::fs::copy(from.join("model.safetensors"), to.path().join("model.safetensors")).expect("copied");
        let mut config = read(&from.join("config.json"));
        change(&mut config);
        std::fs::write(to.path().join("config.json"), config.to_string()).expect("written");
        TowerCtc::open(to.path()).expect_err("refused").to_string()
    };
    let check = |word: &str, change: &dyn Fn(&mut Value)| {
        let reason = refused(change);
        assert!(reason.contains(word), "expected '{word}' in: {reason}");
    };
    check("ctc", &|c| drop(c.as_object_mut().expect("object").remove("ctc")));
    check("ctc", &|c| c["modality"] = json!("sound"));
    check("n_mels", &|c| c["ctc"]["mel"]["n_mels"] = json!(99_999));
    check("13 bins", &|c| c["ctc"]["mel"]["n_mels"] = json!(13));
    check("fixed length", &|c| c["ctc"]["mel"]["frames"] = json!(100));
    check("blank", &|c| c["ctc"]["blank"] = json!(6));
    check("ctc_head.weight", &|c| c["ctc"]["vocabulary"] = json!(["", "a"]));
    check("ctc_head", &|c| c["ctc"]["vocabulary"] = json!([]));
    check("extra", &|c| c["ctc"]["extra"] = json!(1));
    check("stages.4.positions", &|c| c["input"] = json!([12, 90]));
    check("deep", &|c| {
        for _ in 0..5 {
            c["stages"] = json!([{ "type": "residual", "body": c["stages"].clone() }]);
        }
    });
    check("fit together", &|c| {
        c["stages"][3]["body"][0] =
            json!({"type": "conv", "outputs": 14, "kernel": [3], "padding": [1], "stride": [3]});
        c["stages"][3]["shortcut"] = json!([
            {"type": "max_pool", "kernel": [2], "stride": [3]}
        ]);
        c["stages"].as_array_mut().expect("stages").truncate(4);
    });
}
