//! The begin, end and padding tokens of a Hugging Face model folder.
//!
//! They are spread over four files, by text in some and by id in others; this reads all of them. Resolving them against
//! a vocabulary is [`Tokenizer::with_special_tokens`](super::Tokenizer::with_special_tokens).

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// Configuration files have a few kilobytes; tokenizer_config.json with thousands of added tokens reaches megabytes.
const MAX_CONFIG_BYTES: u64 = 32 << 20;
/// Entries of an end-of-sequence list.
const MAX_END_TOKENS: usize = 64;

/// A token by id or by text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// Its id.
    Id(u32),
    /// Its text.
    Text(String),
}

/// Begin, end, padding and all turn-ending tokens, not yet looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begin of a sequence.
    pub bos: Option<TokenName>,
    /// End of a sequence.
    pub eos: Option<TokenName>,
    /// What texts are filled up with.
    pub pad: Option<TokenName>,
    /// Everything that ends a turn, `eos` included.
    pub end: Vec<TokenName>,
}

/// Reads generation_config.json, config.json, tokenizer_config.json and special_tokens_map.json in `folder`; missing
/// files are skipped. The tokenizer's files decide about `bos`, `eos` and `pad`, the lists of all files are united in `end`.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read, [`Error::Malformed`] when it is no JSON object or exceeds 32 MiB.
pub fn special_tokens(folder: impl AsRef<Path>) -> Result<SpecialTokens> {
    let mut found = SpecialTokens::default();
    for file in ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json"] {
        let Some(config) = read_json(&folder.as_ref().join(file))? else { continue };
        for key in ["bos_token", "bos_token_id"] {
            found.bos = found.bos.take().or_else(|| names(&config[key]).into_iter().next());
        }
        for key in ["pad_token", "pad_token_id"] {
            found.pad = found.pad.take().or_else(|| names(&config[key]).into_iter().next());
        }
        for key in ["eos_token", "eos_token_id"] {
            let names = names(&config[key]);
            found.eos = found.eos.take().or_else(|| names.first().cloned());
            for name in names {
                if !found.end.contains(&name) && found.end.len() < MAX_END_TOKENS {
                    found.end.push(name);
                }
            }
        }
    }
    Ok(found)
}

/// The JSON object in `path`, or `None` when there is no such file.
pub(super) fn read_json(path: &Path) -> Result<Option<Value>> {
    let Some(bytes) = read_bounded(path, MAX_CONFIG_BYTES)? else { return Ok(None) };
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::malformed(path.display(), "JSON", error))?;
    if value.is_object() { Ok(Some(value)) } else { Err(Error::malformed(path.display(), "JSON", "no object")) }
}

/// The bytes of `path`, or `None` when there is no such file.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::malformed(path.display(), "JSON", format!("larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// An id, a text, an object with the text in "content", or a list of ids.
fn names(value: &Value) -> Vec<TokenName> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).map(TokenName::Id);
    match value {
        Value::Number(_) => id(value).into_iter().collect(),
        Value::Array(list) => list.iter().take(MAX_END_TOKENS).filter_map(id).collect(),
        Value::String(text) => vec![TokenName::Text(text.clone())],
        Value::Object(_) => {
            value["content"].as_str().map(|text| TokenName::Text(text.to_owned())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
