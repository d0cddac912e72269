//! Saved conversations: read, restored on a small Llama, and continued.
//!
//! The first byte says whether the rest is a whole file, or a description of one, which gets a right digest, so that most inputs
//! reach what lies behind it.

#![no_main]

use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use loam::Engine;
use loam::engine::{Caller, GenerateOptions, Mismatch};
use loam::task::Chat;
use safetensors::SafeTensors;
use serde_json::Value;
use sha2::{Digest, Sha256};

mod panics;
mod scratch;

#[derive(Arbitrary, Debug)]
struct Description<'a> {
    len: u8,
    /// As it lies, or one byte more or less.
    block: i8,
    tokens: Vec<i16>,
    soft: u8,
    width: u8,
    value: f32,
    fill: u8,
    note: Option<&'a str>,
    field: Option<(u8, &'a str)>,
    drop: Option<u8>,
}

/// What a conversation that was saved says of itself, and bytes of a block.
struct Known {
    engine: Arc<Engine>,
    header: Value,
    block: usize,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        panics::only_own();
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/fixtures/models/llama2/model.gguf");
        let engine = Arc::new(Engine::open(model).expect("the fixture"));
        let mut chat = Chat::new(Arc::clone(&engine), None);
        let options = GenerateOptions { max_tokens: 2, ..GenerateOptions::default() };
        chat.respond("Hello", &options, &mut String::new()).expect("answered");
        let path = scratch::scratch("known", &[]);
        chat.save(&path, &Caller::default()).expect("saved");
        let bytes = std::fs::read(&path).expect("there");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let text = &metadata.metadata().as_ref().expect("metadata")["loam.context"];
        let header = serde_json::from_str(text).expect("JSON");
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let block = tensors.tensor("blocks.0").expect("a block").data().len();
        Known { engine, header, block }
    })
}

impl Description<'_> {
    fn bytes(&self, known: &Known) -> Vec<u8> {
        let mut header = known.header.clone();
        let len = usize::from(self.len) % 80;
        header["len"] = len.into();
        if let Some(note) = self.note {
            header["note"] = note.into();
        }
        if let Some((at, text)) = self.field {
            let names = ["version", "component", "fingerprint", "adapter", "shape", "len", "note"];
            header[names[usize::from(at) % names.len()]] =
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        }
        let positions: Vec<u8> = self.tokens.iter().take(200).flat_map(|&id| i64::from(id).to_le_bytes()).collect();
        let (rows, width) = (usize::from(self.soft) % 8, usize::from(self.width) % 80);
        let block = known.block.saturating_add_signed(isize::from(self.block.signum()));
        let mut tensors = vec![
            ("positions".to_owned(), "I64", vec![positions.len() / 8], positions),
            ("soft".to_owned(), "F32", vec![rows, width], self.value.to_le_bytes().repeat(rows * width)),
        ];
        tensors.extend((0..len.div_ceil(16)).map(|at| {
            (format!("blocks.{at}"), "U8", vec![block], vec![self.fill; block])
        }));
        if let Some(at) = self.drop {
            tensors.remove(usize::from(at) % tensors.len());
        }
        let text = header.to_string();
        let mut digest = Sha256::new_with_prefix(&text);
        let mut json = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, dtype, shape, bytes) in &tensors {
            digest.update([0]);
            digest.update(name);
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
            let end = data.len() + bytes.len();
            let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [data.len(), end] });
            json.insert(name.clone(), entry);
            data.extend(bytes);
        }
        let metadata = serde_json::json!({ "loam.context": text, "loam.sha256": format!("{:x}", digest.finalize()) });
        json.insert("__metadata__".to_owned(), metadata);
        let head = Value::from(json).to_string();
        [&(head.len() as u64).to_le_bytes(), head.as_bytes(), &data].concat()
    }
}

fuzz_target!(|bytes: &[u8]| {
    let known = known();
    let Some((&mode, rest)) = bytes.split_first() else { return };
    let path = if mode % 2 == 0 {
        scratch::scratch("context", rest)
    } else {
        let Ok(description) = Description::arbitrary_take_rest(Unstructured::new(rest)) else { return };
        scratch::scratch("context", &description.bytes(known))
    };
    let mismatch = if mode & 2 == 0 { Mismatch::Refuse } else { Mismatch::Recompute };
    let Ok(mut chat) = Chat::restore(Arc::clone(&known.engine), path, &Caller::default(), None, mismatch) else { return };
    let options = GenerateOptions { max_tokens: 1, ..GenerateOptions::default() };
    // A history that does not fit is refused; forged keys and values may give logits that are not finite.
    let _ = chat.respond("Go on", &options, &mut String::new());
});
