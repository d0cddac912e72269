//! Backbones: chunks of texts one after the other, with what earlier ones left.

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::graph::{Evaluator, Graph};
use loam::input::{Affixes, Input, Special};
use loam::model::backbone::{Backbone, ChunkShape};
use loam::model::{CacheShape, CacheType, KvCache};

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
    let mut cache = single_precision(backbone, shape.blocks)?;
    let inputs = |cache: &KvCache, tokens: &[u32]| {
        let data = backbone.graph_inputs(&signature, shape, cache, tokens).map_err(unreadable)?;
        Ok::<_, Reason>(filled(graph, data, &zeros))
    };
    let unbounded = |_| Reason::Failed("memory of a cache".to_owned());
    let outputs = evaluator.run(&inputs(&cache, &[*first])?, |_, _| {}).map_err(unreadable)?;
    cache.append(&outputs[1..], shape.rows, 1).map_err(unbounded)?;
    // Single tokens take the same values as chunks do: a few show what is left.
    let most = if shape.rows == 1 { SINGLE_TOKENS } else { usize::MAX };
    for chunk in rest.chunks_exact(shape.rows).take(most) {
        if cache.len() + shape.rows > shape.past {
            break;
        }
        let inputs = inputs(&cache, chunk)?;
        let outputs = calibration.observe(name, (graph, evaluator), &inputs).map_err(unreadable)?;
        cache.append(&outputs[1..], shape.rows, shape.rows).map_err(unbounded)?;
    }
    Ok(())
}

/// A cache of the first `blocks` blocks that rounds nothing.
///
/// # Errors
/// [`Reason::Failed`] for more blocks than there are.
pub fn single_precision(backbone: &Backbone, blocks: usize) -> Result<KvCache, Reason> {
    let shape = backbone.new_cache_of(blocks).map_err(unreadable)?.shape();
    Ok(KvCache::new(CacheShape { kind: CacheType::F32, ..shape }))
}
