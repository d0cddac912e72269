//! Sizes of one tower, from `config.json`; what it does not give is as in `imagebind_huge`.

use serde_json::Value;

use super::super::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use crate::error::{Error, Result};
use crate::model::layer::{Activation, BlockShape};

const FORMAT: &str = "config.json";
/// Tokens of a clip; `imagebind_huge` has at most 257.
const MAX_TOKENS: usize = 1 << 16;
/// The MLP's width over the stream's.
const MLP_RATIO: usize = 4;
/// Norms of trunks and heads.
pub(super) const TRUNK_EPS: f64 = 1e-6;
/// Stands for the object of a tower that the file does not mention.
static NOTHING: Value = Value::Null;

/// A trunk's sizes in `imagebind_huge`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Huge {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
}

/// One tower's part of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct TowerConfig<'a> {
    fields: Fields<'a>,
    /// Shape of its blocks.
    pub(super) block: BlockShape,
    /// Blocks.
    pub(super) layers: usize,
    /// Width of the shared space.
    pub(super) projection: usize,
}

impl<'a> TowerConfig<'a> {
    /// Reads what all towers have.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field.
    pub(super) fn parse(json: &'a Value, tower: &str, huge: Huge) -> Result<Self> {
        let outer = Fields::new(json, FORMAT);
        let model_type = outer.text_or("model_type", "missing")?;
        if model_type != "imagebind" {
            return Err(Error::unsupported(format!("model_type '{model_type}'"), "imagebind is read"));
        }
        let fields = if outer.get(tower).is_some() { outer.object(tower)? } else { Fields::new(&NOTHING, FORMAT) };
        let width = fields.size_or("hidden_size", huge.width, MAX_WIDTH)?;
        let block = BlockShape {
            width,
            inner: width * MLP_RATIO,
            heads: fields.size_or("num_attention_heads", huge.heads, MAX_WIDTH)?,
            eps: TRUNK_EPS,
            activation: Activation::Gelu,
        };
        block.heads()?;
        let layers = fields.size_or("num_hidden_layers", huge.layers, MAX_LAYERS)?;
        Ok(Self { fields, block, layers, projection: outer.size_or("projection_dim", 1024, MAX_WIDTH)? })
    }

    /// A size of the tower's own, with its value in `imagebind_huge`.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming field, value and range.
    pub(super) fn size(&self, name: &str, huge: usize, limit: usize) -> Result<usize> {
        self.fields.size_or(name, huge, limit)
    }

    /// Sides of a square picture and of its patches.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    pub(super) fn square(&self, patch: usize) -> Result<(usize, usize)> {
        let side = self.size("image_size", 224, MAX_WIDTH)?;
        Ok((side, self.size("patch_size", patch, side)?))
    }

    /// Succeeds when a clip has so many patches.
    ///
    /// # Errors
    /// [`Error::Malformed`] for none, or more than are run.
    pub(super) fn check_patches(&self, patches: Option<usize>) -> Result<usize> {
        patches.filter(|count| (1..MAX_TOKENS).contains(count)).ok_or_else(|| {
            self.fields.wrong("patch_size", &format!("one that gives 1 to {} patches of the input", MAX_TOKENS - 1))
        })
    }
}
