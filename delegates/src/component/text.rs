//! Text encoders.

use std::sync::Arc;

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::engine::TextModel;
use loam::foundation::Component;
use loam::graph::Graph;
use loam::input::Input;

use super::{Extents, unreadable};

/// Tokens of the beginning of a text: so many, and some more.
const SHORTEST: usize = 3;
const LENGTHS: usize = 22;

fn model(engine: &Engine, component: &Component) -> Result<Arc<TextModel>, Reason> {
    engine.text_encoder(component).map_err(unreadable)
}

pub(super) fn segments(engine: &Engine, component: &Component, extents: &Extents) -> Result<Vec<Segment>, Reason> {
    let model = model(engine, component)?;
    let encoder = model.encoder();
    if let Some(tokens) = encoder.padded_length() {
        return Ok(vec![Segment::Text { tokens }]);
    }
    let mut lengths: Vec<usize> = extents.texts.iter().map(|&tokens| tokens.min(encoder.max_tokens())).collect();
    lengths.sort_unstable();
    lengths.dedup();
    Ok(lengths.into_iter().map(|tokens| Segment::Text { tokens }).collect())
}

pub(super) fn lower(engine: &Engine, component: &Component, tokens: usize, rank: usize) -> Result<Graph, Reason> {
    model(engine, component)?.encoder().lower(tokens, rank).map_err(|e| Reason::NoGraph(e.to_string()))
}

/// Inputs for a text as long as the graph allows, and for its beginning: in short texts states take other values.
pub(super) fn inputs(
    engine: &Engine,
    component: &Component,
    sample: &Input,
    tokens: usize,
) -> Result<Vec<Vec<Vec<f32>>>, Reason> {
    let Input::Text(text) = sample else { return Ok(Vec::new()) };
    let model = model(engine, component)?;
    let short = (SHORTEST + text.len() % LENGTHS).min(tokens);
    let of_length = |most: usize| {
        let ids = model.beginning(text, most).map_err(unreadable)?;
        model.encoder().graph_inputs(&ids, None, tokens).map_err(unreadable)
    };
    [tokens, short].into_iter().map(of_length).collect()
}
