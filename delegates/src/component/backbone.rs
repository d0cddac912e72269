//! Backbones: chunks of texts one after the other, with what earlier ones left.

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::graph::{Evaluator, Graph, Role, Signature};
use loam::input::{Affixes, Input, Special};
use loam::model::backbone::{Backbone, ChunkShape};

use super::{Extents, filled, unreadable};
use crate::quantize::Calibration;

pub(super) fn segments(engine: &Engine, extents: &Extents) -> Result<Vec<Segment>, Reason> {
    let model = engine.language().map_err(unreadable)?;
    let all = model.backbone().config().num_hidden_layers;
    let blocks = extents.blocks.unwrap_or(all).clamp(1, all);
    Ok([extents.rows, 1].map(|rows| Segment::Chunk { rows, past: extents.past, blocks }).to_vec())
}

pub(super) fn lower(engine: &Engine, shape: ChunkShape) -> Result<Graph, Reason> {
    let model = engine.language().map_err(unreadable)?;
    model.backbone().lower(shape).map_err(|what| Reason::NoGraph(what.to_owned()))
}

/// Tokens of a text that are run one by one.
const SINGLE_TOKENS: usize = 4;

/// Keys and values of earlier positions, as the inputs of a graph.
#[derive(Clone, Debug)]
pub struct Caches {
    /// `[kv_heads, past, head_dim]` each, keys and values of a block after the other.
    values: Vec<Vec<f32>>,
    past: usize,
    dim: usize,
    position: usize,
}

impl Caches {
    /// Empty ones.
    #[must_use]
    pub fn new(signature: &Signature, past: usize, dim: usize) -> Self {
        let caches = signature.inputs.iter().filter(|input| matches!(input.role, Role::Keys(_) | Role::Values(_)));
        Self { values: caches.map(|input| vec![0.0; input.count()]).collect(), past, dim, position: 0 }
    }

    /// Positions that they hold.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Writes what a graph gave for `count` of its `rows` positions.
    pub fn write(&mut self, made: &[Vec<f32>], rows: usize, count: usize) {
        for (cache, made) in self.values.iter_mut().zip(made) {
            for (head, made) in made.chunks_exact(rows * self.dim).enumerate() {
                let start = (head * self.past + self.position) * self.dim;
                cache[start..start + count * self.dim].copy_from_slice(&made[..count * self.dim]);
            }
        }
        self.position += count;
    }
}

/// Inputs of a graph but an adapter's factors, for tokens behind those in `caches`; fewer tokens than rows are filled up.
#[must_use]
pub fn chunk_inputs(
    backbone: &Backbone,
    signature: &Signature,
    shape: ChunkShape,
    caches: &Caches,
    tokens: &[u32],
) -> Vec<Vec<f32>> {
    let mut tokens = tokens.to_vec();
    tokens.resize(shape.rows, 0);
    let chunk = backbone.chunk_inputs(shape, caches.position);
    let mut kept = caches.values.iter();
    let inputs = signature.inputs.iter().filter(|input| !input.is_factor());
    let fill = |role: &Role| match role {
        Role::Data => backbone.embedded(&tokens),
        Role::Mask => chunk.mask.clone(),
        Role::Cosines => chunk.cosines.clone(),
        Role::Sines => chunk.sines.clone(),
        Role::Keys(_) | Role::Values(_) => kept.next().cloned().unwrap_or_default(),
        Role::Pooling | Role::Presence | Role::Down(_) | Role::Up(..) => Vec::new(),
    };
    inputs.map(|input| &input.role).map(fill).collect()
}

/// Runs a text through the graph. Its first token is not looked at: all others attend to it, and its states are a hundred times
/// larger than theirs, so that it always runs on the processor.
pub(super) fn observe(
    calibration: &mut Calibration,
    engine: &Engine,
    (name, shape): (&str, ChunkShape),
    (graph, evaluator): (&Graph, &Evaluator<'_>),
    sample: &Input,
) -> Result<(), Reason> {
    let Input::Text(text) = sample else { return Ok(()) };
    let model = engine.language().map_err(unreadable)?;
    let tokenizer = model.tokenizer().map_err(unreadable)?;
    let backbone = model.backbone();
    let tokens = tokenizer.encode_within(text, Special::Plain, Affixes::Add, 1 + shape.past);
    let tokens = tokens.map_err(unreadable)?;
    let Some((first, rest)) = tokens.split_first() else { return Ok(()) };
    let signature = graph.signature();
    let zeros = signature.factors(None)?;
    let mut caches = Caches::new(&signature, shape.past, backbone.config().head_dim);
    let inputs = |caches: &Caches, tokens: &[u32]| {
        filled(graph, chunk_inputs(backbone, &signature, shape, caches, tokens), &zeros)
    };
    let outputs = evaluator.run(&inputs(&caches, &[*first]), |_, _| {}).map_err(unreadable)?;
    caches.write(&outputs[1..], shape.rows, 1);
    // Single tokens take the same values as chunks do: a few show what is left.
    let most = if shape.rows == 1 { SINGLE_TOKENS } else { usize::MAX };
    for chunk in rest.chunks_exact(shape.rows).take(most) {
        if caches.position + shape.rows > shape.past {
            break;
        }
        let outputs = calibration.observe(name, (graph, evaluator), &inputs(&caches, chunk)).map_err(unreadable)?;
        caches.write(&outputs[1..], shape.rows, shape.rows);
    }
    Ok(())
}
