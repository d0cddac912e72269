//! ImageBind's audio tower: background sound as log-mel spectrograms.
//!
//! Clips of 2 s at 16 kHz, 128 filters, 204 frames, `(x + 4.268) / 9.138`, three clips of a sound:
//! [`crate::input::FeatureExtractor::imagebind`] computes them.

use super::super::contract::Encoder;
use super::super::fields::MAX_WIDTH;
use super::super::preprocessor::Preprocessor;
use super::super::registry::Source;
use super::config::{Huge, TowerConfig};
use super::stem::{STEM_EPS, Stem};
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::Result;
use crate::input::FeatureExtractor;
use crate::model::layer::{Bias, ConvShape, Grid, Loader};
use crate::model::modality::Modality;

static PLAN: Plan = Plan {
    modality: Modality::SOUND,
    name: "audio",
    huge: Huge { width: 768, layers: 12, heads: 12 },
    positions: "pos_embedding_helper.pos_embed",
    first_norm: None,
    keys: Keys::TokensAndOne,
    projection: "2",
    scale: Some("1.log_logit_scale"),
    preprocessing,
};

/// Opens the tower; features are a spectrogram `[mel bins, frames]`, or `[clips, mel bins, frames]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, stem)?))
}

fn stem(loader: &mut Loader<'_>, config: &TowerConfig<'_>, module: &str) -> Result<Stem> {
    let width = config.block.width;
    let grid = Grid {
        height: config.size("num_mel_bins", 128, MAX_WIDTH)?,
        width: config.size("max_length", 204, MAX_WIDTH)?,
    };
    let (patch, stride) = (config.size("patch_size", 16, MAX_WIDTH)?, config.size("stride", 10, MAX_WIDTH)?);
    let shape = ConvShape::square(1, width, patch, stride, 0);
    Ok(Stem {
        shape: vec![grid.height, grid.width],
        grid,
        conv: loader.conv(&format!("{module}.rgbt_stem.proj"), shape, Bias::Absent)?,
        norm: Some(loader.layer_norm(&format!("{module}.rgbt_stem.norm_layer"), width, STEM_EPS)?),
        frames: None,
    })
}

fn preprocessing(stem: &Stem) -> Result<Preprocessor> {
    FeatureExtractor::imagebind(stem.grid.height, stem.grid.width).map(Preprocessor::Sound)
}
