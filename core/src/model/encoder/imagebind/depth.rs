//! ImageBind's depth tower: disparity maps of one channel.
//!
//! The public code has no loader for depth. Following Omnivore (arXiv 2201.08377), on which it builds, and what users of the
//! release found to reproduce the paper's numbers (facebookresearch/ImageBind, issues 69, 107 and 134): depth in metres becomes
//! disparity in pixels, `baseline * focal length / depth`, is divided by 75, and normalised by 0.0418 and 0.0295; the shorter
//! side is scaled to the network's and the middle square kept.
//!
//! A picture has 8 bits, so one that is given as depth is read as such a map already divided: black is infinitely far, white
//! a disparity of 75 pixels.

use super::super::contract::Encoder;
use super::super::registry::Source;
use super::config::Huge;
use super::grey;
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::Result;
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
    preprocessing: |stem| grey::preprocessing(stem, MEAN, STD),
};

/// Opens the tower; features are a map `[1, side, side]`, or `[maps, 1, side, side]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, |loader, config, module| {
        grey::stem(loader, config, &format!("{module}.depth_stem"))
    })?))
}
