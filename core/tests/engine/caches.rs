//! Keys and values as bytes: how far from singles, how much smaller, and the same whatever the batch.

use std::path::Path;
use std::sync::Arc;

use loam::Error;
use loam::engine::{Caller, Engine, EngineOptions, GenerateOptions, Mismatch};
use loam::input::{Affixes, Special};
use loam::model::backbone::{Backbone, Entry, Row, Want};
use loam::model::{CacheShape, CacheType, KvCache};
use loam::task::Chat;

use crate::fixture::{expected, extend, path};
use crate::smollm2::foundation;

/// Models with grouped heads, windows, heads of other widths and capped scores.
const MODELS: [&str; 5] = ["llama2", "qwen3", "gemma3", "gemma3-softcap", "mistral"];

fn model(name: &str) -> (Backbone, Vec<u32>) {
    let dir = path("models").join(name);
    (Backbone::open(&dir).expect("model"), expected(&dir).tokens)
}

#[test]
fn bytes_take_half_of_what_halves_take() {
    let shape = |kind| CacheShape { layers: 30, kv_heads: 3, head_dim: 64, kind };
    let (bytes, halves) = (shape(CacheType::Q8).block() as f64, shape(CacheType::F16).block() as f64);
    assert!(bytes / halves < 0.54, "{bytes} and {halves}");
    let (backbone, tokens) = model("llama2");
    let (mut bytes, mut singles) = (backbone.new_cache_as(CacheType::Q8), backbone.new_cache_as(CacheType::F32));
    for cache in [&mut bytes, &mut singles] {
        extend(&backbone, &tokens, tokens.len(), None, cache);
        assert_eq!(cache.bytes(), cache.blocks().len() * cache.shape().block());
    }
    assert!(bytes.bytes() * 2 < singles.bytes(), "{} and {}", bytes.bytes(), singles.bytes());
}

/// Rows of sequences whose caches are of different types, in one pass and alone, in chunks of any size.
#[test]
fn a_row_is_the_same_in_any_batch() {
    for name in MODELS {
        let (backbone, tokens) = model(name);
        let alone = |kind, chunk| extend(&backbone, &tokens, chunk, None, &mut backbone.new_cache_as(kind));
        let whole = alone(CacheType::Q8, tokens.len());
        for chunk in [1, 5, 17] {
            assert_eq!(alone(CacheType::Q8, chunk), whole, "{name} in chunks of {chunk}");
        }
        let halves = alone(CacheType::F16, 1);
        let vocab = backbone.config().vocab_size;
        let mut caches = [CacheType::Q8, CacheType::F16].map(|kind| backbone.new_cache_as(kind));
        for (position, &id) in tokens.iter().enumerate() {
            let row = |sequence| Row { entry: Entry::Token(id), sequence, position, deltas: None, want: Want::Logits };
            let [bytes, others] = &mut caches;
            let logits = backbone.forward(&[row(0), row(1)], &mut [bytes, others]).expect("forward");
            let at = position * vocab..(position + 1) * vocab;
            assert_eq!(logits[..vocab], whole[at.clone()], "{name} at {position}");
            assert_eq!(logits[vocab..], halves[at], "{name} at {position}");
        }
    }
}

#[test]
fn blocks_of_bytes_are_shared_copied_and_cut_as_others_are() {
    for name in MODELS {
        let (backbone, tokens) = model(name);
        let vocab = backbone.config().vocab_size;
        let whole = extend(&backbone, &tokens, 7, None, &mut backbone.new_cache_as(CacheType::Q8));
        let mut first = backbone.new_cache_as(CacheType::Q8);
        extend(&backbone, &tokens[..20], 20, None, &mut first);
        let mut second: KvCache = first.clone();
        // One goes another way in the block that both share; the other does not notice.
        extend(&backbone, &[1, 2, 3], 3, None, &mut second);
        assert_eq!(extend(&backbone, &tokens[20..], 3, None, &mut first), whole[20 * vocab..], "{name}");
        second.truncate(9);
        assert_eq!(extend(&backbone, &tokens[9..], 4, None, &mut second), whole[9 * vocab..], "{name}");
    }
}

/// What is saved with one type is not taken for another.
#[test]
fn a_saved_context_of_bytes_goes_on_as_it_was() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chat.context");
    let open = |cache| {
        let options = EngineOptions { cache, ..EngineOptions::default() };
        Arc::new(Engine::open_with(path("models/smolvlm"), options).expect("engine"))
    };
    let options = GenerateOptions { max_tokens: 24, ..GenerateOptions::default() };
    let ask = |chat: &mut Chat<Arc<Engine>>, text: &str| {
        let mut answer = String::new();
        let stats = chat.respond(text, &options, &mut answer).expect("answered");
        (answer, stats)
    };
    let mut chat = Chat::new(open(Some(CacheType::Q8)), Some("Be brief."));
    ask(&mut chat, "Good morning to you");
    chat.save(&file, &Caller::default()).expect("saved");
    let (goes_on, _) = ask(&mut chat, "Go on.");
    let restore = |cache, mismatch, file: &Path| Chat::restore(open(cache), file, &Caller::default(), None, mismatch);
    let mut again = restore(Some(CacheType::Q8), Mismatch::Refuse, &file).expect("restored");
    let (answer, stats) = ask(&mut again, "Go on.");
    assert_eq!(answer, goes_on);
    assert!(stats.cached_tokens > 16, "{stats:?}");
    let error = restore(None, Mismatch::Refuse, &file).map(|_| ()).expect_err("singles");
    assert!(matches!(error, Error::Context { what: "cache", .. }), "{error}");
    let mut other = restore(None, Mismatch::Recompute, &file).expect("what was said");
    assert_eq!(ask(&mut other, "Go on.").1.cached_tokens, 0);
}

#[test]
fn a_real_model_predicts_a_text_as_well_with_bytes() {
    let Some(dir) = foundation() else { return };
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("a text");
    let perplexity = |cache| {
        let options = EngineOptions { cache: Some(cache), ..EngineOptions::default() };
        let engine = Engine::open_with(&dir, options).expect("foundation");
        let model = engine.language().expect("model");
        assert_eq!(model.backbone().new_cache().shape().kind, cache);
        let mut tokens = model.tokenizer().expect("one").encode(&text, Special::Plain, Affixes::Add).expect("tokens");
        tokens.truncate(600);
        model.perplexity(&tokens, None).expect("a number").perplexity
    };
    let (singles, bytes) = (perplexity(CacheType::F32), perplexity(CacheType::Q8));
    println!("perplexity {singles:.4} with singles, {bytes:.4} with bytes: {:+.3} %", (bytes / singles - 1.0) * 100.0);
    assert!((bytes / singles - 1.0).abs() < 0.01, "{singles} and {bytes}");
}
