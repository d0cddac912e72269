//! A backbone's graphs on a delegate: some positions of a sequence at a time, whose keys and values go into the cache that the processor
//! decodes with. Which sequences run there is the matter of `prefill` and `decode`.

use std::sync::Arc;

use super::dispatcher::{Compared, Placed, median_ms};
use super::language::LanguageModel;
use crate::dispatch::{Placement, Reason, Segment};
use crate::input::{Affixes, Special};
use crate::model::backbone::{Backbone, ChunkShape, Entry, Row, Want};
use crate::model::{CacheType, KvCache};
use crate::quant::Deltas;

/// One of a backbone's graphs.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    placement: Arc<Placement>,
    segment: Segment,
    shape: ChunkShape,
}

impl Chunk {
    pub(super) fn new(placement: Arc<Placement>, segment: Segment) -> Option<Self> {
        let shape = shape_of(segment)?;
        Some(Self { placement, segment, shape })
    }

    /// Positions that run at a time.
    pub(super) fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Earlier positions that there is room for.
    pub(super) fn past(&self) -> usize {
        self.shape.past
    }

    /// As traces name it.
    pub(super) fn backend(&self) -> &str {
        self.placement.backend()
    }

    /// Computes `tokens`, as many as it has rows, behind those in `cache`, and writes their keys and values. Their states
    /// `[rows, hidden_size]`.
    ///
    /// # Errors
    /// [`Reason`]; the cache is as it was then.
    pub(super) fn extend(
        &self,
        backbone: &Backbone,
        cache: &mut KvCache,
        tokens: &[u32],
        deltas: Option<&Deltas>,
    ) -> Result<Vec<f32>, Reason> {
        let mut made = run(&self.placement, self.segment, backbone, cache, tokens, deltas)?;
        let appended = cache.append(&made[1..], self.shape.rows, tokens.len());
        appended
            .map_err(|shortage| Reason::Memory { needed: cache.shape().block() as u64, available: shortage.limit })?;
        Ok(made.swap_remove(0))
    }
}

fn shape_of(segment: Segment) -> Option<ChunkShape> {
    match segment {
        Segment::Chunk { rows, past, blocks } => Some(ChunkShape { rows, past, blocks, rank: 0 }),
        _ => None,
    }
}

/// States of `tokens`, and keys and values of each block.
fn run(
    placement: &Placement,
    segment: Segment,
    backbone: &Backbone,
    cache: &KvCache,
    tokens: &[u32],
    deltas: Option<&Deltas>,
) -> Result<Vec<Vec<f32>>, Reason> {
    let delegate = placement.delegate(segment).ok_or(Reason::NotCompiled)?;
    let shape = shape_of(segment).ok_or(Reason::NotCompiled)?;
    if cache.len() > shape.past {
        return Err(Reason::TooLong { length: cache.len(), most: shape.past });
    }
    let inputs = backbone.graph_inputs(delegate.signature(), shape, cache, tokens);
    let inputs = inputs.map_err(|e| Reason::Refused(e.to_string()))?;
    let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
    placement.run(segment, &inputs, deltas)
}

/// Keys and values of each block from position `from` on.
fn written(cache: &KvCache, from: usize) -> Vec<Vec<f32>> {
    let (own, positions) = (cache.shape(), cache.len());
    let mut all = Vec::with_capacity(2 * own.layers);
    for layer in 0..own.layers {
        let mut keys = vec![0.0; own.kv_heads * positions * own.head_dim];
        let mut values = keys.clone();
        cache.read(layer, positions, &mut keys, &mut values);
        for plane in [keys, values] {
            let heads = plane.chunks_exact(positions * own.head_dim);
            all.push(heads.flat_map(|head| &head[from * own.head_dim..]).copied().collect());
        }
    }
    all
}

/// What a backbone is judged by: a text, since control tokens one after another are nothing that a graph of integers was made for.
const JUDGED: &str = "The ferry leaves at half past nine and reaches the island before noon. In the harbour there is a market \
    on Saturdays, where farmers sell bread, cheese and apples; whoever comes late finds the stalls empty. ";

impl LanguageModel {
    /// `count` tokens of a text, from its beginning.
    fn judged_tokens(&self, count: usize) -> crate::Result<Vec<u32>> {
        let tokenizer = self.tokenizer()?;
        let mut tokens = tokenizer.encode(JUDGED, Special::Plain, Affixes::Add)?;
        let again = tokenizer.encode(JUDGED, Special::Plain, Affixes::None)?;
        while tokens.len() < count && !again.is_empty() {
            tokens.extend(&again);
        }
        tokens.resize(count, 0);
        Ok(tokens)
    }
}

impl Placed for LanguageModel {
    fn runs(&self, segment: Segment) -> bool {
        matches!(segment, Segment::Chunk { .. })
    }

    fn compare(&self, placement: &Placement, segment: Segment) -> Result<Compared, Reason> {
        let backbone = self.backbone();
        let shape = shape_of(segment).ok_or(Reason::NotCompiled)?;
        let blocks = backbone.config().num_hidden_layers;
        if shape.blocks != blocks {
            return Err(Reason::NoGraph(format!("{} of {blocks} blocks were compiled", shape.blocks)));
        }
        let failed = |e: crate::Error| Reason::Failed(e.to_string());
        let tokens = self.judged_tokens(shape.rows + 1).map_err(failed)?;
        let row = |position: usize, want: Want| Row {
            entry: Entry::Token(tokens[position]),
            sequence: 0,
            position,
            deltas: None,
            want,
        };
        let mut begun = backbone.new_cache_as(CacheType::F32);
        backbone.forward(&[row(0, Want::Nothing)], &mut [&mut begun]).map_err(failed)?;
        let rows: Vec<Row<'_>> = (1..=shape.rows).map(|position| row(position, Want::Hidden)).collect();
        let ((states, ours), processor_ms) = median_ms(|| {
            let mut cache = begun.clone();
            Ok((backbone.forward(&rows, &mut [&mut cache]).map_err(failed)?, cache))
        })?;
        let (mut made, delegate_ms) = median_ms(|| run(placement, segment, backbone, &begun, &tokens[1..], None))?;
        let mut theirs = begun.clone();
        let appended = theirs.append(&made[1..], shape.rows, shape.rows);
        appended
            .map_err(|shortage| Reason::Memory { needed: theirs.shape().block() as u64, available: shortage.limit })?;
        made.truncate(1);
        made.extend(written(&theirs, 1));
        let processor = std::iter::once(states).chain(written(&ours, 1)).collect();
        Ok(Compared { delegate: made, processor, delegate_ms, processor_ms })
    }
}
