//! The tiny vocabularies and the places of larger ones.

use std::io::Write as _;
use std::path::PathBuf;

use loam::input::Tokenizer;
use loam::weights::{Metadata, Value};
use serde_json::Value as Json;

/// `../shared` beside the repository, or `None` with a note that the test is skipped.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there", path.display());
    None
}

/// A file of the parity cache, or `None` with a note how to get it.
pub fn cached(path: &str, how: &str) -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/loam/parity"));
    let cache = std::env::var_os("LOAM_PARITY_CACHE").map(PathBuf::from).or_else(home)?;
    let path = cache.join(path);
    if path.exists() {
        return Some(path);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there; run {how}", path.display());
    None
}

/// A file of the pulled foundation, or `None` with a note how to get it.
pub fn pulled(path: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache =
        || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|c| c.join("loam"));
    let path = set("LOAM_HOME").or_else(cache)?.join("foundations/loam-nano").join(path);
    if path.exists() {
        return Some(path);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there; `loam pull loam-nano` fetches it", path.display());
    None
}

/// The three tiny vocabularies: byte-level BPE, SentencePiece, WordPiece.
pub fn vocabularies() -> Vec<Json> {
    serde_json::from_str(include_str!("vocabularies.json")).expect("vocabularies.json")
}

/// The tokenizer of one tiny vocabulary.
pub fn tiny(model: &str) -> Tokenizer {
    let found = vocabularies().into_iter().find(|v| v["model"] == model).expect("the model's vocabulary");
    Tokenizer::from_gguf(&metadata(&found)).expect("a tokenizer")
}

/// GGUF metadata of a tiny vocabulary.
pub fn metadata(vocabulary: &Json) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in vocabulary.as_object().expect("an object") {
        let key = match name.as_str() {
            "types" => "token_type".to_owned(),
            "bos" | "eos" | "cls" | "seperator" | "unknown" | "padding" => format!("{name}_token_id"),
            "cases" => continue,
            other => other.to_owned(),
        };
        metadata.insert(format!("tokenizer.ggml.{key}"), value_of(name, value));
    }
    metadata
}

fn value_of(name: &str, value: &Json) -> Value {
    match value {
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::String(text.clone()),
        Json::Number(number) => Value::U64(number.as_u64().expect("an id")),
        Json::Array(items) if name == "scores" => {
            Value::Floats(items.iter().map(|x| x.as_f64().expect("a score") as f32).collect())
        }
        Json::Array(items) if items.first().is_some_and(Json::is_string) => {
            Value::Strings(items.iter().map(|x| x.as_str().expect("a text").to_owned()).collect())
        }
        Json::Array(items) => Value::Integers(items.iter().map(|x| x.as_i64().expect("a number")).collect()),
        other => panic!("{name}: {other}"),
    }
}

/// Ids of a fixture.
pub fn ids(json: &Json) -> Vec<u32> {
    serde_json::from_value(json.clone()).expect("ids")
}
