//! `config.json` of a wav2vec 2.0 model.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::model::encoder::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use crate::model::layer::{Activation, BlockShape, ConvShape};

const FORMAT: &str = "config.json";
/// Convolutions of the feature extractor.
const MAX_CONVOLUTIONS: usize = 32;
/// Taps and steps of one of them.
const MAX_TAPS: usize = 1 << 10;
/// Samples from frame to frame, and samples that one frame sees: two seconds at 16 kHz.
const MAX_REACH: usize = 1 << 15;

/// How the feature extractor normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtractorNorm {
    /// Each channel of the first convolution over time.
    Group,
    /// Each position of each convolution over channels.
    Layer,
}

/// Where the blocks normalise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormOrder {
    /// After each sum.
    Post,
    /// Before each part (`do_stable_layer_norm`).
    Pre,
}

/// Values between two convolutions for each sample that is heard: 512 channels at 5 samples a step are 103. Half a minute at
/// 16 kHz then takes at most 1 GB.
const MAX_VALUES_PER_SAMPLE: usize = 512;

/// A checked configuration.
#[derive(Clone, Debug)]
pub(super) struct Wav2Vec2Config {
    pub(super) norm: ExtractorNorm,
    pub(super) activation: Activation,
    /// The feature extractor's convolutions, from one channel of samples on.
    pub(super) convolutions: Vec<ConvShape>,
    pub(super) conv_bias: bool,
    pub(super) eps: f64,
    pub(super) order: NormOrder,
    pub(super) block: BlockShape,
    pub(super) layers: usize,
    /// Of the convolution that stands for positions.
    pub(super) positions: ConvShape,
    pub(super) groups: usize,
}

impl Wav2Vec2Config {
    /// Reads and checks.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field.
    pub(super) fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, FORMAT);
        fields.only("model_type", &json!("wav2vec2"))?;
        // Layers after the encoder, and others within it, that would change the result.
        fields.only("add_adapter", &json!(false))?;
        if let Some(dim) = fields.get("adapter_attn_dim") {
            return Err(Error::unsupported(
                format!("adapter_attn_dim {dim}"),
                "models without language adapters are run",
            ));
        }
        let norm = match fields.text_or("feat_extract_norm", "group")? {
            "group" => ExtractorNorm::Group,
            "layer" => ExtractorNorm::Layer,
            _ => return Err(fields.wrong("feat_extract_norm", "group or layer")),
        };
        let width = fields.size_or("hidden_size", 768, MAX_WIDTH)?;
        let block = BlockShape {
            width,
            inner: fields.size_or("intermediate_size", 3072, MAX_WIDTH)?,
            heads: fields.size_or("num_attention_heads", 12, MAX_WIDTH)?,
            eps: fields.number_or("layer_norm_eps", 1e-5)?,
            activation: Activation::parse("hidden_act", fields.text_or("hidden_act", "gelu")?)?,
        };
        block.heads()?;
        let kernel = fields.size_or("num_conv_pos_embeddings", 128, MAX_TAPS)?;
        let groups = fields.size_or("num_conv_pos_embedding_groups", 16, width)?;
        if !width.is_multiple_of(groups) {
            return Err(fields.wrong("num_conv_pos_embedding_groups", &format!("a divisor of {width}")));
        }
        let stable = fields.flag_or("do_stable_layer_norm", false)?;
        Ok(Self {
            norm,
            activation: Activation::parse(
                "feat_extract_activation",
                fields.text_or("feat_extract_activation", "gelu")?,
            )?,
            convolutions: convolutions(&fields)?,
            conv_bias: fields.flag_or("conv_bias", false)?,
            eps: block.eps,
            order: if stable { NormOrder::Pre } else { NormOrder::Post },
            block,
            layers: fields.size_or("num_hidden_layers", 12, MAX_LAYERS)?,
            positions: ConvShape::series(width, width, kernel, 1, kernel / 2),
            groups,
        })
    }

    /// Samples from frame to frame.
    pub(super) fn hop(&self) -> usize {
        self.convolutions.iter().map(|conv| conv.stride[1]).product()
    }

    /// Samples that one frame sees.
    pub(super) fn reach(&self) -> usize {
        self.convolutions.iter().rev().fold(1, |reach, conv| (reach - 1) * conv.stride[1] + conv.kernel[1])
    }

    /// Frames of so many samples.
    pub(super) fn frames(&self, samples: usize) -> usize {
        samples.checked_sub(self.reach()).map_or(0, |rest| rest / self.hop() + 1)
    }
}

/// The list of sizes `name`, `default` when it is missing.
fn list(fields: &Fields<'_>, name: &str, default: &[usize], limit: usize) -> Result<Vec<usize>> {
    let Some(value) = fields.get(name) else { return Ok(default.to_vec()) };
    let size =
        |value: &Value| value.as_u64().and_then(|v| usize::try_from(v).ok()).filter(|size| (1..=limit).contains(size));
    let sizes = value.as_array().filter(|list| (1..=MAX_CONVOLUTIONS).contains(&list.len()));
    let sizes = sizes.and_then(|list| list.iter().map(size).collect::<Option<Vec<_>>>());
    sizes.ok_or_else(|| fields.wrong(name, &format!("1 to {MAX_CONVOLUTIONS} numbers of 1 to {limit}")))
}

fn convolutions(fields: &Fields<'_>) -> Result<Vec<ConvShape>> {
    let widths = list(fields, "conv_dim", &[512; 7], MAX_WIDTH)?;
    let kernels = list(fields, "conv_kernel", &[10, 3, 3, 3, 3, 2, 2], MAX_TAPS)?;
    let strides = list(fields, "conv_stride", &[5, 2, 2, 2, 2, 2, 2], MAX_TAPS)?;
    if kernels.len() != widths.len() || strides.len() != widths.len() {
        return Err(fields.wrong("conv_dim", "as many numbers as conv_kernel and conv_stride have"));
    }
    let (mut inputs, mut hop, mut reach) = (1, 1usize, 1usize);
    let mut shapes = Vec::with_capacity(widths.len());
    for ((&outputs, &kernel), &stride) in widths.iter().zip(&kernels).zip(&strides) {
        // Both stay below 2^26 before they are checked, so nothing wraps.
        reach += (kernel - 1) * hop;
        hop *= stride;
        if reach > MAX_REACH || hop > MAX_REACH {
            return Err(
                fields.wrong("conv_stride", &format!("steps and reach of a frame of at most {MAX_REACH} samples"))
            );
        }
        if outputs > MAX_VALUES_PER_SAMPLE * hop {
            let expected = format!("at most {} at {hop} samples a step", MAX_VALUES_PER_SAMPLE * hop);
            return Err(fields.wrong("conv_dim", &expected));
        }
        shapes.push(ConvShape::series(inputs, outputs, kernel, stride, 0));
        inputs = outputs;
    }
    Ok(shapes)
}
