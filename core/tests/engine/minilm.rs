//! The real text encoder, all-MiniLM-L6-v2, against sentence-transformers; and what is built on it.

use loam::Engine;
use loam::task::{ClassifyOptions, similarity};
use loam::weights::Safetensors;

use crate::fixture::{floats, path};
use crate::smollm2::foundation;

#[test]
fn minilm_matches_sentence_transformers() {
    let Some(dir) = foundation() else { return };
    let sentences: Vec<String> =
        serde_json::from_slice(&std::fs::read(path("minilm/sentences.json")).expect("sentences")).expect("a list");
    let reference = Safetensors::open(path("minilm/expected.safetensors")).expect("reference");
    let expected = floats(&reference, "embeddings");
    let engine = Engine::open(&dir).expect("foundation");
    let model = engine.text().expect("text encoder");
    let embeddings = model.embed(&sentences, None).expect("embeddings").0;
    assert_eq!(embeddings.len(), 20);
    let mut worst = 1.0f32;
    for (i, (ours, theirs)) in embeddings.iter().zip(expected.chunks_exact(384)).enumerate() {
        let cosine = similarity(ours, theirs);
        worst = worst.min(cosine);
        assert!(cosine >= 0.9999, "sentence {i}: cosine {cosine}");
        // Company must not matter: a sentence alone gives the same bits.
        assert_eq!(ours, &model.embed(&sentences[i..=i], None).expect("alone").0[0]);
    }
    println!("smallest cosine of 20 sentences: {worst:.7}");
}

#[test]
fn zero_shot_classification_never_loads_the_backbone() {
    let Some(dir) = foundation() else { return };
    let engine = Engine::open(&dir).expect("foundation");
    let labels = ["sports", "finance", "cooking"].map(str::to_owned).to_vec();
    for (text, wanted) in [
        ("The goalkeeper saved two penalties in the final.", "sports"),
        ("The bank raised its interest rates again.", "finance"),
        ("Let the dough rest for an hour, then bake it.", "cooking"),
    ] {
        let options = ClassifyOptions { labels: labels.clone(), ..ClassifyOptions::default() };
        let result = engine.classify(text, &options).expect("classified");
        assert_eq!(result.label, wanted, "{:?}", result.scores);
        let total: f32 = result.scores.iter().map(|score| score.probability).sum();
        assert!((total - 1.0).abs() < 1e-5);
        assert_eq!(result.trace.steps[0].component, "text");
    }
    assert_eq!(engine.loaded().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["text"]);
}

/// What is looked up is what would be computed, whatever stood beside it, and takes no time.
#[test]
fn sentences_of_labels_are_embedded_once() {
    let Some(dir) = foundation() else { return };
    let engine = Engine::open(&dir).expect("foundation");
    let model = engine.text().expect("text encoder");
    let sentences: Vec<String> = (0..40).map(|i| format!("This text is about subject {i}.")).collect();
    let start = std::time::Instant::now();
    let first = model.anchors(&sentences[..30]).expect("embedded");
    let computed = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(model.anchors(&sentences[..30]).expect("known"), first);
    let known = start.elapsed();
    println!("30 sentences: {:.1} ms, again {:.3} ms", computed.as_secs_f64() * 1e3, known.as_secs_f64() * 1e3);
    assert!(known * 10 < computed, "{known:?} and {computed:?}");
    let all = model.anchors(&sentences).expect("some known, some new").0;
    let alone = model.embed(&sentences, None).expect("embedded").0;
    for (kept, alone) in all.iter().zip(&alone) {
        assert_eq!(
            kept.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            alone.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn bad_labels_and_templates_are_refused() {
    let Some(dir) = foundation() else { return };
    let engine = Engine::open(&dir).expect("foundation");
    let options = |labels: &[&str], template: Option<&str>| ClassifyOptions {
        labels: labels.iter().map(|&l| l.to_owned()).collect(),
        template: template.map(str::to_owned),
        ..ClassifyOptions::default()
    };
    for bad in [
        options(&[], None),
        options(&["a", "a"], None),
        options(&["a", " "], None),
        options(&["a", "b"], Some("no place for a label")),
    ] {
        assert!(matches!(engine.classify("x", &bad), Err(loam::Error::Argument { .. })), "{bad:?}");
    }
}
