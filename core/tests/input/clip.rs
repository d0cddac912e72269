//! CLIP's tokenizer from `vocab.json` and `merges.txt`, against transformers' `CLIPTokenizer`.

use std::path::Path;

use loam::input::{Affixes, Special, Tokenizer};
use loam::{Error, Result};
use serde_json::Value;

use crate::support::{ids, shared};

const BEGIN: u32 = 49_406;
const END: u32 = 49_407;

/// The published vocabulary under the names that checkpoints use, or `None` with a line saying what is skipped. Its
/// merges go on beyond the vocabulary.
fn published() -> Option<tempfile::TempDir> {
    let from = shared("weights/clip-tokenizer")?;
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(from.join(format!("clip-{name}")), folder.path().join(name)).expect("copied");
    }
    Some(folder)
}

#[test]
fn ids_are_those_of_transformers() {
    let Some(folder) = published() else { return };
    let tokenizer = Tokenizer::from_dir(folder.path()).expect("a tokenizer");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.pad()), (Some(BEGIN), Some(END), Some(END)));
    assert_eq!(tokenizer.vocab_size(), 49_408);
    let cases: Vec<Value> = serde_json::from_str(include_str!("clip.json")).expect("cases");
    assert!(cases.len() >= 40);
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let encode = |special| tokenizer.encode(text, special, Affixes::Add).expect("ids");
        assert_eq!(encode(Special::Parse), ids(&case["ids"]), "{text:?}");
        let cut = tokenizer.encode_within(text, Special::Parse, Affixes::Add, 77).expect("ids");
        assert_eq!(cut, ids(&case["cut"]), "{text:?} cut");
        let plain = encode(Special::Plain);
        if text.contains("<|startoftext|>") {
            let inside = &plain[1..plain.len() - 1];
            assert!(!inside.contains(&BEGIN) && !inside.contains(&END), "a text smuggled in a control token");
        } else {
            assert_eq!(plain, ids(&case["ids"]), "{text:?} plain");
        }
    }
}

/// A vocabulary of all bytes and two merges, changed.
fn tiny(change: impl FnOnce(&mut serde_json::Map<String, Value>), merges: &str) -> Result<Tokenizer> {
    let folder = tempfile::tempdir().expect("a folder");
    let own = (0x21..0x7f).chain(0xa1..0xad).chain(0xae..0x100);
    let others = (0x100..0x144).map(|c| char::from_u32(c).expect("a character"));
    let symbols: Vec<char> = own.map(|c| char::from_u32(c).expect("a character")).chain(others).collect();
    assert_eq!(symbols.len(), 256);
    let mut vocab = serde_json::Map::new();
    let single = symbols.iter().map(char::to_string);
    let ends = symbols.iter().map(|c| format!("{c}</w>"));
    let merged = ["hi</w>", "th"].map(str::to_owned);
    let control = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    for (id, token) in single.chain(ends).chain(merged).chain(control).enumerate() {
        vocab.insert(token, id.into());
    }
    change(&mut vocab);
    let write = |name: &str, text: &str| std::fs::write(Path::join(folder.path(), name), text).expect("written");
    write("vocab.json", &Value::Object(vocab).to_string());
    write("merges.txt", merges);
    Tokenizer::from_dir(folder.path())
}

const MERGES: &str = "#version: 0.2\nh i</w>\nt h\nbeyond the\nvocabulary </w>\n";

#[test]
fn words_end_where_their_last_symbol_is_marked() {
    let tokenizer = tiny(|_| {}, MERGES).expect("a tokenizer");
    let id = |token: &str| tokenizer.id(token).expect("a token");
    let found = tokenizer.encode("Hi  TH!", Special::Plain, Affixes::Add).expect("ids");
    let expected = ["<|startoftext|>", "hi</w>", "t", "h</w>", "!</w>", "<|endoftext|>"].map(id);
    assert_eq!(found, expected);
}

#[test]
fn damaged_vocabularies_are_refused_by_what_is_missing() {
    let refused = |result: Result<Tokenizer>, named: &str| {
        let error = result.expect_err(named);
        assert!(error.to_string().contains(named), "{error}");
        error
    };
    let error = refused(tiny(|vocab| drop(vocab.remove("<|endoftext|>")), MERGES), "<|endoftext|>");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    refused(tiny(|vocab| drop(vocab.remove("q</w>")), MERGES), "'q'");
    refused(tiny(|vocab| drop(vocab.insert("x".into(), "seven".into())), MERGES), "vocab.json");
    refused(tiny(|_| {}, "h i</w>\nth\n"), "merge 1 is 'th'");
    refused(tiny(|_| {}, "h o</w>\n"), "ho</w>");
    refused(tiny(|_| {}, "h  \n"), "");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("vocab.json"), "{}").expect("written");
    refused(Tokenizer::from_dir(folder.path()), "tokenizer.json");
}
