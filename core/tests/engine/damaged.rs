//! Weights whose values are damaged make an error that names the component, never an answer.

use loam::Error;
use loam::adapter::InstallPolicy;
use loam::engine::{Engine, Event, LanguageModel, ListenOptions, Loading, Part, Search, SpeakOptions};
use loam::input::{Audio, Channels, Image, SampleRate};
use loam::task::{AnswerOptions, ClassifyOptions, RegressOptions, TranscribeOptions};
use serde_json::json;

use crate::fixture::{adapter_with, path, read_tensors, write_tensors};

/// A copy of a model in which a tensor's fourth value is NaN.
fn spoilt(model: &str, tensor: &str) -> tempfile::TempDir {
    changed(model, tensor, |values| values[3] = f32::NAN)
}

/// A copy of a model with another tensor.
fn changed(model: &str, tensor: &str, change: impl Fn(&mut Vec<f32>)) -> tempfile::TempDir {
    let (from, to) = (path("models").join(model), tempfile::tempdir().expect("directory"));
    for file in std::fs::read_dir(&from).expect("fixture") {
        let file = file.expect("entry");
        if file.path().is_file() {
            std::fs::copy(file.path(), to.path().join(file.file_name())).expect("copied");
        }
    }
    // Or it would be taken for the weights.
    let _ = std::fs::remove_file(to.path().join("model.gguf"));
    let weights = to.path().join("model.safetensors");
    let mut tensors = read_tensors(&weights);
    let found = tensors.iter_mut().find(|(name, ..)| name == tensor).expect("the tensor is there");
    change(&mut found.2);
    write_tensors(&weights, &tensors);
    to
}

#[test]
fn texts_are_not_scored_by_logits_that_are_not_finite() {
    let dir = spoilt("llama2", "model.norm.weight");
    let model = LanguageModel::open(Part::new("backbone", 0, Loading::First), dir.path()).expect("opened");
    let refused = model.perplexity(&[1, 2, 3, 4], None).expect_err("no number");
    assert!(matches!(refused, Error::Malformed { .. }), "{refused}");
    assert!(refused.to_string().contains("'backbone'") && refused.to_string().contains("logits"), "{refused}");
}

#[test]
fn no_token_is_chosen_from_logits_that_are_not_finite() {
    let dir = spoilt("smolvlm", "model.text_model.norm.weight");
    let engine = Engine::open(dir.path()).expect("engine");
    let picture = Image::open(dir.path().join("square.png")).expect("picture");
    let mut said = String::new();
    let mut sink = |event: Event<'_>| {
        if let Event::Text(text) = event {
            said.push_str(text);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    };
    let refused =
        engine.answer(&[picture.into()], "What?", &AnswerOptions::default(), &mut sink).expect_err("no answer");
    assert!(matches!(refused, Error::Malformed { .. }), "{refused}");
    assert!(refused.to_string().contains("logits") && said.is_empty(), "{refused}: '{said}'");
}

#[test]
fn whisper_writes_nothing_by_logits_that_are_not_finite() {
    let noise: Vec<f32> = (0..16_000).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    let sound = Audio::from_f32(&noise, Channels::MONO, SampleRate::SPEECH).expect("sound");
    for tensor in ["model.decoder.layer_norm.weight", "model.encoder.conv1.weight"] {
        let dir = spoilt("whisper", tensor);
        let engine = Engine::open(dir.path()).expect("engine");
        for search in [Search::Greedy, Search::Beam(3)] {
            let listen = ListenOptions { search, ..ListenOptions::default() };
            let options = TranscribeOptions { listen, adapter: None };
            let refused = engine.transcribe(&sound, &options).expect_err("no text");
            assert!(matches!(refused, Error::Malformed { .. }), "{tensor}: {refused}");
        }
    }
}

#[test]
fn nothing_is_said_by_values_that_are_not_finite() {
    for (tensor, value) in [
        ("decoder.conv_pre.weight", f32::NAN),
        ("decoder.conv_pre.weight", f32::INFINITY),
        ("text_encoder.project.weight", f32::NAN),
    ] {
        let dir = changed("vits", tensor, |values| values.fill(value));
        let engine = Engine::open(dir.path()).expect("engine");
        let refused = engine.speak("gobˈa kaˈok", &SpeakOptions::default()).expect_err("no sound");
        assert!(matches!(refused, Error::Malformed { .. }), "{tensor} {value}: {refused}");
    }
}

/// Finite weights can make values that are not.
#[test]
fn heads_give_no_values_that_are_not_finite() {
    let engine = Engine::open(path("models/ast-tiny")).expect("engine");
    let noise: Vec<f32> = (0..7_000).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    let sound = Audio::from_f32(&noise, Channels::MONO, SampleRate::SPEECH).expect("sound");
    let huge = |head: &str| {
        let task = serde_json::from_slice(&std::fs::read(path("heads").join(head).join("task.json")).expect("task"));
        adapter_with(&path("heads").join(head), &task.expect("JSON"), |tensors| {
            let weight = tensors.iter_mut().find(|(name, ..)| name.ends_with("classifier.weight")).expect("a head");
            weight.2.fill(3e38);
        })
    };
    let adapter = engine.install("r", huge("regression").path(), InstallPolicy::Create).expect("installed");
    let refused = engine.regress(sound.clone(), &RegressOptions { adapter: Some(adapter), modality: None });
    assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
    let adapter = engine.install("l", huge("linear").path(), InstallPolicy::Create).expect("installed");
    let options = ClassifyOptions { adapter: Some(adapter), ..ClassifyOptions::default() };
    let refused = engine.classify(sound, &options);
    assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
}

#[test]
fn an_adapter_with_values_that_are_not_finite_is_refused_by_its_tensor() {
    let engine = Engine::open(path("models/llama2")).expect("engine");
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let dir = adapter_with(&path("peft/llama2-all-r4"), &json!({}), |tensors| tensors[0].2[1] = value);
        let refused = engine.install("x", dir.path(), InstallPolicy::Create).expect_err("refused");
        assert!(matches!(&refused, Error::Adapter { reason, .. } if reason.contains("lora_")), "{refused}");
    }
}
