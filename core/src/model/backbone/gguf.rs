//! Reads a backbone's configuration from GGUF metadata.
//!
//! Keys are prefixed by the architecture. What llama.cpp hard-codes per architecture (Gemma 3's window pattern and
//! local rope base) is repeated here where a file does not say it.

use super::config::{Activation, BackboneConfig, Family, Rope, RopePairs, RopeScaling};
use crate::error::{Error, Result};
use crate::weights::{Gguf, Metadata};

const FORMAT: &str = "GGUF metadata";
/// llama.cpp's pattern for Gemma 3: five sliding layers, then a full one.
const GEMMA3_PATTERN: usize = 6;
/// Base of the rotary frequencies in Gemma 3's sliding layers.
const GEMMA3_LOCAL_THETA: f64 = 1e4;

/// The configuration that `file` describes.
///
/// # Errors
/// [`Error::Unsupported`] naming the architecture or option; [`Error::Malformed`] naming the key.
pub fn from_gguf(file: &Gguf) -> Result<BackboneConfig> {
    let keys = Keys::new(file.metadata())?;
    let family = match keys.architecture {
        "llama" => Family::Llama,
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3,
        "gemma3" => Family::Gemma3,
        other => {
            let reason = "read are llama (with Mistral), qwen2, qwen3 and gemma3";
            return Err(Error::unsupported(format!("GGUF architecture '{other}'"), reason));
        }
    };
    if keys.usize("expert_count")?.is_some_and(|n| n > 0) {
        return Err(Error::unsupported("expert_count in GGUF", "dense models are run"));
    }
    let gemma = family == Family::Gemma3;
    let hidden = keys.required("embedding_length")?;
    let heads = keys.required("attention.head_count")?;
    let layers = keys.required("block_count")?;
    if heads == 0 || layers > 4096 {
        return Err(malformed(format!("{heads} attention heads, {layers} layers")));
    }
    let head_dim = keys.usize("attention.key_length")?.unwrap_or(hidden / heads);
    if keys.usize("attention.value_length")?.is_some_and(|v| v != head_dim) {
        return Err(Error::unsupported("attention.value_length", "keys and values of one width are run"));
    }
    let embedding =
        file.tensor("token_embd.weight")?.ok_or_else(|| Error::MissingTensor("token_embd.weight".into()))?;
    let theta = keys.float("rope.freq_base").unwrap_or(if gemma { 1e6 } else { 1e4 });
    let scaling = scaling(file, &keys)?;
    let local = Rope { theta: keys.float("rope.freq_base_swa").unwrap_or(GEMMA3_LOCAL_THETA), scaling: None };
    let rope = Rope { theta, scaling };
    BackboneConfig {
        family,
        vocab_size: embedding.shape.first().copied().unwrap_or(0),
        hidden_size: hidden,
        intermediate_size: keys.required("feed_forward_length")?,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: keys.usize("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        rotary_dim: keys.usize("rope.dimension_count")?.unwrap_or(head_dim),
        rope_pairs: if family == Family::Llama { RopePairs::Neighbours } else { RopePairs::Halves },
        rope_sliding: if gemma { local } else { rope.clone() },
        rope,
        max_position_embeddings: keys.required("context_length")?,
        rms_norm_eps: keys.float("attention.layer_norm_rms_epsilon").unwrap_or(1e-6),
        windows: windows(&keys, gemma, layers)?,
        activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
        tie_word_embeddings: file.tensor("output.weight")?.is_none(),
        qk_norm: matches!(family, Family::Qwen3 | Family::Gemma3),
        post_norms: gemma,
        // The converter has added the one already.
        norm_offset: false,
        embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
        attention_scale: attention_scale(&keys, gemma, hidden, heads, head_dim, layers) as f32,
        attn_logit_softcapping: keys.float("attn_logit_softcapping").map(|c| c as f32),
        final_logit_softcapping: keys.float("final_logit_softcapping").map(|c| c as f32),
    }
    .checked()
}

/// GGUF does not store Gemma's `query_pre_attn_scalar`: it is the head's width, except in the 27B model, where it is
/// `hidden / heads` (llama.cpp recognises that one by its 62 layers).
fn attention_scale(keys: &Keys<'_>, gemma: bool, hidden: usize, heads: usize, head_dim: usize, layers: usize) -> f64 {
    let width = if gemma && layers == 62 { hidden / heads } else { head_dim };
    keys.float("attention.scale").unwrap_or((width as f64).powf(-0.5))
}

fn windows(keys: &Keys<'_>, gemma: bool, layers: usize) -> Result<Vec<Option<usize>>> {
    let Some(window) = keys.usize("attention.sliding_window")?.filter(|&w| w > 0) else {
        return Ok(vec![None; layers]);
    };
    // Newer converters write one flag per layer, older ones a period.
    if let Some(flags) = keys.metadata.integers(&keys.name("attention.sliding_window_pattern")) {
        if flags.len() < layers {
            return Err(malformed(format!("{} window flags for {layers} layers", flags.len())));
        }
        return Ok(flags.iter().take(layers).map(|&f| (f != 0).then_some(window)).collect());
    }
    let pattern = keys.usize("attention.sliding_window_pattern")?.unwrap_or(GEMMA3_PATTERN).max(1);
    Ok((0..layers).map(|i| if gemma { ((i + 1) % pattern != 0).then_some(window) } else { Some(window) }).collect())
}

fn scaling(file: &Gguf, keys: &Keys<'_>) -> Result<Option<RopeScaling>> {
    if let Some(divisors) = file.tensor("rope_freqs.weight")? {
        return Ok(Some(RopeScaling::Divisors(divisors.to_f32())));
    }
    match keys.metadata.str(&keys.name("rope.scaling.type")).unwrap_or("none") {
        "none" => match keys.float("rope.scale_linear") {
            Some(factor) if (factor - 1.0).abs() > f64::EPSILON => Ok(Some(RopeScaling::Linear(factor))),
            _ => Ok(None),
        },
        "linear" => keys
            .float("rope.scaling.factor")
            .map(|factor| Some(RopeScaling::Linear(factor)))
            .ok_or_else(|| malformed("rope.scaling.factor is missing".into())),
        other => Err(Error::unsupported(format!("rope scaling '{other}'"), "none, linear and rope_freqs are run")),
    }
}

fn malformed(reason: String) -> Error {
    Error::malformed("metadata", FORMAT, reason)
}

/// Metadata under the architecture's prefix.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl<'a> Keys<'a> {
    fn new(metadata: &'a Metadata) -> Result<Self> {
        let architecture = metadata
            .str("general.architecture")
            .ok_or_else(|| malformed("'general.architecture' is missing".into()))?;
        Ok(Self { metadata, architecture })
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn usize(&self, key: &str) -> Result<Option<usize>> {
        let name = self.name(key);
        match self.metadata.get(&name) {
            None => Ok(None),
            Some(crate::weights::Value::Integers(values)) => match values.first() {
                Some(&first) if values.iter().all(|&v| v == first) => {
                    usize::try_from(first).map(Some).map_err(|_| malformed(format!("'{name}' is {first}")))
                }
                _ => Err(Error::unsupported(format!("'{name}' with one value per layer"), "layers must be alike")),
            },
            Some(value) => match self.metadata.usize(&name) {
                Some(number) => Ok(Some(number)),
                None => Err(malformed(format!("'{name}' is {value:?}"))),
            },
        }
    }

    fn required(&self, key: &str) -> Result<usize> {
        self.usize(key)?.ok_or_else(|| malformed(format!("'{}' is missing", self.name(key))))
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.metadata.float(&self.name(key))
    }
}
