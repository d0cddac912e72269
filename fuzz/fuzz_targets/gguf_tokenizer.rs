//! Vocabularies of GGUF files: built, then used to encode and decode.
//!
//! The first byte says whether the rest is a GGUF file, or a description of the metadata.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use loam::input::{Affixes, ChatTemplate, Special, Tokenizer};
use loam::weights::{Gguf, Metadata, Value};

mod panics;

const MODELS: [&str; 4] = ["gpt2", "llama", "bert", "t5"];
const PRES: [&str; 8] = ["default", "llama-bpe", "qwen2", "smollm", "gpt-2", "deepseek-llm", "gemma4", "tekken"];
const TEXTS: [&str; 16] = [
    "a",
    "b",
    "ab",
    "aab",
    " a",
    "\u{2581}",
    "\u{2581}a",
    "\u{120}",
    "\u{120}a",
    "##a",
    "[UNK]",
    "[CLS]",
    "<unk>",
    "<s>",
    "<|im_end|>",
    "\u{fffd}",
];
const ROLES: [&str; 9] = ["bos", "eos", "eot", "unknown", "padding", "cls", "seperator", "mask", "eom"];
const FLAGS: [&str; 4] = ["add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"];

#[derive(Arbitrary, Debug)]
enum Token<'a> {
    Known(u8),
    Byte(u8),
    Own(&'a str),
}

impl Token<'_> {
    fn text(&self) -> String {
        match self {
            Self::Known(index) => TEXTS[usize::from(*index) % TEXTS.len()].to_owned(),
            Self::Byte(byte) => format!("<0x{byte:02X}>"),
            Self::Own(text) => (*text).to_owned(),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Vocabulary<'a> {
    model: u8,
    pre: Option<u8>,
    tokens: Vec<Token<'a>>,
    merges: Option<Vec<(Token<'a>, Token<'a>)>>,
    scores: Option<Vec<f32>>,
    types: Option<Vec<i8>>,
    roles: Vec<(u8, u8)>,
    flags: Vec<(u8, bool)>,
    template: Option<&'a str>,
    ids: Vec<u8>,
    text: &'a str,
}

impl Vocabulary<'_> {
    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::default();
        let mut insert = |name: &str, value: Value| metadata.insert(format!("tokenizer.ggml.{name}"), value);
        insert("model", Value::String(MODELS[usize::from(self.model) % MODELS.len()].to_owned()));
        if let Some(pre) = self.pre {
            insert("pre", Value::String(PRES[usize::from(pre) % PRES.len()].to_owned()));
        }
        insert("tokens", Value::Strings(self.tokens.iter().map(Token::text).collect()));
        if let Some(merges) = &self.merges {
            let lines = merges.iter().map(|(left, right)| format!("{} {}", left.text(), right.text()));
            insert("merges", Value::Strings(lines.collect()));
        }
        if let Some(scores) = &self.scores {
            insert("scores", Value::Floats(scores.clone()));
        }
        if let Some(types) = &self.types {
            insert("token_type", Value::Integers(types.iter().map(|&kind| kind.into()).collect()));
        }
        for (role, id) in &self.roles {
            insert(&format!("{}_token_id", ROLES[usize::from(*role) % ROLES.len()]), Value::U64((*id).into()));
        }
        for (flag, on) in &self.flags {
            insert(FLAGS[usize::from(*flag) % FLAGS.len()], Value::Bool(*on));
        }
        if let Some(template) = self.template {
            metadata.insert("tokenizer.chat_template", Value::String(template.to_owned()));
        }
        metadata
    }
}

fn exercise(metadata: &Metadata, text: &str, ids: &[u32]) {
    let Ok(tokenizer) = Tokenizer::from_gguf(metadata) else { return };
    for special in [Special::Parse, Special::Plain] {
        let Ok(ids) = tokenizer.encode(text, special, Affixes::Add) else { continue };
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()), "{ids:?}");
        let _ = tokenizer.decode(&ids);
    }
    let _ = tokenizer.encode_within(text, Special::Parse, Affixes::Add, 3);
    let _ = tokenizer.decode(ids);
    let _ = ChatTemplate::from_gguf(metadata, &tokenizer);
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    if mode % 2 == 0 {
        let Ok(metadata) = Gguf::check(rest) else { return };
        exercise(&metadata, "<s>aab ab\u{fffd} [CLS] \u{1f999}", &[0, 1, 2, 3, u32::MAX]);
        return;
    }
    let Ok(vocabulary) = Vocabulary::arbitrary_take_rest(Unstructured::new(rest)) else { return };
    let ids: Vec<u32> = vocabulary.ids.iter().map(|&id| id.into()).collect();
    exercise(&vocabulary.metadata(), vocabulary.text, &ids);
});
