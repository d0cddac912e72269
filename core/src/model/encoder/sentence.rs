//! Sentence embeddings: a BERT-type encoder, pooling and normalisation, from a sentence-transformers directory.

mod lower;

use std::path::Path;

use serde_json::Value;

use super::bert::{Bert, BertConfig, Sequence};
use super::text::{TextEncoder, normalise};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::table::LinearTable;
use crate::quant::Deltas;
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// How token states become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The average over all tokens.
    Mean,
    /// The state of the first token.
    Cls,
}

/// Text to one L2-normalised vector: the anchor of the shared space.
#[derive(Debug)]
pub struct SentenceEncoder {
    bert: Bert,
    pooling: Pooling,
    max_tokens: usize,
}

impl SentenceEncoder {
    /// Opens a directory with `config.json`, `model.safetensors` and, where present, sentence-transformers'
    /// `modules.json`, `1_Pooling/config.json` and `sentence_bert_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::MissingTensor`] or [`Error::Shape`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let checkpoint = Checkpoint::open(dir)?;
        let config = BertConfig::parse(&read_json(&dir.join("config.json"), MAX_CONFIG)?)?;
        let limit = config.max_position_embeddings;
        let max_tokens = optional(&dir.join("sentence_bert_config.json"))?
            .and_then(|json| json.get("max_seq_length").and_then(Value::as_u64))
            .and_then(|n| usize::try_from(n).ok())
            .map_or(limit, |n| n.clamp(3, limit));
        let pooling = match optional(&dir.join("1_Pooling/config.json"))? {
            None => Pooling::Mean,
            Some(json) => pooling(&json)?,
        };
        Ok(Self { bert: Bert::load(&checkpoint, config)?, pooling, max_tokens })
    }

    /// How token states are pooled.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Shape of the encoder inside.
    #[must_use]
    pub fn config(&self) -> &BertConfig {
        self.bert.config()
    }
}

impl TextEncoder for SentenceEncoder {
    fn dim(&self) -> usize {
        self.bert.config().hidden_size
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn linears(&self) -> &LinearTable {
        self.bert.linears()
    }

    fn embed(&self, texts: &[Vec<u32>], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>> {
        let sequences: Vec<Sequence<'_>> = texts.iter().map(|tokens| Sequence { tokens, deltas }).collect();
        let states = self.bert.forward(&sequences)?;
        let width = self.dim();
        let mut rows = states.chunks_exact(width);
        Ok(texts
            .iter()
            .map(|tokens| {
                let states: Vec<&[f32]> = rows.by_ref().take(tokens.len()).collect();
                let mut pooled = states[0].to_vec();
                if self.pooling == Pooling::Mean {
                    for state in &states[1..] {
                        pooled.iter_mut().zip(*state).for_each(|(p, s)| *p += s);
                    }
                    pooled.iter_mut().for_each(|p| *p /= states.len() as f32);
                }
                normalise(&mut pooled);
                pooled
            })
            .collect())
    }

    fn state_width(&self) -> Option<usize> {
        Some(self.dim())
    }

    fn states(&self, text: &[u32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        self.bert.forward(&[Sequence { tokens: text, deltas }])
    }

    fn lower(&self, tokens: usize, rank: usize) -> Result<Graph> {
        self.lower_text(tokens, rank)
    }

    fn graph_inputs(&self, text: &[u32], deltas: Option<&Deltas>, tokens: usize) -> Result<Vec<Vec<f32>>> {
        self.text_inputs(text, deltas, tokens)
    }
}

fn pooling(json: &Value) -> Result<Pooling> {
    let on = |field: &str| json.get(field).and_then(Value::as_bool) == Some(true);
    match (on("pooling_mode_mean_tokens"), on("pooling_mode_cls_token")) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::Cls),
        _ => Err(Error::unsupported("pooling mode", "mean and cls pooling are run, one of them at a time")),
    }
}

fn optional(path: &Path) -> Result<Option<Value>> {
    if path.is_file() { read_json(path, MAX_CONFIG).map(Some) } else { Ok(None) }
}
