//! Character tokenizers of speech generators: transformers' `VitsTokenizer`, without a phonemizer and a romanizer.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::input::special_tokens::{read_bounded, read_json};

const WHAT: &str = "tokenizer";
/// Alphabets have some dozen characters, phoneme sets some hundred.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Longest text of one call, in bytes: minutes of speech.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// What a character tokenizer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Script {
    /// Written text: case is folded, and characters that the vocabulary lacks are left out.
    Text,
    /// Written text as it is; a character that the vocabulary lacks is refused.
    Exact,
    /// Phonemes, as espeak writes them in IPA with stress: the model was trained on those, and making them of text is
    /// left to the caller. One that the vocabulary lacks is refused.
    Phonemes,
}

/// Text to ids, a character each.
#[derive(Clone, Debug)]
pub struct CharacterTokenizer {
    vocabulary: HashMap<char, u32>,
    script: Script,
    /// Id 0 stands around and between characters.
    blanks: bool,
    /// Tokens that the library cuts a text at, before it puts blanks between the characters of a piece.
    cuts: Vec<char>,
    latin_only: bool,
    language: Option<String>,
}

impl CharacterTokenizer {
    /// Reads `vocab.json` and, where present, `tokenizer_config.json` of a directory. Entries of several characters
    /// stand for no text and are left out.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`] naming the entry, or [`Error::Text`] without a vocabulary.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let path = dir.as_ref().join("vocab.json");
        let malformed = |reason: String| Error::malformed(path.display(), "vocabulary", reason);
        let bytes = read_bounded(&path, MAX_FILE_BYTES)?
            .ok_or_else(|| Error::Text { what: WHAT, reason: "the directory has no vocab.json".into() })?;
        let json: HashMap<String, Json> = serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
        let mut vocabulary = HashMap::new();
        for (text, id) in &json {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| malformed(format!("'{text}' has id {}", json[text])))?;
            if let Some(character) = single(text) {
                vocabulary.insert(character, id);
            }
        }
        if vocabulary.is_empty() {
            return Err(malformed("no entry is a character".into()));
        }
        let config = read_json(&dir.as_ref().join("tokenizer_config.json"))?.unwrap_or(Json::Null);
        let flag = |name: &str, default: bool| match &config[name] {
            Json::Null => Ok(default),
            Json::Bool(value) => Ok(*value),
            other => {
                Err(Error::malformed(dir.as_ref().display(), "tokenizer_config.json", format!("{name} is {other}")))
            }
        };
        // The class's own defaults.
        let script = match (flag("phonemize", true)?, flag("normalize", true)?) {
            (true, _) => Script::Phonemes,
            (false, true) => Script::Text,
            (false, false) => Script::Exact,
        };
        let cuts = ["pad_token", "unk_token"].iter().filter_map(|name| {
            let token = &config[*name];
            token.as_str().or_else(|| token["content"].as_str()).and_then(single)
        });
        Ok(Self {
            script,
            blanks: flag("add_blank", true)?,
            cuts: cuts.filter(|c| vocabulary.contains_key(c)).collect(),
            latin_only: flag("is_uroman", false)?,
            language: config["language"].as_str().map(str::to_owned),
            vocabulary,
        })
    }

    /// What it reads.
    #[must_use]
    pub fn script(&self) -> Script {
        self.script
    }

    /// Largest id, and one.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.values().max().map_or(0, |id| *id as usize + 1)
    }

    /// Ids of `text`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a text over 16 KiB, without any character of the vocabulary, or, where characters are
    /// not left out, with one that it lacks; [`Error::Unsupported`] for text that would have to be romanized.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::argument("text", format!("{} bytes, the limit is {MAX_TEXT_BYTES}", text.len())));
        }
        let text = if self.language.as_deref() == Some("ron") { text.replace('ț', "ţ") } else { text.to_owned() };
        let text = match self.script {
            Script::Text => self.normalised(&text)?,
            Script::Exact | Script::Phonemes => text,
        };
        let mut ids = Vec::with_capacity(text.chars().count() * 2 + 1);
        for piece in text.split_inclusive(|c| self.cuts.contains(&c)) {
            let cut = piece.chars().next_back().filter(|c| self.cuts.contains(c));
            let own = &piece[..piece.len() - cut.map_or(0, char::len_utf8)];
            if self.blanks && !own.is_empty() {
                ids.push(0);
            }
            for character in own.chars() {
                ids.push(self.id(character)?);
                if self.blanks {
                    ids.push(0);
                }
            }
            if let Some(cut) = cut {
                ids.push(self.id(cut)?);
            }
        }
        if ids.is_empty() {
            return Err(Error::argument("text", "it has no character of the model's vocabulary"));
        }
        Ok(ids)
    }

    fn normalised(&self, text: &str) -> Result<String> {
        let known = |c: &char| self.vocabulary.contains_key(c);
        let folded = text.chars().flat_map(|c| if known(&c) { vec![c] } else { c.to_lowercase().collect() });
        let folded: Vec<char> = folded.collect();
        if let Some(c) = folded.iter().find(|c| self.latin_only && !c.is_ascii()) {
            let reason = "this model reads romanized text; romanize it first (uroman)";
            return Err(Error::unsupported(format!("'{c}'"), reason));
        }
        let kept: String = folded.into_iter().filter(known).collect();
        Ok(kept.trim().to_owned())
    }

    fn id(&self, character: char) -> Result<u32> {
        let what = if self.script == Script::Phonemes { "phoneme" } else { "character" };
        let unknown = || Error::argument("text", format!("'{character}' is no {what} of the model's vocabulary"));
        self.vocabulary.get(&character).copied().ok_or_else(unknown)
    }
}

/// The character of a text that has just one.
fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
