//! Whisper's two vocabularies, published as ranks of byte strings, in the form of older checkpoints: `vocab.json`,
//! `merges.txt` and `added_tokens.json`.

use std::collections::HashMap;
use std::path::Path;

use loam::input::{Affixes, Special, Tokenizer};
use serde_json::{Map, Value};

use crate::support::shared;

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&c| c != b'=').map(value).collect();
    let bits = digits.iter().flat_map(|d| (0..6).rev().map(move |bit| d >> bit & 1));
    bits.collect::<Vec<u8>>().chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// GPT-2's characters for bytes.
fn printable(bytes: &[u8]) -> String {
    let plain = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let shifted = |b: u8| char::from_u32(0x100 + (0..b).filter(|&b| !plain(b)).count() as u32).expect("a character");
    bytes.iter().map(|&b| if plain(b) { char::from(b) } else { shifted(b) }).collect()
}

/// The two parts that the last merge of a token joins: what merging its bytes by lower ranks leaves.
fn merge(token: &[u8], ranks: &HashMap<Vec<u8>, u32>) -> (Vec<u8>, Vec<u8>) {
    let own = ranks[token];
    let mut parts: Vec<Vec<u8>> = token.iter().map(|&b| vec![b]).collect();
    while parts.len() > 2 {
        let rank = |i: &usize| ranks.get(&parts[i - 1..=*i].concat()).filter(|&&rank| rank < own).copied();
        let (_, at) = (1..parts.len()).filter_map(|i| Some((rank(&i)?, i))).min().expect("a merge");
        let right = parts.remove(at);
        parts[at - 1].extend(right);
    }
    let right = parts.pop().expect("two parts");
    (parts.pop().expect("two parts"), right)
}

fn write(ranks: &Path, special: &[&str], folder: &Path) {
    let text = std::fs::read_to_string(ranks).expect("readable");
    let lines = text.lines().map(|line| line.split_once(' ').expect("token and rank"));
    let ranks: HashMap<Vec<u8>, u32> = lines.map(|(t, rank)| (base64(t), rank.parse().expect("a rank"))).collect();
    let mut order: Vec<&Vec<u8>> = ranks.keys().collect();
    order.sort_by_key(|token| ranks[*token]);
    let vocab: Map<String, Value> = order.iter().map(|t| (printable(t), ranks[*t].into())).collect();
    let merges = order.iter().filter(|t| t.len() > 1).map(|t| {
        let (left, right) = merge(t, &ranks);
        format!("{} {}\n", printable(&left), printable(&right))
    });
    let merges: String = std::iter::once("#version: 0.2\n".to_owned()).chain(merges).collect();
    let added: Map<String, Value> =
        special.iter().enumerate().map(|(i, name)| ((*name).to_owned(), (ranks.len() + i).into())).collect();
    std::fs::write(folder.join("vocab.json"), Value::from(vocab).to_string()).expect("written");
    std::fs::write(folder.join("merges.txt"), merges).expect("written");
    std::fs::write(folder.join("added_tokens.json"), Value::from(added).to_string()).expect("written");
}

/// Expected ids come from merging by rank within GPT-2's pieces, as tiktoken does.
#[test]
fn published_vocabularies_give_the_ids_of_tiktoken() {
    let cases: [(&str, [&[u32]; 2]); 5] = [
        ("This is a test", [&[1212, 318, 257, 1332], &[5723, 307, 257, 1500]]),
        (
            " And so my fellow Americans, ask not",
            [&[843, 523, 616, 5891, 3399, 11, 1265, 407], &[400, 370, 452, 7177, 6280, 11, 1029, 406]],
        ),
        (
            "こんにちは、世界",
            [&[46036, 22174, 28618, 2515, 94, 31676, 23513, 10310, 244, 45911, 234], &[38088, 1231, 24486]],
        ),
        (
            "¿Qué tal? 123  x",
            [&[126, 123, 4507, 2634, 3305, 30, 17031, 220, 2124], &[25073, 15137, 4023, 30, 34466, 220, 2031]],
        ),
        ("don't", [&[9099, 470], &[13966, 380]]),
    ];
    for (index, name) in ["gpt2", "multilingual"].iter().enumerate() {
        let Some(ranks) = shared(&format!("weights/whisper-vectors/{name}.tiktoken")) else { return };
        let folder = tempfile::tempdir().expect("a folder");
        write(&ranks, &["<|endoftext|>", "<|startoftranscript|>", "<|0.00|>"], folder.path());
        let tokenizer = Tokenizer::from_dir(folder.path()).expect("a tokenizer");
        let end = tokenizer.id("<|endoftext|>").expect("special");
        assert_eq!(end, [50_256, 50_257][index]);
        assert_eq!(tokenizer.vocab_size(), end as usize + 3);
        for (text, ids) in &cases {
            let found = tokenizer.encode(text, Special::Plain, Affixes::Add).expect("ids");
            assert_eq!(found, ids[index], "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&found).expect("text"), *text);
            let among = [&[end + 1, end + 2], &found[..], &[end]].concat();
            assert_eq!(tokenizer.decode(&among).expect("text"), *text, "special tokens are not shown");
        }
        let written = "<|endoftext|>";
        assert_eq!(tokenizer.encode(written, Special::Parse, Affixes::None).expect("ids"), [end]);
        assert!(!tokenizer.encode(written, Special::Plain, Affixes::None).expect("ids").contains(&end));
    }
}
