//! ImageBind's thermal tower: infrared pictures of one channel.
//!
//! The public code has no loader for thermal pictures, and the paper says no more than that they have one channel. This engine
//! scales the shorter side to the network's, keeps the middle square and reads levels as 0 to 1; an adapter's own
//! preprocessing may say otherwise.

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

/// Infrared pictures.
pub(in super::super) const THERMAL: Modality = Modality::new("thermal");

static PLAN: Plan = Plan {
    modality: THERMAL,
    name: "thermal",
    huge: Huge { width: 768, layers: 12, heads: 12 },
    positions: "pos_embedding_helper.pos_embed",
    first_norm: None,
    keys: Keys::TokensAndOne,
    projection: "2",
    scale: Some("1.log_logit_scale"),
    motion: None,
    prepare,
};

/// Opens the tower; features are a picture `[1, side, side]`, or `[pictures, 1, side, side]`.
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
        conv: loader.conv(&format!("{module}.rgbt_stem.proj"), shape, Bias::Absent)?,
        norm: Some(loader.layer_norm(&format!("{module}.rgbt_stem.norm_layer"), width, STEM_EPS)?),
        frames: None,
    })
}

fn prepare(tower: &Tower, input: &Input) -> Result<Features> {
    let Input::Image(image) = input else {
        return Err(Error::argument("input", format!("{}, the encoder reads thermal pictures", input.kind())));
    };
    let side = tower.stem.grid.width;
    let processor = ImageProcessor::parse(&json!({
        "image_processor_type": "LoamImageProcessor",
        "do_resize": true, "size": { "shortest_edge": side }, "resample": 3,
        "do_center_crop": true, "crop_size": { "height": side, "width": side },
        "do_rescale": true, "rescale_factor": 1.0 / 255.0,
        "do_normalize": false, "image_mean": [0.0],
    }))?;
    let pixels = processor.process(image)?;
    Features::new(pixels.values, vec![pixels.channels, pixels.height, pixels.width])
}
