//! Builds a backbone from a checkpoint: every tensor that the configuration calls for, in place, and no other.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::block::{Attention, Block, Mlp};
use super::config::{BackboneConfig, Family, RopePairs};
use super::names::{Names, Part, module};
use super::rope::Frequencies;
use super::{Backbone, gguf, hugging_face};
use crate::error::{Error, Result};
use crate::model::cache::CacheType;
use crate::model::table::{LinearRole, LinearTable, RowOrder};
use crate::quant::{Linear, Matrix};
use crate::weights::{BlockType, Checkpoint, MAX_CONFIG, Naming, TensorView, read_bounded};

/// Reads the configuration that belongs to `checkpoint`.
///
/// # Errors
/// As [`hugging_face::from_config`] and [`gguf::from_gguf`].
pub(super) fn config(path: &Path, checkpoint: &Checkpoint) -> Result<BackboneConfig> {
    match checkpoint {
        Checkpoint::Gguf(file) if checkpoint.naming() == Naming::Gguf => gguf::from_gguf(file),
        _ => {
            let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
            let file = dir.join("config.json");
            let text = read_bounded(&file, MAX_CONFIG)?;
            let json: Value =
                serde_json::from_slice(&text).map_err(|e| Error::malformed(file.display(), "config.json", e))?;
            hugging_face::from_config(&json)
        }
    }
}

/// Loads all weights named by `config`.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
pub(super) fn backbone(checkpoint: &Checkpoint, config: BackboneConfig) -> Result<Backbone> {
    let names = match checkpoint.naming() {
        Naming::Gguf => Names::Gguf,
        Naming::HuggingFace => {
            let known: HashSet<String> = checkpoint.names().into_iter().collect();
            Names::hugging_face(config.family, |name| known.contains(name))
                .ok_or_else(|| Error::MissingTensor("model.embed_tokens.weight".into()))?
        }
    };
    let mut loader = Loader { checkpoint, config: &config, names, table: LinearTable::default(), used: HashSet::new() };
    let (vocab, hidden) = (config.vocab_size, config.hidden_size);

    let embedding = loader.matrix(&loader.names.embedding(), vocab, hidden)?.packed();
    let embedding_id =
        loader.table.add("model.embed_tokens".into(), LinearRole::Embedding, (vocab, hidden), RowOrder::Same);
    let blocks = (0..config.num_hidden_layers).map(|layer| loader.block(layer)).collect::<Result<_>>()?;
    let norm = loader.norm(&loader.names.final_norm(), hidden)?;
    let head = if config.tie_word_embeddings {
        embedding.clone()
    } else {
        loader.matrix(&loader.names.head(), vocab, hidden)?
    };
    let head_id = loader.table.add("lm_head".into(), LinearRole::Linear, (vocab, hidden), RowOrder::Same);
    loader.table.stored_as(head.kind());
    let head = Linear::new(head_id, head, None)?;
    loader.refuse_unused()?;

    let table = loader.table;
    let rope =
        [Frequencies::new(&config.rope, config.rotary_dim), Frequencies::new(&config.rope_sliding, config.rotary_dim)];
    let mut windows = config.windows.clone();
    windows.sort_unstable();
    windows.dedup();
    let cache = if embedding.kind() == BlockType::F32 { CacheType::F32 } else { CacheType::F16 };
    Ok(Backbone { config, table, embedding, embedding_id, blocks, norm, head, rope, windows, cache })
}

struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a BackboneConfig,
    names: Names,
    table: LinearTable,
    used: HashSet<String>,
}

impl Loader<'_> {
    fn tensor(&mut self, name: &str, ending: &str) -> Result<Option<TensorView>> {
        let name = format!("{name}.{ending}");
        let found = self.checkpoint.tensor(&name)?;
        if found.is_some() {
            self.used.insert(name);
        }
        Ok(found)
    }

    fn weight(&mut self, name: &str) -> Result<TensorView> {
        self.tensor(name, "weight")?.ok_or_else(|| Error::MissingTensor(format!("{name}.weight")))
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        Matrix::new(self.weight(name)?, rows, cols)
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<Vec<f32>> {
        let tensor = self.weight(name)?;
        tensor.expect_shape(&[width])?;
        let mut values = tensor.to_f32();
        if self.config.norm_offset {
            values.iter_mut().for_each(|v| *v += 1.0);
        }
        Ok(values)
    }

    fn linear(&mut self, layer: usize, part: Part, outputs: usize, inputs: usize) -> Result<Linear> {
        let name = self.names.part(layer, part);
        let weight = self.matrix(&name, outputs, inputs)?;
        let bias = self.tensor(&name, "bias")?;
        let order = match (self.config.rope_pairs, part) {
            (RopePairs::Neighbours, Part::Q) => RowOrder::InterleavedHeads { heads: self.config.num_attention_heads },
            (RopePairs::Neighbours, Part::K) => RowOrder::InterleavedHeads { heads: self.config.num_key_value_heads },
            _ => RowOrder::Same,
        };
        let path = module(self.config.family, layer, part);
        let id = self.table.add(path, LinearRole::Linear, (outputs, inputs), order);
        self.table.stored_as(weight.kind());
        Linear::new(id, weight, bias)
    }

    fn block(&mut self, layer: usize) -> Result<Block> {
        let config = self.config;
        let (hidden, inner, head) = (config.hidden_size, config.intermediate_size, config.head_dim);
        let (queries, keys) = (config.num_attention_heads * head, config.num_key_value_heads * head);
        let norm = |loader: &mut Self, part, width| loader.norm(&loader.names.part(layer, part), width);
        let optional = |loader: &mut Self, wanted: bool, part, width| {
            if wanted { norm(loader, part, width).map(Some) } else { Ok(None) }
        };
        Ok(Block {
            attention: Attention {
                norm: norm(self, Part::NormAttention, hidden)?,
                q: self.linear(layer, Part::Q, queries, hidden)?,
                k: self.linear(layer, Part::K, keys, hidden)?,
                v: self.linear(layer, Part::V, keys, hidden)?,
                o: self.linear(layer, Part::O, hidden, queries)?,
                q_norm: optional(self, config.qk_norm, Part::NormQ, head)?,
                k_norm: optional(self, config.qk_norm, Part::NormK, head)?,
                norm_out: optional(self, config.post_norms, Part::NormAttentionOut, hidden)?,
                window: config.windows[layer],
            },
            mlp: Mlp {
                norm: norm(self, Part::NormMlp, hidden)?,
                gate: self.linear(layer, Part::Gate, inner, hidden)?,
                up: self.linear(layer, Part::Up, inner, hidden)?,
                down: self.linear(layer, Part::Down, hidden, inner)?,
                norm_out: optional(self, config.post_norms, Part::NormMlpOut, hidden)?,
            },
        })
    }

    /// A weight that is in the file but not in the model means that the model would compute something else.
    fn refuse_unused(&self) -> Result<()> {
        let unused =
            self.checkpoint.names().into_iter().find(|name| !self.used.contains(name) && !self.names.may_ignore(name));
        match unused {
            None => Ok(()),
            Some(name) => {
                let family: Family = self.config.family;
                Err(Error::unsupported(format!("tensor '{name}'"), format!("a {family:?} backbone has no such weight")))
            }
        }
    }
}
