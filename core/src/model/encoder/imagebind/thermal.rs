//! ImageBind's thermal tower: infrared pictures of one channel.
//!
//! The public code has no loader for thermal pictures, and the paper says no more than that they have one channel. This engine
//! scales the shorter side to the network's, keeps the middle square and reads levels as 0 to 1; an adapter's own
//! preprocessing may say otherwise.

use super::super::contract::Encoder;
use super::super::registry::Source;
use super::config::Huge;
use super::grey;
use super::tower::{Plan, Tower};
use super::trunk::Keys;
use crate::error::Result;
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
    preprocessing: |stem| grey::preprocessing(stem, 0.0, 1.0),
};

/// Opens the tower; features are a picture `[1, side, side]`, or `[pictures, 1, side, side]`.
///
/// # Errors
/// As [`Tower::load`].
pub(in super::super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(Tower::load(source, &PLAN, |loader, config, module| {
        grey::stem(loader, config, &format!("{module}.rgbt_stem"))
    })?))
}
