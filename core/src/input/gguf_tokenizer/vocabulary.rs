//! The token table of a GGUF file: texts, types, scores and the ids with a role.
//!
//! It checks lengths and ids once, so that the builders can index freely. It does not know how text is split.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::weights::Metadata;

pub(super) const FORMAT: &str = "GGUF vocabulary";
/// Twice the largest known vocabulary, rounded up; ids above would not fit into a model's embedding either.
const MAX_TOKENS: usize = 1 << 20;
/// Bytes of one token; the longest real ones are runs of spaces of about 1,000.
const MAX_TOKEN_BYTES: usize = 1 << 16;

/// Tokens that end a turn by their name, for files that give only one end id.
const END_NAMES: [&str; 14] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
];

/// `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ordinary text; also unused tokens, which llama.cpp matches like ordinary ones.
    Normal,
    /// Unknown and control tokens.
    Control,
    /// Matched before anything else, but ordinary text otherwise.
    UserDefined,
    /// One raw byte, written as `<0x41>`.
    Byte,
}

/// Checked token table.
#[derive(Debug)]
pub(crate) struct Vocabulary<'a> {
    texts: Vec<Cow<'a, str>>,
    kinds: Vec<Kind>,
    scores: Option<&'a [f32]>,
    control: Vec<(u32, String)>,
}

impl<'a> Vocabulary<'a> {
    pub(crate) fn read(metadata: &'a Metadata) -> Result<Self> {
        let list = metadata
            .strings("tokenizer.ggml.tokens")
            .ok_or_else(|| malformed("'tokenizer.ggml.tokens' is missing or no array of strings"))?;
        if list.is_empty() || list.len() > MAX_TOKENS {
            return Err(malformed(format!("{} tokens, 1 to {MAX_TOKENS} are accepted", list.len())));
        }
        if let Some(id) = list.iter().position(|text| text.len() > MAX_TOKEN_BYTES) {
            return Err(malformed(format!("token {id} has {} bytes, the limit is {MAX_TOKEN_BYTES}", list[id].len())));
        }
        let scores = metadata.floats("tokenizer.ggml.scores");
        if let Some(scores) = scores.filter(|scores| scores.len() < list.len()) {
            return Err(malformed(format!("{} scores for {} tokens", scores.len(), list.len())));
        }
        let types = metadata.integers("tokenizer.ggml.token_type");
        if let Some(types) = types.filter(|types| types.len() < list.len()) {
            return Err(malformed(format!("{} token types for {} tokens", types.len(), list.len())));
        }
        let texts: Vec<Cow<'a, str>> = list
            .iter()
            .enumerate()
            .map(|(id, text)| if text.is_empty() { format!("[EMPTY_{id}]").into() } else { text.as_str().into() })
            .collect();
        let kinds: Vec<Kind> =
            texts.iter().enumerate().map(|(id, text)| kind(text, types.map_or(1, |types| types[id]))).collect();
        let mut seen = HashSet::new();
        let mut control = Vec::new();
        for ((id, text), kind) in (0u32..).zip(&texts).zip(&kinds) {
            if *kind == Kind::Control && seen.insert(text.as_ref()) {
                control.push((id, text.to_string()));
            }
        }
        drop(seen);
        Ok(Self { texts, kinds, scores, control })
    }

    /// Every token that ordinary text may become, with its id. Texts may repeat in damaged files; the first id counts.
    pub(crate) fn ordinary(&self) -> impl DoubleEndedIterator<Item = (u32, &str, Kind)> {
        self.texts
            .iter()
            .zip(&self.kinds)
            .enumerate()
            .filter(|(_, (_, kind))| **kind != Kind::Control)
            .map(|(id, (text, kind))| (u32::try_from(id).unwrap_or(u32::MAX), text.as_ref(), *kind))
    }

    /// Control and unknown tokens.
    pub(crate) fn control(&self) -> &[(u32, String)] {
        &self.control
    }

    pub(crate) fn user_defined(&self) -> impl Iterator<Item = &str> {
        self.ordinary().filter(|(_, _, kind)| *kind == Kind::UserDefined).map(|(_, text, _)| text)
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize).map(AsRef::as_ref)
    }

    pub(crate) fn score(&self, id: u32) -> f32 {
        self.scores.map_or(0.0, |scores| scores[id as usize])
    }

    /// The id under `tokenizer.ggml.<name>_token_id`, or `default` when the key is missing and that id exists.
    pub(crate) fn role(&self, metadata: &Metadata, name: &str, default: Option<u32>) -> Result<Option<u32>> {
        let key = format!("tokenizer.ggml.{name}_token_id");
        if metadata.get(&key).is_none() {
            return Ok(default.filter(|&id| (id as usize) < self.len()));
        }
        let id = metadata.usize(&key).filter(|&id| id < self.len()).and_then(|id| u32::try_from(id).ok());
        id.map(Some).ok_or_else(|| malformed(format!("'{key}' is not below {}", self.len())))
    }

    /// All ids that end a turn: the given one, those under their own keys, and those known by name.
    pub(crate) fn end_tokens(&self, metadata: &Metadata, eos: Option<u32>) -> Vec<u32> {
        let given = ["eot", "eom"].into_iter().filter_map(|name| self.role(metadata, name, None).ok().flatten());
        let mut ids: Vec<u32> = eos.into_iter().chain(given).collect();
        let named: Vec<_> = self.control.iter().filter(|(_, text)| END_NAMES.contains(&text.as_str())).collect();
        let has = |name: &str| named.iter().any(|(_, text)| text == name);
        // Where "<|return|>" and "<|call|>" end a turn, "<|end|>" only separates messages.
        let separator = if has("<|return|>") && has("<|call|>") { "<|end|>" } else { "" };
        ids.extend(named.iter().filter(|(_, text)| text != separator).map(|(id, _)| *id));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// A flag of the metadata, or its default.
pub(super) fn flag(metadata: &Metadata, name: &str, default: bool) -> bool {
    metadata.bool(&format!("tokenizer.ggml.{name}")).unwrap_or(default)
}

pub(super) fn malformed(reason: impl ToString) -> Error {
    Error::malformed("tokenizer metadata", FORMAT, reason)
}

fn kind(text: &str, number: i64) -> Kind {
    match number {
        // Some files mark an end token as ordinary; it would then be shown to users and never stop a generation.
        _ if END_NAMES.contains(&text) => Kind::Control,
        2 | 3 => Kind::Control,
        4 => Kind::UserDefined,
        6 => Kind::Byte,
        _ => Kind::Normal,
    }
}
