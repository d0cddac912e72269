//! What the outputs of a CTC head mean.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::weights::read_json;

/// Most tokens.
pub(super) const MAX_TOKENS: usize = 1 << 17;
/// Longest token, in bytes.
const MAX_TOKEN: usize = 256;
const MAX_FILE: u64 = 16 << 20;

/// Tokens by index, one of which is the blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtcVocabulary {
    /// Text of each token as it is written down; empty for the blank, a space for the one that parts words.
    pieces: Vec<String>,
    blank: u32,
}

impl CtcVocabulary {
    /// Tokens as they are written down, of which `blank` writes nothing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a blank that is none of them, too many tokens, or one that is too long.
    pub fn new(mut pieces: Vec<String>, blank: usize) -> Result<Self> {
        let wrong = |reason: String| Error::malformed("vocabulary", "CTC vocabulary", reason);
        if !(2..=MAX_TOKENS).contains(&pieces.len()) {
            return Err(wrong(format!("{} tokens, accepted are 2 to {MAX_TOKENS}", pieces.len())));
        }
        if let Some(id) = pieces.iter().position(|piece| piece.len() > MAX_TOKEN) {
            return Err(wrong(format!("token {id} has {} bytes, at most {MAX_TOKEN}", pieces[id].len())));
        }
        let count = pieces.len();
        let Some(piece) = pieces.get_mut(blank) else {
            return Err(wrong(format!("the blank is {blank} of {count} tokens")));
        };
        piece.clear();
        Ok(Self { pieces, blank: u32::try_from(blank).expect("invariant: fewer than 2^17 tokens") })
    }

    /// As [`CtcVocabulary::new`] of tokens as a list in a configuration has them, where `|` parts words.
    ///
    /// # Errors
    /// As [`CtcVocabulary::new`].
    pub fn from_list(tokens: &[String], blank: usize) -> Result<Self> {
        let piece = |token: &String| if token == "|" { " ".to_owned() } else { token.clone() };
        Self::new(tokens.iter().map(piece).collect(), blank)
    }

    /// Reads `vocab.json`, `tokenizer_config.json` and `added_tokens.json` of a `Wav2Vec2CTCTokenizer`, for a head of
    /// `outputs` outputs. Texts come out as that tokenizer's `decode` writes them: special tokens other than the blank are
    /// shown as they are.
    ///
    /// # Errors
    /// [`Error::Io`] without a `vocab.json`; [`Error::Malformed`] naming the token or field; [`Error::Unsupported`] for a
    /// vocabulary of several languages of which none is chosen.
    pub fn from_dir(dir: &Path, outputs: usize) -> Result<Self> {
        let vocab = dir.join("vocab.json");
        let wrong = |reason: String| Error::malformed(vocab.display(), "CTC vocabulary", reason);
        let settings = Settings::read(dir)?;
        let json = read_json(&vocab, MAX_FILE)?;
        let mut entries = json.as_object().ok_or_else(|| wrong("it is no object".into()))?;
        if entries.values().any(Value::is_object) {
            let language = settings.language.as_deref().ok_or_else(|| {
                Error::unsupported("vocabulary of several languages", "tokenizer_config.json names no target_lang")
            })?;
            let chosen = entries.get(language).and_then(Value::as_object);
            entries = chosen.ok_or_else(|| wrong(format!("it has no language '{language}'")))?;
        }
        let added_file = dir.join("added_tokens.json");
        let added = if added_file.is_file() { read_json(&added_file, MAX_FILE)? } else { Value::Null };
        let mut tokens: Vec<Option<&str>> = vec![None; outputs];
        let index = |id: &Value| id.as_u64().and_then(|id| usize::try_from(id).ok());
        // Some are beyond the head, which never hears them then.
        for (token, id) in added.as_object().into_iter().flatten() {
            if let Some(slot) = index(id).and_then(|index| tokens.get_mut(index)) {
                *slot = Some(token);
            }
        }
        // Those of the vocabulary win, as in transformers.
        for (token, id) in entries {
            let slot = index(id).and_then(|index| tokens.get_mut(index));
            *slot.ok_or_else(|| wrong(format!("token '{}' has index {id} of {outputs}", shortened(token))))? =
                Some(token);
        }
        let blank = tokens.iter().position(|token| *token == Some(&*settings.blank));
        let blank = blank.ok_or_else(|| wrong(format!("it has no blank '{}'", shortened(&settings.blank))))?;
        let pieces = tokens.iter().map(|token| settings.piece(token.unwrap_or(&settings.unknown))).collect();
        Self::new(pieces, blank)
    }

    /// Number of tokens.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Index of the blank.
    #[must_use]
    pub fn blank(&self) -> u32 {
        self.blank
    }

    /// What a token writes; nothing for one that there is not.
    #[must_use]
    pub fn piece(&self, id: u32) -> &str {
        self.pieces.get(id as usize).map_or("", String::as_str)
    }

    /// Whether some token parts words.
    #[must_use]
    pub fn has_spaces(&self) -> bool {
        self.pieces.iter().any(|piece| !piece.is_empty() && piece.trim().is_empty())
    }
}

/// Special tokens of `tokenizer_config.json`, with transformers' defaults.
struct Settings {
    blank: String,
    unknown: String,
    delimiter: String,
    space: String,
    lower: bool,
    language: Option<String>,
}

impl Settings {
    fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("tokenizer_config.json");
        let json = if file.is_file() { read_json(&file, MAX_FILE)? } else { Value::Null };
        // A token is written as a string, or as an object around one.
        let text = |name: &str, default: &str| match json.get(name).filter(|value| !value.is_null()) {
            None => Ok(default.to_owned()),
            Some(value) => {
                value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned).ok_or_else(|| {
                    let found: String = value.to_string().chars().take(200).collect();
                    Error::malformed(file.display(), "tokenizer configuration", format!("{name} is {found}"))
                })
            }
        };
        Ok(Self {
            blank: text("pad_token", "<pad>")?,
            unknown: text("unk_token", "<unk>")?,
            delimiter: text("word_delimiter_token", "|")?,
            space: text("replace_word_delimiter_char", " ")?,
            lower: json.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false),
            language: Some(text("target_lang", "")?).filter(|language| !language.is_empty()),
        })
    }

    fn piece(&self, token: &str) -> String {
        let piece = if token == self.delimiter { &self.space } else { token };
        if self.lower { piece.to_lowercase() } else { piece.to_owned() }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
