//! Real vocabularies: llama.cpp's published cases, and SmolLM2's template.

use std::path::Path;

use loam::input::{Affixes, ChatOptions, ChatTemplate, Message, Special, Tokenizer, encode_chat};
use loam::weights::Gguf;

use crate::support::{cached, pulled, shared};

const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

/// Runs all cases of `name` with the vocabulary in `vocabulary`; no special tokens are added in them.
fn check_cases(name: &str, vocabulary: &Path) {
    let Some(cases) = shared(&format!("weights/tokenizer-vectors/ggml-vocab-{name}.gguf.inp")) else { return };
    let expected = std::fs::read_to_string(cases.with_extension("out")).expect("expected ids");
    let cases = std::fs::read_to_string(cases).expect("cases");
    let gguf = Gguf::open(vocabulary).expect("a vocabulary");
    let tokenizer = Tokenizer::from_gguf(gguf.metadata()).expect("a tokenizer");
    let mut count = 0;
    for (case, expected) in cases.split(SEPARATOR).zip(expected.split('\n')) {
        let expected: Vec<u32> = expected.split_whitespace().map(|id| id.parse().expect("an id")).collect();
        for special in [Special::Plain, Special::Parse] {
            assert_eq!(tokenizer.encode(case, special, Affixes::None).expect("ids"), expected, "{name}: {case:?}");
        }
        if name != "bert-bge" {
            assert_eq!(tokenizer.decode(&expected).expect("text"), case, "{name}");
        }
        count += 1;
    }
    assert_eq!(count, 47, "{name}");
}

fn check_shared(name: &str) {
    if let Some(path) = shared(&format!("weights/tokenizer-vectors/ggml-vocab-{name}.gguf")) {
        check_cases(name, &path);
    }
}

fn check_cached(name: &str) {
    if let Some(path) = cached(&format!("ggml-vocab-{name}.gguf"), "parity/make_tiktoken_vocab.py") {
        check_cases(name, &path);
    }
}

#[test]
fn gpt_2() {
    check_shared("gpt-2");
}

#[test]
fn llama_spm() {
    check_shared("llama-spm");
}

#[test]
fn phi_3() {
    check_shared("phi-3");
}

#[test]
fn bert_bge() {
    check_shared("bert-bge");
}

/// The same vocabulary as GGUF and as tokenizer.json gives the same ids, also where llama.cpp differs: it drops spacing
/// marks of Indic scripts together with accents.
#[test]
fn bert_gguf_equals_tokenizer_json() {
    let Some(gguf) = shared("weights/tokenizer-vectors/ggml-vocab-bert-bge.gguf") else { return };
    let Some(json) = pulled("text/tokenizer.json") else { return };
    let cases = std::fs::read_to_string(gguf.with_extension("gguf.inp")).expect("cases");
    let from_gguf = Tokenizer::from_gguf(Gguf::open(gguf).expect("a vocabulary").metadata()).expect("a tokenizer");
    let from_json = Tokenizer::from_file(json).expect("a tokenizer");
    for text in
        cases.split(SEPARATOR).chain(["हिन्दी में", "[CLS] a [SEP] [MASK]", "Ünïcödé ＡＢＣ ß", "a\u{0}b\u{200d}c"])
    {
        for (special, affixes) in [(Special::Plain, Affixes::Add), (Special::Parse, Affixes::None)] {
            let ids = from_gguf.encode(text, special, affixes).expect("ids");
            assert_eq!(ids, from_json.encode(text, special, affixes).expect("ids"), "{text:?}");
            assert_eq!(from_gguf.decode(&ids).expect("text"), from_json.decode(&ids).expect("text"));
        }
    }
}

#[test]
fn llama_bpe() {
    check_cached("llama-bpe");
}

#[test]
fn qwen2() {
    check_cached("qwen2");
}

#[test]
fn smollm2_chat() {
    let Some(path) = pulled("backbone/SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    let gguf = Gguf::open(path).expect("a model");
    let tokenizer = Tokenizer::from_gguf(gguf.metadata()).expect("a tokenizer");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.end_tokens()), (Some(1), Some(2), [0, 2].as_slice()));
    assert_eq!(tokenizer.vocab_size(), 49_152);
    let template = ChatTemplate::from_gguf(gguf.metadata(), &tokenizer).expect("compiles").expect("a template");
    let messages = [Message::user("What is 12 * 34?"), Message::assistant("408"), Message::user("Thanks! 🦙")];
    let text = template.render(&messages, &ChatOptions::default()).expect("a text");
    assert_eq!(
        text,
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
         <|im_start|>user\nWhat is 12 * 34?<|im_end|>\n<|im_start|>assistant\n408<|im_end|>\n\
         <|im_start|>user\nThanks! 🦙<|im_end|>\n<|im_start|>assistant\n"
    );
    let ids = encode_chat(&tokenizer, &template, &messages, &ChatOptions::default()).expect("ids");
    assert_eq!(ids, tokenizer.encode(&text, Special::Parse, Affixes::None).expect("ids"));
    // From llama.cpp's llama_tokenize of the text, special tokens parsed.
    assert_eq!(ids, LLAMA_CPP);
}

const LLAMA_CPP: [u32; 59] = [
    1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198,
    1, 4093, 198, 1780, 314, 216, 33, 34, 1672, 216, 35, 36, 47, 2, 198, 1, 520, 9531, 198, 36, 32, 40, 2, 198, 1,
    4093, 198, 16937, 17, 15107, 116, 243, 2, 198, 1, 520, 9531, 198,
];
