//! Damaged vocabularies and templates that attack end in errors, quickly and without a panic.

use std::time::{Duration, Instant};

use loam::input::{ChatOptions, ChatTemplate, Message, Tokenizer};
use loam::weights::{Metadata, Value};
use proptest::prelude::*;

use crate::support::{metadata, vocabularies};

/// Beyond this a template hangs: no statement about speed, for emulated processors are twenty times slower than real ones.
const HANG: Duration = Duration::from_secs(60);

fn strings(texts: &[&str]) -> Value {
    Value::Strings(texts.iter().map(|&text| text.to_owned()).collect())
}

fn with(entries: &[(&str, Value)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in entries {
        metadata.insert(format!("tokenizer.ggml.{name}"), value.clone());
    }
    metadata
}

#[test]
fn bad_vocabularies_are_refused_by_name() {
    let model = |name: &str| ("model", Value::String(name.into()));
    let bpe = [model("gpt2"), ("tokens", strings(&["a", "b"])), ("merges", strings(&[]))];
    for (entries, reason) in [
        (vec![], "tokenizer.ggml.model"),
        (vec![model("gpt2")], "tokenizer.ggml.tokens"),
        (vec![model("gpt2"), ("tokens", strings(&[]))], "0 tokens"),
        (vec![model("rwkv"), ("tokens", strings(&["a"]))], "rwkv"),
        (vec![model("t5"), ("tokens", strings(&["a"]))], "t5"),
        (vec![model("gpt2"), ("tokens", strings(&["a"]))], "merges"),
        ([&bpe[..], &[("pre", Value::String("novel".into()))]].concat(), "novel"),
        ([&bpe[..], &[("merges", strings(&["ab"]))]].concat(), "merge 0"),
        ([&bpe[..], &[("bos_token_id", Value::U64(2))]].concat(), "bos_token_id"),
        ([&bpe[..], &[("eos_token_id", Value::I64(-1))]].concat(), "eos_token_id"),
        ([&bpe[..], &[("token_type", Value::Integers(vec![1]))]].concat(), "1 token types"),
        ([&bpe[..], &[("scores", Value::Floats(vec![1.0]))]].concat(), "1 scores"),
        (vec![model("bert"), ("tokens", strings(&["a"]))], "unknown_token_id"),
    ] {
        let error = Tokenizer::from_gguf(&with(&entries)).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error} should name {reason}");
    }
}

#[test]
fn odd_vocabularies_still_work() {
    // Duplicates, empty tokens, merges into nothing, NaN scores: damaged, but the rest is usable.
    let bpe = with(&[
        ("model", Value::String("gpt2".into())),
        ("tokens", strings(&["a", "a", "", "aaaa"])),
        ("merges", strings(&["a a", "aaaa a", "x y"])),
    ]);
    let tokenizer = Tokenizer::from_gguf(&bpe).expect("a tokenizer");
    let ids = tokenizer.encode("aab", loam::input::Special::Parse, loam::input::Affixes::Add).expect("ids");
    assert_eq!(ids, [0, 0]);
    let spm = with(&[
        ("model", Value::String("llama".into())),
        ("tokens", strings(&["<unk>", "a", "aa", "aaa"])),
        ("scores", Value::Floats(vec![f32::NAN, f32::INFINITY, f32::NAN, f32::NEG_INFINITY])),
        ("token_type", Value::Integers(vec![2, 1, 1, 99])),
    ]);
    let tokenizer = Tokenizer::from_gguf(&spm).expect("a tokenizer");
    let text = "a".repeat(100_000);
    let ids = tokenizer.encode(&text, loam::input::Special::Parse, loam::input::Affixes::None).expect("ids");
    assert!(ids.len() > 30_000);
}

proptest! {
    #[test]
    fn mutated_json_never_panics(at in 0usize..4000, byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&vocabularies()).expect("JSON");
        let at = at % bytes.len();
        bytes[at] = byte;
        prop_assert!(Tokenizer::from_bytes(&bytes).is_err());
    }

    #[test]
    fn random_token_types_never_panic(types in prop::collection::vec(-3i64..9, 400), bos in 0u64..500) {
        for vocabulary in vocabularies() {
            let mut metadata = metadata(&vocabulary);
            metadata.insert("tokenizer.ggml.token_type", Value::Integers(types.clone()));
            metadata.insert("tokenizer.ggml.bos_token_id", Value::U64(bos));
            if let Ok(tokenizer) = Tokenizer::from_gguf(&metadata) {
                let _ = tokenizer.encode("<s>hello [CLS] 🦙", loam::input::Special::Parse, loam::input::Affixes::Add);
            }
        }
    }
}

#[test]
fn attacking_templates_end_in_an_error() {
    let loops = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
    let output = "{% for a in range(90000) %}{{ messages[0].content }}{% endfor %}";
    let nested = "(".repeat(10_000);
    let recursion = "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}";
    let long = "x".repeat(300 << 10);
    for source in [
        loops,
        output,
        recursion,
        &format!("{{{{ {nested} }}}}"),
        &long,
        "{% if %}",
        "{{ 'a' * 1000000000000 }}",
        "{{ messages.content.content.content }}",
        "{% include 'chat' %}",
        "{% extends 'other' %}",
        "{{ messages | tojson(indent=1000000) }}",
        "{{ raise_exception('no') }}",
        "{{ missing() }}",
        "{{ messages | nofilter }}",
    ] {
        let start = Instant::now();
        let message = Message::user("y".repeat(1000));
        let result = ChatTemplate::new(source, None, None)
            .and_then(|template| template.render(&[message], &ChatOptions::default()));
        let shown: String = source.chars().take(60).collect();
        assert!(result.is_err(), "{shown}");
        assert!(start.elapsed() < HANG, "{shown} took {:?}", start.elapsed());
    }
}
