//! ImageBind's vision tower: pictures, and clips of two frames.
//!
//! The patches span two frames, so a still picture is read as two equal ones. Over frames stacked as planes the
//! three-dimensional convolution is one over two axes.

use serde_json::json;

use super::super::contract::Encoder;
use super::super::preprocessor::Preprocessor;
use super::super::registry::Source;
use super::config::{Huge, TowerConfig};
use super::stem::Stem;
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::Result;
use crate::input::ImageProcessor;
use crate::model::layer::{ConvShape, Grid, Loader};
use crate::model::modality::Modality;

const CHANNELS: usize = 3;
/// Frames of a clip, and of the convolution's kernel.
const FRAMES: usize = 2;

static PLAN: Plan = Plan {
    modality: Modality::IMAGE,
    name: "vision",
    huge: Huge { width: 1280, layers: 32, heads: 16 },
    positions: "pos_embedding_helper.pos_embed",
    first_norm: Some("pre_transformer_layer.0"),
    keys: Keys::Tokens,
    projection: "2",
    scale: None,
    preprocessing,
};

/// Opens the tower; features are a picture `[3, side, side]`, a clip `[3, 2, side, side]`, or `[clips, 3, 2, side, side]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, stem)?))
}

fn stem(loader: &mut Loader<'_>, config: &TowerConfig<'_>, module: &str) -> Result<Stem> {
    let (side, patch) = config.square(14)?;
    let shape = ConvShape::square(CHANNELS * FRAMES, config.block.width, patch, patch, 0);
    Ok(Stem {
        shape: vec![CHANNELS, FRAMES, side, side],
        grid: Grid { height: side, width: side },
        conv: loader.clip_conv(&format!("{module}.rgbt_stem.proj.1"), shape, FRAMES)?,
        norm: None,
        frames: Some(FRAMES),
    })
}

/// As ImageBind's own loader: the shorter side to the network's (bicubic), the middle square, CLIP's mean and deviation.
fn preprocessing(stem: &Stem) -> Result<Preprocessor> {
    let side = stem.grid.width;
    let processor = ImageProcessor::parse(&json!({
        "image_processor_type": "CLIPImageProcessor",
        "size": { "shortest_edge": side },
        "crop_size": { "height": side, "width": side },
    }))?;
    Ok(Preprocessor::Image(processor))
}
