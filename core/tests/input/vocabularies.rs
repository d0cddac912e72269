//! The tiny vocabularies against llama.cpp's ids, and the roles of their tokens.

use loam::input::{Affixes, Special, Tokenizer};
use loam::weights::Value;

use crate::support::{ids, metadata, tiny, vocabularies};

#[test]
fn ids_are_those_of_llama_cpp() {
    for vocabulary in vocabularies() {
        let tokenizer = Tokenizer::from_gguf(&metadata(&vocabulary)).expect("a tokenizer");
        for case in vocabulary["cases"].as_array().expect("cases") {
            let text = case["text"].as_str().expect("text");
            for (special, affixes, expected) in [
                (Special::Plain, Affixes::None, "plain"),
                (Special::Parse, Affixes::None, "parsed"),
                (Special::Plain, Affixes::Add, "affixed"),
            ] {
                let found = tokenizer.encode(text, special, affixes).expect("ids");
                let expected_ids = ids(&case[expected]);
                // llama.cpp merges plain "<s>" into the control token where "<s" is a token; this crate must not.
                if vocabulary["model"] == "llama" && special == Special::Plain && text.starts_with("<s>") {
                    assert!(expected_ids.contains(&1));
                    assert_eq!(tokenizer.decode(&found).expect("text"), text);
                    continue;
                }
                assert_eq!(found, expected_ids, "{} {expected} {text:?}", vocabulary["model"]);
            }
        }
    }
}

#[test]
fn roles_come_from_the_metadata() {
    let bpe = tiny("gpt2");
    let id = |token: &str| bpe.id(token).expect("a token");
    assert_eq!(bpe.bos(), Some(id("<|im_start|>")));
    assert_eq!(bpe.eos(), Some(id("<|im_end|>")));
    assert_eq!(bpe.end_tokens(), [id("<|im_end|>")]);
    assert_eq!(bpe.token(id("<|im_end|>")).as_deref(), Some("<|im_end|>"));
    assert_eq!(bpe.token(u32::try_from(bpe.vocab_size()).expect("small")), None);

    // SentencePiece: "<|im_end|>" is no given end token, but known by name.
    let spm = tiny("llama");
    let named = spm.id("<|im_end|>").expect("a token");
    assert_eq!((spm.bos(), spm.eos(), spm.end_tokens()), (Some(1), Some(2), [2, named].as_slice()));
}

#[test]
fn every_pre_tokenizer_cuts_and_restores() {
    let mut vocabulary = metadata(&vocabularies()[0]);
    let text = "Hello WORLD, it's 12345 ½ déjà-vu… 日本語\r\n\n  \tEnd。!?  ";
    for (name, pieces) in [
        ("default", "33 3 3"),
        ("gpt-2", "33 33"),
        ("phi-2", "33 33"),
        ("mpt", "33 33"),
        ("olmo", "33 33"),
        ("llama-bpe", "33 3 3"),
        ("llama3", "33 3 3"),
        ("dbrx", "33 3 3"),
        ("qwen2", "3 3 3 3"),
        ("smollm", "3 3 3 3"),
        ("starcoder", "3 3 3 3"),
        ("gpt-4o", "33 3 3"),
        ("tekken", "3 3 3 3"),
        ("falcon", "33 3 3"),
        ("deepseek-llm", "33 33"),
        ("deepseek-coder", "3 3 3 3"),
    ] {
        vocabulary.insert("tokenizer.ggml.pre", Value::String(name.to_owned()));
        let tokenizer = Tokenizer::from_gguf(&vocabulary).expect(name);
        let ids = tokenizer.encode(text, Special::Plain, Affixes::None).expect("ids");
        assert_eq!(tokenizer.decode(&ids).expect("text"), text, "{name}");
        let ids = tokenizer.encode("3333", Special::Plain, Affixes::None).expect("ids");
        let found: Vec<String> = ids.iter().filter_map(|&id| tokenizer.token(id)).collect();
        assert_eq!(found.join(" "), pieces, "{name}");
    }
}

#[test]
fn phi_3_tokens_swallow_white_space() {
    let mut vocabulary = metadata(&vocabularies()[1]);
    vocabulary.insert("general.name", Value::String("Phi-3 mini".to_owned()));
    let tokenizer = Tokenizer::from_gguf(&vocabulary).expect("a tokenizer");
    let encode = |text| tokenizer.encode(text, Special::Parse, Affixes::None).expect("ids");
    assert_eq!(encode("<|im_end|>\n the"), encode("<|im_end|>the"));
    assert_ne!(encode("<s>\n the"), encode("<s>the"));
}

#[test]
fn truncation_keeps_the_affixes() {
    let tokenizer = tiny("bert");
    let full = tokenizer.encode("hello world the end", Special::Plain, Affixes::Add).expect("ids");
    let cut = tokenizer.encode_within("hello world the end", Special::Plain, Affixes::Add, 4).expect("ids");
    assert_eq!(cut, [full[0], full[1], full[2], full[full.len() - 1]]);
    let bare = tokenizer.encode_within("hello world the end", Special::Plain, Affixes::None, 2).expect("ids");
    assert_eq!(bare, full[1..3]);
    let error = tokenizer.encode_within("hello", Special::Plain, Affixes::Add, 1).expect_err("no room");
    assert!(error.to_string().contains("2 special tokens"), "{error}");
}

#[test]
fn plain_text_never_spells_a_control_token() {
    for model in ["gpt2", "llama", "bert"] {
        let tokenizer = tiny(model);
        let control = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "[CLS]", "[SEP]", "<unk>"];
        for text in control.into_iter().filter(|text| tokenizer.id(text).is_some()) {
            let id = tokenizer.id(text).expect("present");
            let plain = tokenizer.encode(text, Special::Plain, Affixes::None).expect("ids");
            assert!(!plain.contains(&id), "{model}: {text} became {plain:?}");
            let parsed = tokenizer.encode(text, Special::Parse, Affixes::None).expect("ids");
            assert_eq!(parsed, [id], "{model}: {text}");
        }
    }
}
