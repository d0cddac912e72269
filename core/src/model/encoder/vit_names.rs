//! Module paths of ViT, DeiT and AST within a block, and how transformers 5 names the same layers in memory, where PEFT reads
//! them; files keep the older names.

use crate::model::layer::{Bias, BlockNames};

const LAYERS: [(&str, &str); 6] = [
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
];

/// Paths of a block's layers in the file.
pub(super) fn block(qkv_bias: Bias) -> BlockNames {
    BlockNames {
        attention_norm: "layernorm_before",
        attention: [LAYERS[0].0, LAYERS[1].0, LAYERS[2].0, LAYERS[3].0],
        mlp_norm: "layernorm_after",
        mlp: [LAYERS[4].0, LAYERS[5].0],
        biases: [qkv_bias, qkv_bias, qkv_bias, Bias::Required],
    }
}

/// How transformers 5 names a layer in memory, `None` for one outside of the blocks.
pub(super) fn in_memory(module: &str) -> Option<String> {
    let (block, part) = module.strip_prefix("encoder.layer.")?.split_once('.')?;
    let (_, newer) = LAYERS.iter().find(|(name, _)| *name == part)?;
    Some(format!("layers.{block}.{newer}"))
}
