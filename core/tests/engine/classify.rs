//! How labels are scored: by the checkpoint's own classifier, by sentences with softmax or sigmoid; and which encoder reads.

use loam::adapter::InstallPolicy;
use loam::engine::Engine;
use loam::input::{Audio, Channels, Image, Input, SampleRate};
use loam::model::Modality;
use loam::task::{Classification, ClassifyOptions, EmbedOptions, ScoredBy, Scoring, similarity};
use loam::{Error, Result};

use crate::fixture::{floats, max_difference, path};
use crate::pairs::expected;

const TOLERANCE: f32 = 1e-4;
const LABELS: [&str; 4] = ["speech", "siren", "rain", "dog"];

fn sound(index: usize) -> Audio {
    let samples = floats(&expected("models/ast-tiny"), &format!("sound.{index}"));
    Audio::from_f32(&samples, Channels::MONO, SampleRate::SPEECH).expect("sound")
}

/// Probabilities in the order of `labels`.
fn probabilities(result: &Classification, labels: &[&str]) -> Vec<f32> {
    let find = |label: &&str| result.scores.iter().find(|score| score.label == **label).expect("a label").probability;
    labels.iter().map(find).collect()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let total: f32 = logits.iter().map(|v| v.exp()).sum();
    logits.iter().map(|v| v.exp() / total).collect()
}

fn sigmoid(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect()
}

/// The model fixture `name` with another value in `config.json`.
fn with_field(name: &str, field: &str, value: serde_json::Value) -> (tempfile::TempDir, Engine) {
    let to = tempfile::tempdir().expect("folder");
    for file in ["config.json", "preprocessor_config.json", "model.safetensors"] {
        std::fs::copy(path("models").join(name).join(file), to.path().join(file)).expect("copied");
    }
    let text = std::fs::read_to_string(to.path().join("config.json")).expect("file");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("json");
    json[field] = value;
    std::fs::write(to.path().join("config.json"), json.to_string()).expect("written");
    let engine = Engine::open(to.path()).expect("engine");
    (to, engine)
}

#[test]
fn without_labels_the_checkpoints_classifier_decides() {
    let engine = Engine::open(path("models/ast-tiny")).expect("engine");
    for index in 0..2 {
        let logits = floats(&expected("models/ast-tiny"), &format!("heard.{index}"));
        let result = engine.classify(sound(index), &ClassifyOptions::default()).expect("classified");
        assert_eq!((result.scored_by, result.scoring), (ScoredBy::CheckpointHead, Scoring::Softmax));
        let worst = max_difference(&probabilities(&result, &LABELS), &softmax(&logits));
        assert!(worst <= TOLERANCE, "sound {index}: {worst}");
        let best = (0..4).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).expect("labels");
        assert_eq!(result.label, LABELS[best]);
        assert!(result.scores.is_sorted_by(|a, b| a.probability >= b.probability));
        let steps: Vec<&str> = result.trace.steps.iter().map(|step| step.component.as_str()).collect();
        assert_eq!(steps, ["sound"]);
    }
    // An adapter without labels and head acts below the same classifier.
    let adapter = engine.install("ear", path("peft/ast-r2"), InstallPolicy::Create).expect("installed");
    let options = ClassifyOptions { adapter: Some(adapter), ..ClassifyOptions::default() };
    let adapted = engine.classify(sound(0), &options).expect("classified");
    let bare = engine.classify(sound(0), &ClassifyOptions::default()).expect("classified");
    assert_eq!(adapted.scored_by, ScoredBy::CheckpointHead);
    assert!(max_difference(&probabilities(&adapted, &LABELS), &probabilities(&bare, &LABELS)) > 1e-3);
}

#[test]
fn a_classifier_of_several_labels_scores_each_on_its_own_and_one_of_values_none() {
    let (_dir, engine) = with_field("ast-tiny", "problem_type", "multi_label_classification".into());
    let result = engine.classify(sound(0), &ClassifyOptions::default()).expect("classified");
    assert_eq!((result.scored_by, result.scoring), (ScoredBy::CheckpointHead, Scoring::Sigmoid));
    let logits = floats(&expected("models/ast-tiny"), "heard.0");
    let worst = max_difference(&probabilities(&result, &LABELS), &sigmoid(&logits));
    assert!(worst <= TOLERANCE, "{worst}");

    let (_dir, engine) = with_field("ast-tiny", "problem_type", "regression".into());
    let refused = engine.classify(sound(0), &ClassifyOptions::default()).expect_err("values");
    assert!(matches!(refused, Error::Unsupported { .. }) && refused.to_string().contains("'sound'"), "{refused}");
    let (_dir, engine) = with_field("ast-tiny", "problem_type", "guessing".into());
    let refused = engine.encoder(Modality::SOUND).expect_err("unknown").to_string();
    assert!(refused.contains("problem_type") && refused.contains("guessing"), "{refused}");
}

/// SigLIP's probabilities are sigmoids of scaled and shifted cosines; references are transformers' vectors.
#[test]
fn sigmoids_score_labels_where_the_checkpoint_has_a_bias() {
    /// Pictures are resized to 8 bits in between, and the scale is 5.5.
    const PIPELINE: f32 = 1e-3;
    let sentences = ["A photo of a cat.", "two DOGS,   on a red mat!", "Café — 日本"];
    let engine = Engine::open(path("models/siglip-tiny")).expect("engine");
    let reference = expected("models/siglip-tiny");
    let texts = floats(&reference, "said");
    let options = |labels: &[&str]| ClassifyOptions {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        template: Some("{}".into()),
        ..ClassifyOptions::default()
    };
    for name in ["exact.png", "landscape.png"] {
        let picture = Image::open(path("images").join(name)).expect("picture");
        let vector = floats(&reference, &format!("file.{name}"));
        let (scale, bias) = (1.7f32.exp(), -3.1);
        let logits: Vec<f32> =
            texts.chunks_exact(16).take(3).map(|text| scale * similarity(&vector, text) + bias).collect();
        let result = engine.classify(picture.clone(), &options(&sentences)).expect("classified");
        assert_eq!((result.scored_by, result.scoring), (ScoredBy::Labels, Scoring::Sigmoid));
        let ours = probabilities(&result, &sentences);
        let worst = max_difference(&ours, &sigmoid(&logits));
        println!("{name}: {ours:?}, differs by {worst:.1e}");
        assert!(worst <= PIPELINE, "{name}: {worst}");
        // A label's probability does not depend on the others.
        let alone = engine.classify(picture, &options(&sentences[1..2])).expect("classified");
        assert_eq!(alone.scores[0].probability, ours[1]);
    }
}

#[test]
fn no_labels_and_no_classifier_is_refused_by_component() {
    let engine = Engine::open(path("models/siglip-tiny")).expect("engine");
    let picture = Image::open(path("images/exact.png")).expect("picture");
    let refusal = |result: Result<Classification>| match result {
        Err(Error::Argument { name: "labels", reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refusal(engine.classify(picture, &ClassifyOptions::default())).contains("'image'"));
    assert!(refusal(engine.classify("a cat", &ClassifyOptions::default())).contains("'text'"));
    let many = ClassifyOptions { labels: vec!["a".into(); 4097], ..ClassifyOptions::default() };
    assert!(refusal(engine.classify("a cat", &many)).contains("4097"));
}

#[test]
fn a_modality_names_the_encoder_and_is_checked() {
    let engine = Engine::open(path("models/imagebind-tiny")).expect("engine");
    let picture = || Input::from(Image::open(path("images/exact.png")).expect("picture"));
    let embed = |input: Input, modality: Modality| {
        engine.embed(input, &EmbedOptions { modality: Some(modality), ..EmbedOptions::default() })
    };
    let by_default = engine.embed(picture(), &EmbedOptions::default()).expect("embedded");
    let named = embed(picture(), Modality::IMAGE).expect("embedded");
    assert_eq!((&named.vector, &named.trace.steps[0].component[..]), (&by_default.vector, "image"));
    for (input, modality, told) in [
        (picture(), Modality::SOUND, "an image, the encoder reads sound"),
        (picture(), Modality::TEXT, "not read as text"),
        (Input::from("a cat"), Modality::IMAGE, "text, which is not read as image"),
        (picture(), Modality::SPEECH, "speech-encoder"),
        (picture(), Modality::new("smell"), "smell-encoder"),
    ] {
        let refused = embed(input, modality).expect_err("refused").to_string();
        assert!(refused.contains(told), "{refused}");
    }
    let options = ClassifyOptions { modality: Some(Modality::TEXT), labels: vec!["a".into()], ..Default::default() };
    assert!(matches!(engine.classify(picture(), &options), Err(Error::Argument { .. })));
    // The adapter's component decides where nothing is said.
    let ast = Engine::open(path("models/ast-tiny")).expect("engine");
    let adapter = ast.install("ear", path("peft/ast-r2"), InstallPolicy::Create).expect("installed");
    let options = EmbedOptions { adapter: Some(adapter), modality: None };
    let refused = ast.embed(picture(), &options).expect_err("a picture").to_string();
    assert!(refused.contains("an image, the encoder reads sound"), "{refused}");
}
