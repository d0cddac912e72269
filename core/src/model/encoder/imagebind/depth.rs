//! ImageBind's depth tower: disparity maps of one channel.
//!
//! The public code has no loader for depth. Following Omnivore (arXiv 2201.08377), on which it builds, and what users of the
//! release found to reproduce the paper's numbers (facebookresearch/ImageBind, issues 69, 107 and 134): depth in metres becomes
//! disparity in pixels, `baseline * focal length / depth`, is divided by 75, and normalised by 0.0418 and 0.0295; the shorter
//! side is scaled to the network's and the middle square kept.
//!
//! A picture has 8 bits, so one that is given as depth is read as such a map already divided: black is infinitely far, white
//! a disparity of 75 pixels.

use serde_json::json;

use super::super::contract::{Encoder, Features};
use super::super::registry::Source;
use super::config::{Huge, TowerConfig};
use super::stem::{STEM_EPS, Stem};
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::{Error, Result};
use crate::input::{ImageProcessor, Input};
use crate::model::layer::{Bias, ConvShape, Grid, Loader};
use crate::model::modality::Modality;

/// Disparity maps, given as pictures.
pub(in super::super) const DEPTH: Modality = Modality::new("depth");
/// Of disparity over 75 pixels in SUN RGB-D.
const MEAN: f64 = 0.0418;
const STD: f64 = 0.0295;

static PLAN: Plan = Plan {
    modality: DEPTH,
    name: "depth",
    huge: Huge { width: 384, layers: 12, heads: 8 },
    positions: "pos_embedding_helper.pos_embed",
    first_norm: None,
    keys: Keys::TokensAndOne,
    projection: "2",
    scale: Some("1.log_logit_scale"),
    motion: None,
    prepare,
};

/// Opens the tower; features are a map `[1, side, side]`, or `[maps, 1, side, side]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, stem)?))
}

fn stem(loader: &mut Loader<'_>, config: &TowerConfig<'_>, module: &str) -> Result<Stem> {
    let width = config.block.width;
    let (side, patch) = config.square(16)?;
    let shape = ConvShape::square(1, width, patch, patch, 0);
    Ok(Stem {
        shape: vec![1, side, side],
        grid: Grid { height: side, width: side },
        conv: loader.conv(&format!("{module}.depth_stem.proj"), shape, Bias::Absent)?,
        norm: Some(loader.layer_norm(&format!("{module}.depth_stem.norm_layer"), width, STEM_EPS)?),
        frames: None,
    })
}

fn prepare(tower: &Tower, input: &Input) -> Result<Features> {
    let Input::Image(image) = input else {
        return Err(Error::argument("input", format!("{}, the encoder reads pictures of depth", input.kind())));
    };
    let side = tower.stem.grid.width;
    let processor = ImageProcessor::parse(&json!({
        "image_processor_type": "LoamImageProcessor",
        "do_resize": true, "size": { "shortest_edge": side }, "resample": 3,
        "do_center_crop": true, "crop_size": { "height": side, "width": side },
        "do_rescale": true, "rescale_factor": 1.0 / 255.0,
        "do_normalize": true, "image_mean": [MEAN], "image_std": [STD],
    }))?;
    let pixels = processor.process(image)?;
    Features::new(pixels.values, vec![pixels.channels, pixels.height, pixels.width])
}
