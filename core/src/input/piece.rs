//! What one token contributes to the decoded text, as bytes.
//!
//! Bytes, because a token may hold half a character. A piece depends on its token and on whether it is the first, never
//! on later tokens; that is what makes streaming exact. Decoders without that property are [`Pieces::Opaque`].

use std::borrow::Cow;

use serde_json::Value;
use tokenizers::DecoderWrapper;
use tokenizers::decoders::wordpiece::cleanup;

/// The decoding rule of a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pieces {
    /// GPT-2's printable characters stand for bytes.
    ByteLevel,
    /// "▁" stands for a space, `<0x41>` for a byte.
    SentencePiece {
        /// Leading spaces dropped at the start of the text.
        strip: usize,
    },
    /// "▁" stands for a space; those in the first token are dropped if asked for.
    Metaspace {
        /// The character that stands for a space.
        space: char,
        /// Whether the first token loses its spaces.
        drop_first: bool,
    },
    /// Words are separated by a space, continuations carry a prefix.
    WordPiece {
        /// "##" as a rule.
        prefix: String,
        /// Whether spaces before punctuation are removed.
        cleanup: bool,
    },
    /// No decoder: tokens are joined by spaces.
    Joined,
    /// The library must see all tokens at once.
    Opaque,
}

impl Pieces {
    /// Recognises the rule of a library decoder.
    pub(crate) fn of(decoder: Option<&DecoderWrapper>) -> Self {
        let Some(decoder) = decoder else { return Self::Joined };
        // The wrappers' fields are private; their serialised form is the stable description.
        serde_json::to_value(decoder).ok().and_then(|value| recognise(&value)).unwrap_or(Self::Opaque)
    }

    /// The bytes of `token`; `first` tells that no piece came before.
    pub(crate) fn bytes(&self, token: &str, first: bool) -> Vec<u8> {
        match self {
            Self::ByteLevel => byte_level(token).unwrap_or_else(|| token.as_bytes().to_vec()),
            Self::SentencePiece { .. } => match fallback_byte(token) {
                Some(byte) => vec![byte],
                None => token.replace('\u{2581}', " ").into_bytes(),
            },
            Self::Metaspace { space, drop_first } => {
                let with = if first && *drop_first { "" } else { " " };
                token.replace(*space, with).into_bytes()
            }
            Self::WordPiece { prefix, cleanup: tidy } => {
                let piece: Cow<'_, str> = match token.strip_prefix(prefix.as_str()) {
                    _ if first => token.into(),
                    Some(continuation) => continuation.into(),
                    None => format!(" {token}").into(),
                };
                if *tidy { cleanup(&piece).into_bytes() } else { piece.into_owned().into_bytes() }
            }
            Self::Joined if !first => format!(" {token}").into_bytes(),
            Self::Joined | Self::Opaque => token.as_bytes().to_vec(),
        }
    }

    /// Spaces to drop at the start of a text.
    pub(crate) fn strip(&self) -> usize {
        if let Self::SentencePiece { strip } = self { *strip } else { 0 }
    }
}

fn recognise(decoder: &Value) -> Option<Pieces> {
    match decoder["type"].as_str()? {
        "ByteLevel" => Some(Pieces::ByteLevel),
        "WordPiece" => {
            let prefix = decoder["prefix"].as_str()?.to_owned();
            Some(Pieces::WordPiece { prefix, cleanup: decoder["cleanup"].as_bool()? })
        }
        "Metaspace" => {
            let space = decoder["replacement"].as_str()?.chars().next()?;
            let scheme = decoder["prepend_scheme"].as_str().unwrap_or("always");
            Some(Pieces::Metaspace { space, drop_first: scheme != "never" })
        }
        "Sequence" => sentence_piece(decoder["decoders"].as_array()?),
        _ => None,
    }
}

/// Replace, ByteFallback, Fuse and optionally Strip: the sequence that converters write for SentencePiece.
fn sentence_piece(steps: &[Value]) -> Option<Pieces> {
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str().unwrap_or_default()).collect();
    let (required, strip) = match kinds.as_slice() {
        ["ByteLevel"] => return Some(Pieces::ByteLevel),
        [required @ .., "Strip"] => (required, strip(steps.last()?)?),
        required => (required, 0),
    };
    let replace = &steps.first()?;
    let spaces = replace["pattern"]["String"] == "\u{2581}" && replace["content"] == " ";
    (required == ["Replace", "ByteFallback", "Fuse"] && spaces).then_some(Pieces::SentencePiece { strip })
}

fn strip(step: &Value) -> Option<usize> {
    let start = step["start"].as_u64().filter(|_| step["content"] == " " && step["stop"] == 0)?;
    usize::try_from(start).ok()
}

fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

fn byte_level(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

/// GPT-2 writes the 188 printable Latin-1 bytes as themselves and the other 68, in order, as U+0100 and following.
fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}
