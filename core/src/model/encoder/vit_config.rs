//! Shapes of vision transformers, from `config.json`.

use serde_json::Value;

use super::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use crate::error::{Error, Result};
use crate::model::layer::{Activation, Bias, BlockShape};

const FORMAT: &str = "config.json";
/// Patches of one picture; 4096 pixels a side in patches of 16.
const MAX_PATCHES: usize = 1 << 16;

/// Which network a vision transformer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VitKind {
    /// CLIP: class token, a norm before the blocks, a projection.
    Clip,
    /// SigLIP: patches alone, pooled by attention.
    Siglip,
    /// ViT: class token, biases everywhere.
    Vit,
    /// ViT with a distillation token.
    Deit,
}

/// Shape of a vision transformer.
#[derive(Clone, Debug)]
pub(super) struct VitConfig {
    pub(super) kind: VitKind,
    pub(super) block: BlockShape,
    pub(super) layers: usize,
    pub(super) channels: usize,
    /// Pixels per side.
    pub(super) image: usize,
    /// Pixels per side of a patch.
    pub(super) patch: usize,
    /// Width of the shared space (CLIP), or of the pooled state (ViT, DeiT).
    pub(super) projection: usize,
    /// Biases of ViT's queries, keys and values.
    pub(super) qkv_bias: Bias,
    /// Whether SigLIP's patches are pooled by attention.
    pub(super) attention_pool: bool,
}

impl VitConfig {
    /// Reads the configuration of a tower, or of a model with one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field.
    pub(super) fn parse(json: &Value) -> Result<Self> {
        let outer = Fields::new(json, FORMAT);
        let kind = match outer.text_or("model_type", "missing")? {
            "clip" | "clip_vision_model" => VitKind::Clip,
            "siglip" | "siglip_vision_model" => VitKind::Siglip,
            "vit" => VitKind::Vit,
            "deit" => VitKind::Deit,
            other => {
                return Err(Error::unsupported(format!("model_type '{other}'"), "clip, siglip, vit and deit are read"));
            }
        };
        let fields = if outer.get("vision_config").is_some() { outer.object("vision_config")? } else { outer };
        // Defaults of transformers' configurations: these fields may be absent.
        let (activation, eps, patch) = match kind {
            VitKind::Clip => ("quick_gelu", 1e-5, 32),
            VitKind::Siglip => ("gelu_pytorch_tanh", 1e-6, 16),
            VitKind::Vit | VitKind::Deit => ("gelu", 1e-12, 16),
        };
        let width = fields.size_or("hidden_size", 768, MAX_WIDTH)?;
        let projection = match kind {
            VitKind::Clip if outer.get("projection_dim").is_some() => outer.size("projection_dim", MAX_WIDTH)?,
            VitKind::Clip => fields.size_or("projection_dim", 512, MAX_WIDTH)?,
            VitKind::Siglip => width,
            VitKind::Vit | VitKind::Deit => {
                fields.only("pooler_act", &"tanh".into())?;
                fields.size_or("pooler_output_size", width, MAX_WIDTH)?
            }
        };
        let config = Self {
            kind,
            block: BlockShape {
                width,
                inner: fields.size_or("intermediate_size", 3072, MAX_WIDTH)?,
                heads: fields.size_or("num_attention_heads", 12, MAX_WIDTH)?,
                eps: fields.number_or("layer_norm_eps", eps)?,
                activation: Activation::parse("hidden_act", fields.text_or("hidden_act", activation)?)?,
            },
            layers: fields.size_or("num_hidden_layers", 12, MAX_LAYERS)?,
            channels: fields.size_or("num_channels", 3, 16)?,
            image: fields.size_or("image_size", 224, MAX_WIDTH)?,
            patch: fields.size_or("patch_size", patch, MAX_WIDTH)?,
            projection,
            qkv_bias: if fields.flag_or("qkv_bias", true)? { Bias::Required } else { Bias::Absent },
            attention_pool: fields.flag_or("vision_use_head", true)?,
        };
        config.block.heads()?;
        if config.patch > config.image || config.patches() > MAX_PATCHES {
            return Err(fields.wrong("patch_size", &format!("at most image_size, and at most {MAX_PATCHES} patches")));
        }
        Ok(config)
    }

    /// Patches of a picture; what does not fill one is cut off, as a convolution does.
    pub(super) fn patches(&self) -> usize {
        (self.image / self.patch) * (self.image / self.patch)
    }
}
