//! The vocabulary behind a tokenizer, as the `tokenizers` library sees it.
//!
//! [`TokenModel`] is a library model (BPE, WordPiece, Unigram) or our own SentencePiece, plus the control tokens. Those
//! are kept out of the model itself, so that no text can be merged into one: they are reachable only where special
//! tokens are parsed on purpose.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use tokenizers::{AddedToken, Model, ModelWrapper, Token, Trainer};

use crate::input::gguf_tokenizer::SentencePiece;

/// How text without special tokens becomes ids.
#[derive(Debug)]
pub(crate) enum Algorithm {
    /// One of the library's models.
    Library(ModelWrapper),
    /// llama.cpp's SentencePiece merging, which the library cannot express exactly.
    SentencePiece(SentencePiece),
}

/// An algorithm and the control tokens beside it.
#[derive(Debug)]
pub(crate) struct TokenModel {
    pub(crate) algorithm: Algorithm,
    control: HashMap<String, u32>,
    names: HashMap<u32, String>,
}

impl TokenModel {
    /// `control` lists the tokens that the algorithm does not know, with their ids.
    pub(crate) fn new(algorithm: Algorithm, control: Vec<(u32, String)>) -> Self {
        let names: HashMap<u32, String> = control.into_iter().collect();
        let control = names.iter().map(|(&id, name)| (name.clone(), id)).collect();
        Self { algorithm, control, names }
    }
}

impl<'de> Deserialize<'de> for TokenModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(Algorithm::Library(ModelWrapper::deserialize(deserializer)?), Vec::new()))
    }
}

impl Model for TokenModel {
    type Trainer = Untrainable;

    fn tokenize(&self, sequence: &str) -> tokenizers::Result<Vec<Token>> {
        match &self.algorithm {
            Algorithm::Library(model) => model.tokenize(sequence),
            Algorithm::SentencePiece(model) => Ok(model.tokenize(sequence)),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.control.get(token).copied().or_else(|| match &self.algorithm {
            Algorithm::Library(model) => model.token_to_id(token),
            Algorithm::SentencePiece(model) => model.id(token),
        })
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.names.get(&id).cloned().or_else(|| match &self.algorithm {
            Algorithm::Library(model) => model.id_to_token(id),
            Algorithm::SentencePiece(model) => model.token(id).map(str::to_owned),
        })
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        let mut all = match &self.algorithm {
            Algorithm::Library(model) => model.get_vocab(),
            Algorithm::SentencePiece(model) => model.vocabulary(),
        };
        all.extend(self.control.iter().map(|(name, &id)| (name.clone(), id)));
        all
    }

    fn get_vocab_size(&self) -> usize {
        let inner = match &self.algorithm {
            Algorithm::Library(model) => model.get_vocab_size(),
            Algorithm::SentencePiece(model) => model.len(),
        };
        inner + self.control.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("vocabularies are only read".into())
    }

    fn get_trainer(&self) -> Untrainable {
        Untrainable
    }
}

/// The trainer that the library's trait demands; it refuses to train.
pub(crate) struct Untrainable;

impl Trainer for Untrainable {
    type Model = TokenModel;

    fn should_show_progress(&self) -> bool {
        false
    }

    fn train(&self, _: &mut TokenModel) -> tokenizers::Result<Vec<AddedToken>> {
        Err("vocabularies are only read".into())
    }

    fn feed<I, S, F>(&mut self, _: I, _: F) -> tokenizers::Result<()>
    where
        I: Iterator<Item = S> + Send,
        S: AsRef<str> + Send,
        F: Fn(&str) -> tokenizers::Result<Vec<String>> + Sync,
    {
        Err("vocabularies are only read".into())
    }
}
