//! Recognisers that hear frame by frame: graphs for sound of some lengths, which shorter sound fills in part.

use std::sync::Arc;

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::engine::Recognizer;
use loam::graph::Graph;
use loam::input::Input;
use loam::model::recognizer::ctc::CtcGraph;

use super::{Extents, unreadable};

/// The recogniser of the speech component, where it has graphs. An encoder alone is none.
pub(super) fn recognizer(engine: &Engine) -> Result<Option<Arc<dyn Recognizer>>, Reason> {
    match engine.recognizer() {
        Ok(recognizer) => Ok(Some(recognizer).filter(|found| graph(&**found).is_some())),
        Err(loam::Error::Unsupported { .. }) => Ok(None),
        Err(e) => Err(unreadable(e)),
    }
}

fn graph(recognizer: &dyn Recognizer) -> Option<&dyn CtcGraph> {
    recognizer.network()?.graph()
}

/// Graphs for sound of so many seconds each, no longer than what it hears at once.
pub(super) fn segments(recognizer: &dyn Recognizer, extents: &Extents) -> Vec<Segment> {
    let Some(graph) = graph(recognizer) else { return Vec::new() };
    let rate = f64::from(recognizer.rate().hertz());
    let columns = extents.seconds.iter().map(|seconds| graph.columns((seconds * rate) as usize));
    let mut columns: Vec<usize> = columns.filter(|&columns| graph.states_in(columns) > 0).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.into_iter().map(|columns| Segment::Sound { columns }).collect()
}

pub(super) fn lower(engine: &Engine, columns: usize, rank: usize) -> Result<Graph, Reason> {
    let missing = || Reason::NoGraph(format!("the recogniser has none for {columns} columns"));
    let recognizer = recognizer(engine)?.ok_or_else(missing)?;
    graph(&*recognizer).and_then(|graph| graph.lower(columns, rank)).ok_or_else(missing)
}

/// Inputs for a sound, piece by piece where it is longer than the graph; none for a sample of another kind, and for a sound in which
/// there is no frame.
pub(super) fn inputs(engine: &Engine, sample: &Input, columns: usize) -> Result<Vec<Vec<Vec<f32>>>, Reason> {
    let (Input::Sound(sound), Some(recognizer)) = (sample, recognizer(engine)?) else { return Ok(Vec::new()) };
    let (Some(network), Some(graph)) = (recognizer.network(), graph(&*recognizer)) else { return Ok(Vec::new()) };
    let sound = sound.resampled(recognizer.rate()).map_err(unreadable)?;
    // The most samples that the graph holds.
    let most = network.longest();
    let length = (1..=most).rev().step_by(network.hop().max(1)).find(|&samples| graph.columns(samples) <= columns);
    let pieces = sound.samples().chunks(length.unwrap_or(most));
    let features = pieces.filter_map(|piece| network.features(piece).transpose());
    features.map(|features| graph.inputs(&features.map_err(unreadable)?, columns).map_err(unreadable)).collect()
}
