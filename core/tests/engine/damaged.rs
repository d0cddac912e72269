//! Weights whose values are damaged make an error that names the component, never an answer.

use loam::Error;
use loam::engine::{Engine, Event, LanguageModel, Part};
use loam::input::Image;
use loam::task::AnswerOptions;

use crate::fixture::{path, read_tensors, write_tensors};

/// A copy of a model in which one value of the last norm of its backbone is NaN.
fn spoilt(model: &str, norm: &str) -> tempfile::TempDir {
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
    let found = tensors.iter_mut().find(|(name, ..)| name == norm).expect("the norm is there");
    found.2[3] = f32::NAN;
    write_tensors(&weights, &tensors);
    to
}

#[test]
fn texts_are_not_scored_by_logits_that_are_not_finite() {
    let dir = spoilt("llama2", "model.norm.weight");
    let model = LanguageModel::open(Part { name: "backbone".into(), bytes: 0 }, dir.path()).expect("opened");
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
