//! Vision transformers: CLIP's image tower, ViT and DeiT.
//!
//! A picture is cut into patches; each becomes a token by one convolution. Learned positions fix the size of the picture.

use super::contract::{Encoder, Encoding, Features, Item};
use super::registry::Source;
use super::vit_config::{VitConfig, VitKind};
use crate::error::{Error, Result};
use crate::input::{ImageProcessor, Input};
use crate::model::layer::{
    Bias, BlockNames, Conv, ConvShape, Grid, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock,
};
use crate::model::modality::Modality;
use crate::model::ops::tanh;
use crate::model::table::LinearTable;
use crate::quant::{Deltas, Linear};

/// Pictures per forward pass: bounds the activations of long lists.
const PICTURES_PER_PASS: usize = 8;

/// ViT's and DeiT's module paths within a block.
const VIT_BLOCK: BlockNames = BlockNames {
    attention_norm: "layernorm_before",
    attention: [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ],
    mlp_norm: "layernorm_after",
    mlp: ["intermediate.dense", "output.dense"],
    biases: [Bias::Required; 4],
};

/// A loaded image tower.
pub(super) struct VisionTransformer {
    config: VitConfig,
    processor: Option<ImageProcessor>,
    table: LinearTable,
    patch: Conv,
    /// Tokens before the patches, `[count, width]`.
    special: Vec<f32>,
    /// One per token, special ones first.
    positions: Vec<f32>,
    first_norm: Option<LayerNorm>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    /// From the class token into the shared space, or ViT's pooler.
    output: Option<Linear>,
    logit_scale: Option<f32>,
}

impl std::fmt::Debug for VisionTransformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VisionTransformer({:?}, {} layers)", self.config.kind, self.blocks.len())
    }
}

/// Opens an image tower.
///
/// # Errors
/// As [`VitConfig::parse`]; [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would
/// go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let config = VitConfig::parse(source.config)?;
    let processor = source.preprocessor.map(ImageProcessor::parse).transpose()?;
    let side = config.image;
    if let Some(output) = processor.as_ref().and_then(ImageProcessor::output).filter(|output| *output != [side; 2]) {
        let reason = format!("it makes {output:?} pixels, the network reads {:?}", [side; 2]);
        return Err(Error::malformed("preprocessing", "preprocessor_config.json", reason));
    }
    let tower = match config.kind {
        VitKind::Clip => clip(source, config, processor)?,
        VitKind::Vit | VitKind::Deit => vit(source, config, processor)?,
    };
    Ok(Box::new(tower))
}

fn clip(source: &Source<'_>, config: VitConfig, processor: Option<ImageProcessor>) -> Result<VisionTransformer> {
    let mut loader = Loader::new(source.checkpoint, Prefix::default());
    let width = config.block.width;
    let tokens = config.patches() + 1;
    let path = |part: &str| format!("vision_model.{part}");
    let shape = ConvShape::square(config.channels, width, config.patch, config.patch, 0);
    let patch = loader.conv(&path("embeddings.patch_embedding"), shape, Bias::Absent)?;
    let special = loader.values(&path("embeddings.class_embedding"), &[width])?;
    let positions = loader.values(&path("embeddings.position_embedding.weight"), &[tokens, width])?;
    // The name is spelled so in the checkpoints.
    let first_norm = Some(loader.layer_norm(&path("pre_layrnorm"), width, config.block.eps)?);
    let blocks = (0..config.layers)
        .map(|i| {
            TransformerBlock::load(&mut loader, &path(&format!("encoder.layers.{i}")), &BlockNames::CLIP, &config.block)
        })
        .collect::<Result<_>>()?;
    let norm = loader.layer_norm(&path("post_layernorm"), width, config.block.eps)?;
    let output = if loader.has("visual_projection.weight") {
        Some(loader.linear("visual_projection", config.projection, width, Bias::Absent)?)
    } else {
        None
    };
    let logit_scale = loader.optional("logit_scale")?.and_then(|scale| scale.to_f32().first().map(|s| s.exp()));
    // The text tower of the same model, and positions as a list of integers.
    let table = loader.finish("CLIP image tower", |name| {
        name.starts_with("text_model.") || name.starts_with("text_projection.") || name.ends_with("position_ids")
    })?;
    Ok(VisionTransformer {
        config,
        processor,
        table,
        patch,
        special,
        positions,
        first_norm,
        blocks,
        norm,
        output,
        logit_scale,
    })
}

fn vit(source: &Source<'_>, config: VitConfig, processor: Option<ImageProcessor>) -> Result<VisionTransformer> {
    let deit = config.kind == VitKind::Deit;
    let candidates: [&str; 2] = if deit { ["deit.", ""] } else { ["vit.", ""] };
    let mut loader = Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &candidates));
    let width = config.block.width;
    let shape = ConvShape::square(config.channels, width, config.patch, config.patch, 0);
    let patch = loader.conv("embeddings.patch_embeddings.projection", shape, Bias::Required)?;
    let mut special = loader.values("embeddings.cls_token", &[1, 1, width])?;
    if deit {
        special.extend(loader.values("embeddings.distillation_token", &[1, 1, width])?);
    }
    let tokens = config.patches() + special.len() / width;
    let positions = loader.values("embeddings.position_embeddings", &[1, tokens, width])?;
    let blocks = (0..config.layers)
        .map(|i| TransformerBlock::load(&mut loader, &format!("encoder.layer.{i}"), &VIT_BLOCK, &config.block))
        .collect::<Result<_>>()?;
    let norm = loader.layer_norm("layernorm", width, config.block.eps)?;
    let output = if loader.has("pooler.dense.weight") {
        Some(loader.linear("pooler.dense", width, width, Bias::Required)?)
    } else {
        None
    };
    // The token that stands for a masked patch in pretraining.
    let table = loader.finish("ViT image tower", |name| name == "embeddings.mask_token")?;
    Ok(VisionTransformer {
        config,
        processor,
        table,
        patch,
        special,
        positions,
        first_norm: None,
        blocks,
        norm,
        output,
        logit_scale: None,
    })
}

impl Encoder for VisionTransformer {
    fn modality(&self) -> Modality {
        Modality::IMAGE
    }

    fn dim(&self) -> usize {
        self.output.as_ref().map_or(self.config.block.width, Linear::outputs)
    }

    fn state_width(&self) -> usize {
        self.config.block.width
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn logit_scale(&self) -> Option<f32> {
        self.logit_scale
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let Input::Image(image) = input else {
            return Err(Error::argument("input", format!("{}, the encoder reads images", input.kind())));
        };
        let processor = self.processor.as_ref().ok_or_else(|| {
            Error::unsupported("raw images", "the component has no preprocessor_config.json; give prepared pixels")
        })?;
        let pixels = processor.process(image)?;
        Features::new(pixels.values, vec![3, pixels.height, pixels.width])
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        let side = self.config.image;
        for item in items {
            item.features.expect_shape(&[self.config.channels, side, side])?;
        }
        // One hand-over to the thread pool per pass, not one per product.
        Ok(items.chunks(PICTURES_PER_PASS).flat_map(|items| rayon::scope(|_| self.pass(items))).collect())
    }
}

impl VisionTransformer {
    fn pass(&self, items: &[Item<'_>]) -> Vec<Encoding> {
        let width = self.config.block.width;
        let tokens = self.positions.len() / width;
        let mut x = Vec::with_capacity(items.len() * tokens * width);
        for item in items {
            let start = x.len();
            x.extend_from_slice(&self.special);
            x.extend(self.patches(item));
            x[start..].iter_mut().zip(&self.positions).for_each(|(x, p)| *x += p);
        }
        if let Some(norm) = &self.first_norm {
            norm.apply(&mut x);
        }
        let of_items: Vec<Option<&Deltas>> = items.iter().map(|item| item.deltas).collect();
        let lengths = vec![tokens; items.len()];
        let deltas = Pass::rows(&lengths, &of_items);
        let pass = Pass { lengths: &lengths, deltas: &deltas, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        // CLIP normalises the class token only; its last hidden states are those before the norm.
        if self.config.kind != VitKind::Clip {
            self.norm.apply(&mut x);
        }
        x.chunks_exact(tokens * width)
            .zip(&of_items)
            .map(|(states, deltas)| Encoding {
                embedding: self.pool(&states[..width], *deltas),
                states: states.to_vec(),
            })
            .collect()
    }

    /// One row per patch.
    fn patches(&self, item: &Item<'_>) -> Vec<f32> {
        let (side, channels) = (self.config.image, self.config.channels);
        let plane = side * side;
        let mut pixels = vec![0.0; plane * channels];
        for (at, pixel) in pixels.chunks_exact_mut(channels).enumerate() {
            pixel.iter_mut().enumerate().for_each(|(c, value)| *value = item.features.values[c * plane + at]);
        }
        self.patch.forward(&pixels, Grid { height: side, width: side }, item.deltas).0
    }

    fn pool(&self, class: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let clip = self.config.kind == VitKind::Clip;
        let class = if clip { self.norm.of(class) } else { class.to_vec() };
        let Some(output) = &self.output else { return class };
        let mut out = vec![0.0; output.outputs()];
        output.forward(&class, &[deltas], &mut out);
        if !clip {
            // ViT's pooler ends in a tanh.
            out.iter_mut().for_each(|v| *v = tanh(*v));
        }
        out
    }
}
