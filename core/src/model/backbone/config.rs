//! What a backbone looks like: one description for every family, from a Hugging Face `config.json` or GGUF metadata.
//!
//! The readers live beside this file; both end in [`BackboneConfig::checked`], which bounds every number before it
//! sizes an allocation.

use crate::error::{Error, Result};

/// Families whose blocks this engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Llama 2, 3.x, `SmolLM2`, and GGUF files of architecture `llama`.
    Llama,
    /// Mistral 7B and its kin, from Hugging Face directories.
    Mistral,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3, dense.
    Qwen3,
    /// Gemma 3, text.
    Gemma3,
}

/// Non-linearity of the gated MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU with the tanh approximation.
    GeluTanh,
}

/// How rotary pairs lie in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RopePairs {
    /// Element `i` turns with `i + dim / 2`: Hugging Face's layout, GGUF's "NEOX".
    Halves,
    /// Element `2i` turns with `2i + 1`: GGUF's layout for architecture `llama`.
    Neighbours,
}

/// Change of the rotary frequencies for long contexts.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RopeScaling {
    /// Positions divided by a factor.
    Linear(f64),
    /// Llama 3.1's three bands: high frequencies kept, low ones divided, a smooth blend between.
    Llama3 {
        /// Division of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low: f64,
        /// Wavelengths below `original / high` are kept.
        high: f64,
        /// Context length of pretraining.
        original: f64,
    },
    /// One divisor per frequency, as GGUF's `rope_freqs.weight` holds them.
    Divisors(Vec<f32>),
}

/// Rotary embedding of one kind of layer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Rope {
    /// Base of the geometric frequencies.
    pub theta: f64,
    /// Change of the frequencies, if any.
    pub scaling: Option<RopeScaling>,
}

/// Shape and options of a decoder-only transformer. Field names follow Hugging Face's configs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BackboneConfig {
    /// Family, which selects tensor names.
    pub family: Family,
    /// Tokens in the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside of the MLP.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves `num_attention_heads / num_key_value_heads` query heads.
    pub num_key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Elements of a head that turn, from its start.
    pub rotary_dim: usize,
    /// Layout of the rotary pairs.
    pub rope_pairs: RopePairs,
    /// Rotary embedding of full-attention layers.
    pub rope: Rope,
    /// Rotary embedding of sliding-window layers.
    pub rope_sliding: Rope,
    /// Positions that the model was made for.
    pub max_position_embeddings: usize,
    /// Added to the mean square in RMS norms.
    pub rms_norm_eps: f64,
    /// Per layer: `None` for full attention, else the window in tokens, the current one included.
    pub windows: Vec<Option<usize>>,
    /// Non-linearity of the MLP.
    pub activation: Activation,
    /// The LM head shares the embedding table.
    pub tie_word_embeddings: bool,
    /// RMS norms on each head of queries and keys.
    pub qk_norm: bool,
    /// Norms after attention and after the MLP, before the residual sum (Gemma).
    pub post_norms: bool,
    /// Norm weights are stored as an offset from one (Gemma in Hugging Face layout).
    pub norm_offset: bool,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// Attention scores are multiplied by this.
    pub attention_scale: f32,
    /// `c * tanh(score / c)` on attention scores.
    pub attn_logit_softcapping: Option<f32>,
    /// `c * tanh(logit / c)` on logits.
    pub final_logit_softcapping: Option<f32>,
}

const MAX_WIDTH: usize = 1 << 18;
const MAX_LAYERS: usize = 1 << 10;
const MAX_VOCAB: usize = 4 << 20;
const MAX_POSITIONS: usize = 1 << 24;

impl BackboneConfig {
    /// Refuses numbers that no real model has or that do not fit together.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field and its value.
    pub fn checked(self) -> Result<Self> {
        let bounded = [
            ("vocab_size", self.vocab_size, MAX_VOCAB),
            ("hidden_size", self.hidden_size, MAX_WIDTH),
            ("intermediate_size", self.intermediate_size, MAX_WIDTH),
            ("num_hidden_layers", self.num_hidden_layers, MAX_LAYERS),
            ("num_attention_heads", self.num_attention_heads, MAX_WIDTH),
            ("num_key_value_heads", self.num_key_value_heads, MAX_WIDTH),
            ("head_dim", self.head_dim, MAX_WIDTH),
            ("max_position_embeddings", self.max_position_embeddings, MAX_POSITIONS),
        ];
        let malformed = |reason: String| Error::malformed("configuration", "backbone config", reason);
        for (field, value, limit) in bounded {
            if value == 0 || value > limit {
                return Err(malformed(format!("{field} is {value}, expected 1 to {limit}")));
            }
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(malformed(format!("{heads} query heads do not divide among {kv_heads} key heads")));
        }
        if heads * self.head_dim > MAX_WIDTH {
            return Err(malformed(format!("{heads} heads of {} are wider than {MAX_WIDTH}", self.head_dim)));
        }
        if self.rotary_dim == 0 || self.rotary_dim > self.head_dim || !self.rotary_dim.is_multiple_of(2) {
            let reason = format!("rotary dimension {} of heads of {}", self.rotary_dim, self.head_dim);
            return Err(malformed(reason));
        }
        if self.windows.len() != self.num_hidden_layers || self.windows.contains(&Some(0)) {
            return Err(malformed(format!("sliding windows {:?}", self.windows)));
        }
        let positive = [
            ("rms_norm_eps", self.rms_norm_eps),
            ("rope theta", self.rope.theta),
            ("local rope theta", self.rope_sliding.theta),
            ("attention scale", self.attention_scale.into()),
            ("attn_logit_softcapping", self.attn_logit_softcapping.unwrap_or(1.0).into()),
            ("final_logit_softcapping", self.final_logit_softcapping.unwrap_or(1.0).into()),
        ];
        for (field, value) in positive {
            if !value.is_finite() || value <= 0.0 {
                return Err(malformed(format!("{field} is {value}")));
            }
        }
        for rope in [&self.rope, &self.rope_sliding] {
            let fits = match &rope.scaling {
                None => true,
                Some(RopeScaling::Linear(factor)) => factor.is_finite() && *factor > 0.0,
                Some(RopeScaling::Llama3 { factor, low, high, original }) => {
                    [factor, low, high, original].iter().all(|v| v.is_finite() && **v > 0.0) && high > low
                }
                Some(RopeScaling::Divisors(d)) => {
                    d.len() == self.rotary_dim / 2 && d.iter().all(|v| v.is_finite() && *v > 0.0)
                }
            };
            if !fits {
                return Err(malformed(format!("rope scaling {:?}", rope.scaling)));
            }
        }
        Ok(self)
    }

    /// Query heads that share one key head.
    #[must_use]
    pub fn group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }
}
