//! Vision transformers from Hugging Face checkpoints: the tower alone, or in a model with a text tower or a classifier.

use super::attention_pool::AttentionPool;
use super::contract::Encoder;
use super::fields::Fields;
use super::head::{Head, HeadInput, HeadLayers};
use super::registry::Source;
use super::vit::{Pooling, VisionTransformer};
use super::vit_config::{VitConfig, VitKind};
use super::vit_names;
use crate::error::{Error, Result};
use crate::input::ImageProcessor;
use crate::model::layer::{Bias, BlockNames, ConvShape, Loader, Prefix, TransformerBlock};

/// CLIP's projection into the shared space, beside the tower.
const PROJECTION: &str = "visual_projection";
/// Where a classifier that reads one token is.
const CLASSIFIER: &str = "classifier";
/// DeiT's classifiers of its two special tokens.
const DISTILLED: [&str; 2] = ["cls_classifier", "distillation_classifier"];

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
        VitKind::Siglip => siglip(source, config, processor)?,
        VitKind::Vit | VitKind::Deit => vit(source, config, processor)?,
    };
    Ok(Box::new(tower))
}

/// How adapters that were trained on a model around the tower name its layers; PEFT also names the projection so.
fn in_pair(module: &str) -> Option<String> {
    Some(format!("vision_model.{module}"))
}

/// Tensors of a pair that are not the image tower's.
fn of_text_tower(name: &str) -> bool {
    // Positions are also stored as a list of integers in older files.
    name.starts_with("text_model.") || name.starts_with("text_projection.") || name.ends_with("position_ids")
}

fn clip(source: &Source<'_>, config: VitConfig, processor: Option<ImageProcessor>) -> Result<VisionTransformer> {
    let mut loader = Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &["vision_model.", ""]));
    let (width, tokens) = (config.block.width, config.patches() + 1);
    let patch = loader.conv("embeddings.patch_embedding", patches(&config), Bias::Absent)?;
    let special = loader.values("embeddings.class_embedding", &[width])?;
    let positions = loader.values("embeddings.position_embedding.weight", &[tokens, width])?;
    // The name is spelled so in the checkpoints.
    let first_norm = Some(loader.layer_norm("pre_layrnorm", width, config.block.eps)?);
    let blocks = blocks(&mut loader, "encoder.layers", &BlockNames::CLIP, &config)?;
    let norm = loader.layer_norm("post_layernorm", width, config.block.eps)?;
    let mut loader = loader.whole();
    let projection = if loader.has(&format!("{PROJECTION}.weight")) {
        Some(loader.linear(PROJECTION, config.projection, width, Bias::Absent)?)
    } else {
        None
    };
    let logit_scale = exponential(&loader)?;
    let head = head(source, &loader, width, &[HeadLayers::linear(CLASSIFIER, HeadInput::Rest(1))])?;
    let mut table = loader.finish("CLIP image tower", of_text_tower)?;
    table.respell(in_pair);
    let pooling = Pooling::Class { norm, projection };
    Ok(VisionTransformer {
        config,
        processor,
        table,
        patch,
        special,
        positions,
        first_norm,
        blocks,
        norm: None,
        pooling,
        head,
        logit_scale,
        logit_bias: None,
    })
}

fn siglip(source: &Source<'_>, config: VitConfig, processor: Option<ImageProcessor>) -> Result<VisionTransformer> {
    let mut loader = Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &["vision_model.", ""]));
    let (width, tokens) = (config.block.width, config.patches());
    let patch = loader.conv("embeddings.patch_embedding", patches(&config), Bias::Required)?;
    let positions = loader.values("embeddings.position_embedding.weight", &[tokens, width])?;
    let blocks = blocks(&mut loader, "encoder.layers", &BlockNames::CLIP, &config)?;
    let norm = Some(loader.layer_norm("post_layernorm", width, config.block.eps)?);
    let pooling = if config.attention_pool {
        Pooling::Attention(Box::new(AttentionPool::load(&mut loader, "head", &config)?))
    } else {
        Pooling::Mean
    };
    let loader = loader.whole();
    let logit_scale = exponential(&loader)?;
    let logit_bias = loader.optional("logit_bias")?.and_then(|bias| bias.to_f32().first().copied());
    let head = head(source, &loader, width, &[HeadLayers::linear(CLASSIFIER, HeadInput::Rest(0))])?;
    let mut table = loader.finish("SigLIP image tower", of_text_tower)?;
    table.respell(in_pair);
    Ok(VisionTransformer {
        config,
        processor,
        table,
        patch,
        special: Vec::new(),
        positions,
        first_norm: None,
        blocks,
        norm,
        pooling,
        head,
        logit_scale,
        logit_bias,
    })
}

fn vit(source: &Source<'_>, config: VitConfig, processor: Option<ImageProcessor>) -> Result<VisionTransformer> {
    let deit = config.kind == VitKind::Deit;
    let candidates: [&str; 2] = if deit { ["deit.", ""] } else { ["vit.", ""] };
    let mut loader = Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &candidates));
    let width = config.block.width;
    let patch = loader.conv("embeddings.patch_embeddings.projection", patches(&config), Bias::Required)?;
    let mut special = loader.values("embeddings.cls_token", &[1, 1, width])?;
    if deit {
        special.extend(loader.values("embeddings.distillation_token", &[1, 1, width])?);
    }
    let tokens = config.patches() + special.len() / width;
    let positions = loader.values("embeddings.position_embeddings", &[1, tokens, width])?;
    let blocks = blocks(&mut loader, "encoder.layer", &vit_names::block(config.qkv_bias), &config)?;
    let norm = Some(loader.layer_norm("layernorm", width, config.block.eps)?);
    let pooler = if loader.has("pooler.dense.weight") {
        Some(loader.linear("pooler.dense", config.projection, width, Bias::Required)?)
    } else {
        None
    };
    // The token that stands for a masked patch in pretraining.
    let mask = loader.full_name("embeddings.mask_token");
    let loader = loader.whole();
    let parts = if deit && loader.has(&format!("{}.weight", DISTILLED[0])) {
        (0..2).map(|token| HeadLayers::linear(DISTILLED[token], HeadInput::Tokens(token..token + 1))).collect()
    } else {
        vec![HeadLayers::linear(CLASSIFIER, HeadInput::Tokens(0..1))]
    };
    let head = head(source, &loader, width, &parts)?;
    let mut table = loader.finish("ViT image tower", |name| name == mask)?;
    table.respell(vit_names::in_memory);
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
        pooling: Pooling::Pooler(pooler),
        head,
        logit_scale: None,
        logit_bias: None,
    })
}

fn patches(config: &VitConfig) -> ConvShape {
    ConvShape::square(config.channels, config.block.width, config.patch, config.patch, 0)
}

fn blocks(
    loader: &mut Loader<'_>,
    module: &str,
    names: &BlockNames,
    config: &VitConfig,
) -> Result<Vec<TransformerBlock>> {
    let block = |i| TransformerBlock::load(loader, &format!("{module}.{i}"), names, &config.block);
    (0..config.layers).map(block).collect()
}

/// The temperature of a pair, which is stored as its logarithm.
fn exponential(loader: &Loader<'_>) -> Result<Option<f32>> {
    Ok(loader.optional("logit_scale")?.and_then(|scale| scale.to_f32().first().map(|s| s.exp())))
}

/// The checkpoint's classifier, where it has the first of its `parts`.
fn head(source: &Source<'_>, loader: &Loader<'_>, width: usize, parts: &[HeadLayers<'_>]) -> Result<Option<Head>> {
    Head::load_if_present(loader, &Fields::new(source.config, "config.json"), width, parts)
}
