//! Token ids to text, one at a time.
//!
//! The pieces concatenate to exactly what [`Tokenizer::decode`] returns for all ids, and no piece ends within a
//! character. Stopping and stop strings are not decided here.

use crate::error::Result;
use crate::input::piece::Pieces;
use crate::input::tokenizer::Tokenizer;

/// Where the first token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// At the start of a text: a leading space that the tokenizer itself put there is dropped.
    #[default]
    Start,
    /// Behind other text, as in a completion: a leading space is kept.
    Inside,
}

/// Turns a stream of ids into a stream of text; cheap to make, constant time per token.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    tokenizer: Tokenizer,
    /// Bytes of a character that is not complete yet.
    pending: Vec<u8>,
    first: bool,
    /// Spaces still to be dropped at the start.
    strip: usize,
    /// Ids kept for decoders that must see everything at once.
    kept: Vec<u32>,
}

impl Detokenizer {
    /// A stream for a text that stands alone.
    #[must_use]
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self::at(tokenizer, Position::Start)
    }

    /// A stream whose first token stands at `position`.
    #[must_use]
    pub fn at(tokenizer: &Tokenizer, position: Position) -> Self {
        let start = position == Position::Start;
        let strip = if start { tokenizer.pieces().strip() } else { 0 };
        Self { tokenizer: tokenizer.clone(), pending: Vec::new(), first: start, strip, kept: Vec::new() }
    }

    /// Takes the next id; `None` when it is special, unknown, or leaves a character incomplete.
    ///
    /// Decoders that are not known token by token give everything in [`Detokenizer::finish`].
    ///
    /// # Errors
    /// Reserved for decoders that can fail: [`Error::Text`](crate::Error::Text).
    pub fn push(&mut self, id: u32) -> Result<Option<String>> {
        if *self.tokenizer.pieces() == Pieces::Opaque {
            self.kept.push(id);
            return Ok(None);
        }
        let Some(token) = self.tokenizer.visible(id) else { return Ok(None) };
        let bytes = self.tokenizer.pieces().bytes(&token, self.first);
        self.first = false;
        let spaces = bytes.iter().take(self.strip).take_while(|&&b| b == b' ').count();
        // Stripping ends at the first byte that is no space.
        self.strip = if spaces == bytes.len() { self.strip - spaces } else { 0 };
        self.pending.extend_from_slice(&bytes[spaces..]);
        let text = self.take_complete();
        Ok(if text.is_empty() { None } else { Some(text) })
    }

    /// What is left: incomplete bytes become U+FFFD. The stream then goes on as inside a text.
    ///
    /// # Errors
    /// [`Error::Text`](crate::Error::Text) when the library's decoder fails.
    pub fn finish(&mut self) -> Result<String> {
        let kept = std::mem::take(&mut self.kept);
        if !kept.is_empty() {
            return self.tokenizer.library_decode(&kept);
        }
        let pending = std::mem::take(&mut self.pending);
        Ok(String::from_utf8_lossy(&pending).into_owned())
    }

    /// Removes the complete characters from `pending`; bytes that can never become one turn into U+FFFD, as in
    /// [`String::from_utf8_lossy`] over the whole text.
    fn take_complete(&mut self) -> String {
        let mut text = String::new();
        let mut at = 0;
        loop {
            let rest = &self.pending[at..];
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    at += rest.len();
                    break;
                }
                Err(error) => error,
            };
            let (valid, _) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            at += valid.len();
            match error.error_len() {
                Some(len) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    at += len;
                }
                None => break,
            }
        }
        self.pending.drain(..at);
        text
    }
}
