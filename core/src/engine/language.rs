//! A language model ready for text: backbone, tokenizer and chat template of one component.

use std::path::Path;

use super::trace::Part;
use crate::adapter::Adapter;
use crate::error::{Error, Result};
use crate::input::{ChatOptions, ChatTemplate, Message, Tokenizer, encode_chat};
use crate::model::CacheType;
use crate::model::backbone::Backbone;
use crate::quant::Deltas;
use crate::weights::{Checkpoint, Naming};

/// A loaded language model. Immutable and shared.
#[derive(Debug)]
pub struct LanguageModel {
    part: Part,
    backbone: Backbone,
    tokenizer: Option<Tokenizer>,
    template: Option<ChatTemplate>,
}

impl LanguageModel {
    /// Opens a GGUF file or a Hugging Face directory with its tokenizer. A directory without `tokenizer.json` opens too:
    /// token ids can be scored, text cannot be read.
    ///
    /// # Errors
    /// As [`Backbone::open`], [`Tokenizer::from_gguf`] and [`Tokenizer::from_dir`].
    pub fn open(part: Part, path: &Path) -> Result<Self> {
        Self::open_as(part, path, None)
    }

    /// As [`LanguageModel::open`], with keys and values kept as [`super::EngineOptions::cache`] says.
    ///
    /// # Errors
    /// As [`LanguageModel::open`].
    pub fn open_as(part: Part, path: &Path, cache: Option<CacheType>) -> Result<Self> {
        Self::from_checkpoint(part, path, &Checkpoint::open(path)?, cache)
    }

    /// As [`LanguageModel::open_as`] on a checkpoint that is open already.
    ///
    /// # Errors
    /// As [`LanguageModel::open`].
    pub(crate) fn from_checkpoint(
        part: Part,
        path: &Path,
        checkpoint: &Checkpoint,
        cache: Option<CacheType>,
    ) -> Result<Self> {
        let mut backbone = Backbone::from_checkpoint(path, checkpoint)?;
        if let Some(kind) = cache {
            backbone.set_cache_type(kind);
        }
        let (tokenizer, template) = match checkpoint {
            Checkpoint::Gguf(file) if checkpoint.naming() == Naming::Gguf => {
                let tokenizer = Tokenizer::from_gguf(file.metadata())?;
                let template = ChatTemplate::from_gguf(file.metadata(), &tokenizer)?;
                (Some(tokenizer), template)
            }
            _ => {
                let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
                if dir.join("tokenizer.json").exists() {
                    let tokenizer = Tokenizer::from_dir(dir)?;
                    let template = ChatTemplate::from_dir(dir, &tokenizer)?;
                    (Some(tokenizer), template)
                } else {
                    (None, None)
                }
            }
        };
        // Embedding tables are often padded beyond the vocabulary, never the other way round.
        let (known, rows) = (tokenizer.as_ref().map_or(0, Tokenizer::vocab_size), backbone.config().vocab_size);
        if known > rows {
            let reason = format!("the tokenizer has {known} tokens, the model {rows}");
            return Err(Error::malformed(path.display(), "language model", reason));
        }
        Ok(Self { part, backbone, tokenizer, template })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The changes of an adapter, which must be one of this component.
    ///
    /// # Errors
    /// As [`Part::deltas`].
    pub fn deltas<'a>(&self, adapter: Option<&'a Adapter>) -> Result<Option<&'a Deltas>> {
        self.part.deltas(adapter)
    }

    /// The network.
    #[must_use]
    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// The vocabulary.
    ///
    /// # Errors
    /// [`Error::Text`] for a directory without `tokenizer.json`.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        let missing =
            || Error::Text { what: "tokenizer", reason: "the model's directory has no tokenizer.json".into() };
        self.tokenizer.as_ref().ok_or_else(missing)
    }

    /// The chat template, if the model has one.
    #[must_use]
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// Token ids of a conversation, ready for the model's answer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model without a chat template; as [`encode_chat`] otherwise.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>> {
        let template = self
            .template
            .as_ref()
            .ok_or_else(|| Error::unsupported("chat", "this model has no chat template; use plain generation"))?;
        encode_chat(self.tokenizer()?, template, messages, &ChatOptions::default())
    }
}
