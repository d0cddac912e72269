//! Reads a Hugging Face `config.json`, in the layout of transformers 4 and of transformers 5.

use serde_json::Value;

use super::config::{Activation, BackboneConfig, Family, Rope, RopePairs, RopeScaling};
use crate::error::{Error, Result};

const FORMAT: &str = "config.json";

/// The configuration of the text model in `config`, which may be nested in a multimodal one.
///
/// # Errors
/// [`Error::Unsupported`] naming the architecture or option; [`Error::Malformed`] naming the field.
pub fn from_config(config: &Value) -> Result<BackboneConfig> {
    let outer = Fields(config);
    let text = outer.object("text_config").unwrap_or(outer);
    let model_type = text.str("model_type").or_else(|| outer.str("model_type")).unwrap_or_default();
    let family = family(model_type)?;
    let gemma = family == Family::Gemma3;
    for option in ["quantization_config", "moe", "num_experts"] {
        if text.present(option) || outer.present(option) {
            return Err(Error::unsupported(
                format!("'{option}' in config.json"),
                "dense, unquantized checkpoints are read",
            ));
        }
    }

    let hidden = text.required("hidden_size")?;
    let heads = text.required("num_attention_heads")?;
    let layers = text.required("num_hidden_layers")?;
    if heads == 0 || layers > 4096 {
        return Err(malformed(format!("{heads} attention heads, {layers} layers")));
    }
    // Qwen2 derives the head from the hidden size; Qwen3 and Gemma 3 default to fixed sizes.
    let default_head = match family {
        Family::Qwen3 => 128,
        Family::Gemma3 => 256,
        _ => hidden / heads,
    };
    let head_dim = text.usize("head_dim")?.unwrap_or(default_head);
    let partial = text.float("partial_rotary_factor").or_else(|| text.rope_float("partial_rotary_factor"));
    let rotary_dim = (head_dim as f64 * partial.unwrap_or(1.0)) as usize;
    let windows = windows(&text, family, layers)?;
    let scale = text.float("query_pre_attn_scalar").filter(|_| gemma);
    BackboneConfig {
        family,
        vocab_size: text.required("vocab_size")?,
        hidden_size: hidden,
        intermediate_size: text.required("intermediate_size")?,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: text.usize("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        rotary_dim,
        rope_pairs: RopePairs::Halves,
        rope: rope(&text, gemma, "full_attention")?,
        rope_sliding: if gemma { rope_sliding(&text)? } else { rope(&text, gemma, "sliding_attention")? },
        max_position_embeddings: text.usize("max_position_embeddings")?.unwrap_or(if gemma { 131_072 } else { 2048 }),
        rms_norm_eps: text.float("rms_norm_eps").unwrap_or(1e-6),
        windows,
        activation: activation(&text, gemma)?,
        tie_word_embeddings: tied(&outer, &text).unwrap_or(gemma),
        qk_norm: matches!(family, Family::Qwen3 | Family::Gemma3),
        post_norms: gemma,
        norm_offset: gemma,
        embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
        attention_scale: scale.unwrap_or(if gemma { 256.0 } else { head_dim as f64 }).powf(-0.5) as f32,
        attn_logit_softcapping: text.float("attn_logit_softcapping").map(|c| c as f32),
        final_logit_softcapping: text.float("final_logit_softcapping").map(|c| c as f32),
    }
    .checked()
}

/// Whether the LM head is the embedding table. Where the head belongs to a model around the text model, that one says.
fn tied(outer: &Fields<'_>, text: &Fields<'_>) -> Option<bool> {
    let flag = |fields: &Fields<'_>| fields.bool("tie_word_embeddings");
    match outer.str("model_type") {
        Some("idefics3" | "smolvlm") => flag(outer),
        _ => flag(text).or_else(|| flag(outer)),
    }
}

fn family(model_type: &str) -> Result<Family> {
    Ok(match model_type {
        "llama" => Family::Llama,
        "mistral" => Family::Mistral,
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3,
        "gemma3" | "gemma3_text" => Family::Gemma3,
        other => {
            let reason = "read are llama, mistral, qwen2, qwen3, gemma3 and gemma3_text";
            return Err(Error::unsupported(format!("model_type '{other}'"), reason));
        }
    })
}

fn activation(text: &Fields<'_>, gemma: bool) -> Result<Activation> {
    let default = if gemma { "gelu_pytorch_tanh" } else { "silu" };
    match text.str("hidden_activation").or_else(|| text.str("hidden_act")).unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        other => Err(Error::unsupported(format!("activation '{other}'"), "silu and gelu_pytorch_tanh are run")),
    }
}

/// Which layers slide: an explicit list, else each family's own rule.
fn windows(text: &Fields<'_>, family: Family, layers: usize) -> Result<Vec<Option<usize>>> {
    let window = text.usize("sliding_window")?;
    let slides = family != Family::Qwen2 && family != Family::Qwen3 || text.bool("use_sliding_window") == Some(true);
    if let Some(types) = text.0.get("layer_types").and_then(Value::as_array) {
        if types.len() != layers {
            return Err(malformed(format!("{} layer_types for {layers} layers", types.len())));
        }
        return types
            .iter()
            .map(|kind| match (kind.as_str(), window) {
                (Some("full_attention"), _) => Ok(None),
                (Some("sliding_attention"), Some(window)) => Ok(Some(window)),
                (Some("sliding_attention"), None) => Err(malformed("sliding layers without sliding_window".into())),
                _ => Err(Error::unsupported(
                    format!("layer type {kind}"),
                    "full_attention and sliding_attention are run",
                )),
            })
            .collect();
    }
    let (Some(window), true) = (window, slides) else { return Ok(vec![None; layers]) };
    Ok(match family {
        Family::Llama => vec![None; layers],
        Family::Mistral => vec![Some(window); layers],
        Family::Qwen2 | Family::Qwen3 => {
            let first = text.usize("max_window_layers")?.unwrap_or(28);
            (0..layers).map(|i| (i >= first).then_some(window)).collect()
        }
        Family::Gemma3 => {
            let pattern = text.usize("sliding_window_pattern")?.unwrap_or(6).max(1);
            (0..layers).map(|i| ((i + 1) % pattern != 0).then_some(window)).collect()
        }
    })
}

fn rope(text: &Fields<'_>, gemma: bool, layer_type: &str) -> Result<Rope> {
    let parameters = text.object("rope_parameters").or_else(|| text.object("rope_scaling"));
    // transformers 5 nests one set of parameters per layer type where they differ.
    let parameters = parameters.map(|p| p.object(layer_type).unwrap_or(p));
    let theta = parameters.and_then(|p| p.float("rope_theta")).or_else(|| text.float("rope_theta"));
    let scaling = parameters.map_or(Ok(None), |p| scaling(&p, text))?;
    Ok(Rope { theta: theta.unwrap_or(if gemma { 1e6 } else { 1e4 }), scaling })
}

/// Gemma 3's sliding layers have their own base and no scaling, unless the file says otherwise per layer type.
fn rope_sliding(text: &Fields<'_>) -> Result<Rope> {
    let own = text.object("rope_parameters").and_then(|p| p.object("sliding_attention"));
    match own {
        Some(own) => Ok(Rope { theta: own.float("rope_theta").unwrap_or(1e4), scaling: scaling(&own, text)? }),
        None => Ok(Rope { theta: text.float("rope_local_base_freq").unwrap_or(1e4), scaling: None }),
    }
}

fn scaling(parameters: &Fields<'_>, text: &Fields<'_>) -> Result<Option<RopeScaling>> {
    let required =
        |field: &str| parameters.float(field).ok_or_else(|| malformed(format!("rope scaling lacks '{field}'")));
    match parameters.str("rope_type").or_else(|| parameters.str("type")).unwrap_or("default") {
        "default" => Ok(None),
        "linear" => Ok(Some(RopeScaling::Linear(required("factor")?))),
        "llama3" => Ok(Some(RopeScaling::Llama3 {
            factor: required("factor")?,
            low: required("low_freq_factor")?,
            high: required("high_freq_factor")?,
            original: parameters
                .float("original_max_position_embeddings")
                .or_else(|| text.float("original_max_position_embeddings"))
                .or_else(|| text.float("max_position_embeddings"))
                .ok_or_else(|| malformed("rope scaling lacks 'original_max_position_embeddings'".into()))?,
        })),
        other => Err(Error::unsupported(format!("rope scaling '{other}'"), "default, linear and llama3 are run")),
    }
}

fn malformed(reason: String) -> Error {
    Error::malformed("configuration", FORMAT, reason)
}

/// Typed access to a JSON object; `null` counts as absent.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn object(&self, field: &str) -> Option<Self> {
        self.0.get(field).filter(|v| v.is_object()).map(Self)
    }

    fn present(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|v| !v.is_null())
    }

    fn str(&self, field: &str) -> Option<&'a str> {
        self.0.get(field)?.as_str()
    }

    fn bool(&self, field: &str) -> Option<bool> {
        self.0.get(field)?.as_bool()
    }

    fn float(&self, field: &str) -> Option<f64> {
        self.0.get(field)?.as_f64()
    }

    fn rope_float(&self, field: &str) -> Option<f64> {
        self.object("rope_parameters")?.float(field)
    }

    fn usize(&self, field: &str) -> Result<Option<usize>> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .and_then(|v| usize::try_from(v).ok())
                .map(Some)
                .ok_or_else(|| malformed(format!("'{field}' is {value}"))),
        }
    }

    fn required(&self, field: &str) -> Result<usize> {
        self.usize(field)?.ok_or_else(|| malformed(format!("'{field}' is missing")))
    }
}
