//! Encoders of data other than text.

use loam::Engine;
use loam::dispatch::Reason;
use loam::graph::Graph;
use loam::input::{Audio, Channels, Input, SampleRate};
use loam::model::Modality;

use super::unreadable;

pub(super) fn lower(engine: &Engine, modality: Modality, rank: usize) -> Result<Graph, Reason> {
    let model = engine.encoder(modality).map_err(unreadable)?;
    let graph = model.encoder().lower(rank);
    graph.ok_or_else(|| Reason::NoGraph(format!("the {modality} encoder does not lower itself")))
}

/// Whether the speech encoder has preprocessing of its own.
pub(super) fn reads_sound(engine: &Engine) -> bool {
    let silence = Audio::from_f32(&[0.0; 16_000], Channels::MONO, SampleRate::SPEECH).map(Input::Sound);
    match (engine.encoder(Modality::SPEECH), silence) {
        (Ok(model), Ok(silence)) => !matches!(model.encoder().prepare(&silence), Err(loam::Error::Unsupported { .. })),
        _ => false,
    }
}

/// Features of a sample; `None` for one of another kind.
pub(super) fn inputs(engine: &Engine, modality: Modality, sample: &Input) -> Result<Option<Vec<Vec<f32>>>, Reason> {
    let is_read = match sample {
        Input::Text(_) => false,
        Input::Image(_) => modality == Modality::IMAGE,
        Input::Sound(_) => modality == Modality::SOUND || modality == Modality::SPEECH,
        Input::Motion { .. } => modality == Modality::IMU,
    };
    if !is_read {
        return Ok(None);
    }
    let model = engine.encoder(modality).map_err(unreadable)?;
    let features = model.encoder().prepare(sample).map_err(unreadable)?;
    Ok(Some(vec![features.values]))
}
