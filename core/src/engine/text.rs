//! A text encoder ready for text: network and tokenizer of one component.

use std::path::Path;

use super::trace::Part;
use crate::error::{Error, Result};
use crate::input::{Affixes, Special, Tokenizer};
use crate::model::encoder::{TextEncoder, open_text};
use crate::quant::Deltas;

/// Texts per forward pass: bounds the activations of long lists.
const TEXTS_PER_PASS: usize = 32;

/// A loaded text encoder. Immutable and shared.
#[derive(Debug)]
pub struct TextModel {
    part: Part,
    encoder: Box<dyn TextEncoder>,
    tokenizer: Tokenizer,
}

impl TextModel {
    /// Opens a directory with a text encoder and its tokenizer.
    ///
    /// # Errors
    /// As [`open_text`] and [`Tokenizer::from_dir`].
    pub fn open(part: Part, path: &Path) -> Result<Self> {
        Ok(Self { part, encoder: open_text(path)?, tokenizer: Tokenizer::from_dir(path)? })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }

    /// The vocabulary.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn padding(&self) -> Result<u32> {
        let reason = "the encoder reads texts of one length, and the tokenizer's configuration names no pad_token";
        self.tokenizer.pad().ok_or_else(|| Error::unsupported("texts without padding", reason))
    }

    /// Unit-length embeddings of `texts`, each cut to the encoder's token limit.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_within`]; [`crate::Error::Malformed`] for weights that make an embedding which is not finite.
    pub fn embed<T: AsRef<str>>(&self, texts: &[T], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>> {
        let mut embeddings = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_PER_PASS) {
            let tokens = texts
                .iter()
                .map(|text| {
                    let limit = self.encoder.max_tokens();
                    let mut tokens =
                        self.tokenizer.encode_within(text.as_ref(), Special::Plain, Affixes::Add, limit)?;
                    if let Some(length) = self.encoder.padded_length() {
                        tokens.resize(length, self.padding()?);
                    }
                    Ok(tokens)
                })
                .collect::<Result<Vec<_>>>()?;
            embeddings.extend(self.encoder.embed(&tokens, deltas)?);
        }
        embeddings.iter().try_for_each(|embedding| self.part.check_finite("an embedding", embedding))?;
        Ok(embeddings)
    }
}
