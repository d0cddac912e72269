//! Tensor names of a backbone in both formats.

use super::config::Family;
use crate::model::table::BACKBONE_BLOCKS;

/// A weight of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
    NormQ,
    NormK,
    NormAttention,
    NormAttentionOut,
    NormMlp,
    NormMlpOut,
}

impl Part {
    /// Module path within a Hugging Face decoder layer.
    fn hugging_face(self, family: Family) -> &'static str {
        match self {
            Self::Q => "self_attn.q_proj",
            Self::K => "self_attn.k_proj",
            Self::V => "self_attn.v_proj",
            Self::O => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
            Self::NormQ => "self_attn.q_norm",
            Self::NormK => "self_attn.k_norm",
            Self::NormAttention => "input_layernorm",
            // Gemma keeps the name of the pre-MLP norm for the norm after attention.
            Self::NormAttentionOut => "post_attention_layernorm",
            Self::NormMlp if family == Family::Gemma3 => "pre_feedforward_layernorm",
            Self::NormMlp => "post_attention_layernorm",
            Self::NormMlpOut => "post_feedforward_layernorm",
        }
    }

    fn gguf(self) -> &'static str {
        match self {
            Self::Q => "attn_q",
            Self::K => "attn_k",
            Self::V => "attn_v",
            Self::O => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
            Self::NormQ => "attn_q_norm",
            Self::NormK => "attn_k_norm",
            Self::NormAttention => "attn_norm",
            Self::NormAttentionOut => "post_attention_norm",
            Self::NormMlp => "ffn_norm",
            Self::NormMlpOut => "post_ffw_norm",
        }
    }
}

/// Prefixes under which Hugging Face checkpoints keep the text model: plain, multimodal in two generations, beside a
/// vision tower (`Idefics3`, `SmolVLM`), bare.
const PREFIXES: [&str; 5] = ["model.", "language_model.model.", "model.language_model.", "model.text_model.", ""];

/// How a checkpoint spells its tensors.
#[derive(Clone, Debug)]
pub(super) enum Names {
    HuggingFace { prefix: &'static str, family: Family },
    Gguf,
}

impl Names {
    /// Finds the prefix of a Hugging Face checkpoint by its embedding table.
    pub(super) fn hugging_face(family: Family, has: impl Fn(&str) -> bool) -> Option<Self> {
        let prefix = PREFIXES.into_iter().find(|prefix| has(&format!("{prefix}embed_tokens.weight")))?;
        Some(Self::HuggingFace { prefix, family })
    }

    /// Tensor name without the `.weight` or `.bias` ending.
    pub(super) fn part(&self, layer: usize, part: Part) -> String {
        match self {
            Self::HuggingFace { prefix, family } => format!("{prefix}layers.{layer}.{}", part.hugging_face(*family)),
            Self::Gguf => format!("blk.{layer}.{}", part.gguf()),
        }
    }

    pub(super) fn embedding(&self) -> String {
        match self {
            Self::HuggingFace { prefix, .. } => format!("{prefix}embed_tokens"),
            Self::Gguf => "token_embd".into(),
        }
    }

    pub(super) fn final_norm(&self) -> String {
        match self {
            Self::HuggingFace { prefix, .. } => format!("{prefix}norm"),
            Self::Gguf => "output_norm".into(),
        }
    }

    pub(super) fn head(&self) -> String {
        match self {
            Self::HuggingFace { prefix: "language_model.model.", .. } => "language_model.lm_head".into(),
            Self::HuggingFace { .. } => "lm_head".into(),
            Self::Gguf => "output".into(),
        }
    }

    /// Whether a tensor that loading did not use may stay unused.
    pub(super) fn may_ignore(&self, tensor: &str) -> bool {
        match self {
            // Buffers of old checkpoints, a tied head that was saved anyway, and the other towers of a multimodal file.
            Self::HuggingFace { prefix, .. } => {
                tensor.ends_with("rotary_emb.inv_freq") || tensor == "lm_head.weight" || !tensor.starts_with(prefix)
            }
            Self::Gguf => tensor == "rope_freqs.weight",
        }
    }
}

/// Module path by which adapters name a layer, whatever the file format and prefix.
pub(super) fn module(family: Family, layer: usize, part: Part) -> String {
    format!("{BACKBONE_BLOCKS}{layer}.{}", part.hugging_face(family))
}
