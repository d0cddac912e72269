//! A foundation's components as graphs, and what sample data make of their tensors.

mod backbone;
mod each;
mod encoder;
mod sound;
mod text;

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::foundation::{Component, ComponentKind};
use loam::graph::{Evaluator, Graph};
use loam::input::Input;
use loam::model::Modality;

use crate::quantize::Calibration;

pub use backbone::single_precision;
pub use each::{Outcome, each};

/// Extents of the graphs.
#[derive(Clone, Debug, PartialEq)]
pub struct Extents {
    /// Rank of the adapters that graphs take; 0 for none.
    pub rank: usize,
    /// Tokens of a text encoder's graphs.
    pub texts: Vec<usize>,
    /// Seconds of sound of a recogniser's graphs.
    pub seconds: Vec<f64>,
    /// Tokens of a backbone's graph for prompts.
    pub rows: usize,
    /// Earlier positions of a backbone's graphs.
    pub past: usize,
    /// Blocks of a backbone's graphs, all but to look at; `None` for all.
    pub blocks: Option<usize>,
}

impl Default for Extents {
    fn default() -> Self {
        Self { rank: 16, texts: vec![64, 128], seconds: vec![4.5, 24.0], rows: 32, past: 224, blocks: None }
    }
}

fn unreadable(error: loam::Error) -> Reason {
    Reason::Failed(error.to_string())
}

/// The graphs of a component.
///
/// # Errors
/// [`Reason::NoGraph`] for a kind of component that has none; [`Reason::Failed`] for one that cannot be loaded.
pub fn segments(engine: &Engine, component: &Component, extents: &Extents) -> Result<Vec<Segment>, Reason> {
    match component.kind() {
        ComponentKind::Encoder(Modality::TEXT) => text::segments(engine, component, extents),
        ComponentKind::Encoder(Modality::SPEECH) => match sound::recognizer(engine)? {
            Some(recognizer) => {
                // The encoder around the same weights, where it reads sound by itself.
                let whole = encoder::reads_sound(engine).then_some(Segment::Whole);
                Ok(sound::segments(&*recognizer, extents).into_iter().chain(whole).collect())
            }
            None => Ok(vec![Segment::Whole]),
        },
        ComponentKind::Encoder(_) => Ok(vec![Segment::Whole]),
        ComponentKind::Backbone => backbone::segments(engine, extents),
        ComponentKind::Projector(_) => Err(Reason::NoGraph("a projector runs with the backbone".to_owned())),
        ComponentKind::VisionLanguage => Err(Reason::NoGraph("its parts are one checkpoint".to_owned())),
        ComponentKind::SpeechGenerator => Err(Reason::NoGraph("its lengths depend on the text".to_owned())),
        ComponentKind::SuperResolution => Err(Reason::NoGraph("it reads pictures of any size, in tiles".to_owned())),
    }
}

/// A graph of a component, for adapters of up to rank `rank`.
///
/// # Errors
/// [`Reason::NoGraph`] with what is missing; [`Reason::Failed`] for a component that cannot be loaded.
pub fn lower(engine: &Engine, component: &Component, segment: Segment, rank: usize) -> Result<Graph, Reason> {
    match (component.kind(), segment) {
        (ComponentKind::Encoder(Modality::TEXT), Segment::Text { tokens }) => {
            text::lower(engine, component, tokens, rank)
        }
        (ComponentKind::Encoder(Modality::SPEECH), Segment::Sound { columns }) => sound::lower(engine, columns, rank),
        (ComponentKind::Encoder(modality), Segment::Whole) => encoder::lower(engine, modality, rank),
        (ComponentKind::Backbone, Segment::Chunk { rows, past, blocks }) => {
            backbone::lower(engine, loam::model::backbone::ChunkShape { rows, past, blocks, rank })
        }
        _ => Err(Reason::NoGraph(format!("'{}' has no segment {segment}", component.name()))),
    }
}

/// Runs `graph` on each of `samples` that the component reads, without an adapter, and looks at its tensors. How many it read.
///
/// # Errors
/// [`Reason::Failed`] for a sample that cannot be prepared.
pub fn observe(
    calibration: &mut Calibration,
    engine: &Engine,
    component: &Component,
    (segment, graph): (Segment, &Graph),
    samples: &[Input],
    progress: &mut dyn FnMut(),
) -> Result<usize, Reason> {
    let evaluator = Evaluator::new(graph);
    let zeros = graph.signature().factors(None)?;
    let before = calibration.runs();
    for sample in samples {
        let data = match (component.kind(), segment) {
            (ComponentKind::Encoder(Modality::TEXT), Segment::Text { tokens }) => {
                text::inputs(engine, component, sample, tokens)?
            }
            (ComponentKind::Encoder(Modality::SPEECH), Segment::Sound { columns }) => {
                sound::inputs(engine, sample, columns)?
            }
            (ComponentKind::Encoder(modality), _) => encoder::inputs(engine, modality, sample)?.into_iter().collect(),
            (ComponentKind::Backbone, Segment::Chunk { rows, past, blocks }) => {
                let shape = loam::model::backbone::ChunkShape { rows, past, blocks, rank: 0 };
                let name = segment.to_string();
                backbone::observe(calibration, engine, (&name, shape), (graph, &evaluator), sample)?;
                progress();
                continue;
            }
            _ => Vec::new(),
        };
        for data in data {
            let inputs = filled(graph, data, &zeros);
            calibration.observe(&segment.to_string(), (graph, &evaluator), &inputs).map_err(unreadable)?;
        }
        progress();
    }
    Ok(calibration.runs() - before)
}

/// All inputs of a graph in order, from those that a sample gives and those that an adapter does.
pub(crate) fn filled(graph: &Graph, data: Vec<Vec<f32>>, factors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (mut data, mut factors) = (data.into_iter(), factors.iter().cloned());
    let signature = graph.signature();
    let next = |input: &loam::graph::Entrance| if input.is_factor() { factors.next() } else { data.next() };
    signature.inputs.iter().map(next).map(Option::unwrap_or_default).collect()
}
