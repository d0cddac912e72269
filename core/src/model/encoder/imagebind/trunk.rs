//! The transformer blocks of a tower, and their fused attention taken apart.

use super::config::TowerConfig;
use crate::error::Result;
use crate::model::layer::{Bias, Loader, TransformerBlock};
use crate::quant::{Linear, Matrix};
use crate::weights::{BlockType, TensorView};

/// Which keys a token sees besides those of its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// None: vision and text.
    Tokens,
    /// One learned key and value (`add_bias_kv`): all others.
    TokensAndOne,
}

/// Loads `modality_trunks.<tower>.blocks`.
///
/// # Errors
/// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
pub(super) fn blocks(
    loader: &mut Loader<'_>,
    tower: &str,
    config: &TowerConfig<'_>,
    keys: Keys,
) -> Result<Vec<TransformerBlock>> {
    (0..config.layers).map(|i| block(loader, &format!("modality_trunks.{tower}.blocks.{i}"), config, keys)).collect()
}

fn block(loader: &mut Loader<'_>, module: &str, config: &TowerConfig<'_>, keys: Keys) -> Result<TransformerBlock> {
    let shape = &config.block;
    let width = shape.width;
    let path = |part: &str| format!("{module}.{part}");
    let [query, key, value] = in_projection(loader, &path("attn"), width)?;
    let output = loader.linear(&path("attn.out_proj"), width, width, Bias::Required)?;
    let extra = match keys {
        Keys::Tokens => None,
        Keys::TokensAndOne => {
            let values = |part: &str| loader.values(&path(part), &[1, 1, width]);
            Some([values("attn.bias_k")?, values("attn.bias_v")?])
        }
    };
    let mlp = [
        loader.linear(&path("mlp.fc1"), shape.inner, width, Bias::Required)?,
        loader.linear(&path("mlp.fc2"), width, shape.inner, Bias::Required)?,
    ];
    Ok(TransformerBlock {
        heads: shape.heads()?,
        attention_norm: loader.layer_norm(&path("norm_1"), width, shape.eps)?,
        attention: [query, key, value, output],
        extra,
        mlp_norm: loader.layer_norm(&path("norm_2"), width, shape.eps)?,
        mlp,
        activation: shape.activation,
    })
}

/// Queries, keys and values of PyTorch's attention, which lie on top of each other in one weight. The matrices share its
/// bytes.
fn in_projection(loader: &mut Loader<'_>, module: &str, width: usize) -> Result<[Linear; 3]> {
    let weight: Matrix = loader.matrix(&format!("{module}.in_proj_weight"), 3 * width, width)?;
    let bias = loader.values(&format!("{module}.in_proj_bias"), &[3 * width])?;
    let mut part = |index: usize, name: &str| {
        let rows = index * width..(index + 1) * width;
        let bias = TensorView {
            name: format!("{module}.in_proj_bias"),
            kind: BlockType::F32,
            shape: vec![width],
            data: bias[rows.clone()].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into(),
        };
        loader.linear_of(&format!("{module}.{name}"), weight.slice_rows(rows.start, width)?, Some(bias))
    };
    Ok([part(0, "q_proj")?, part(1, "k_proj")?, part(2, "v_proj")?])
}
