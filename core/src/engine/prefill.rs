//! Prompts on a delegate: whole pieces of tokens, whose keys and values go into the cache that the processor decodes with. The
//! first token runs on the processor, since all others attend to it and its states are far larger than theirs; so does the last
//! one, whose logits are wanted.

use std::sync::Arc;

use super::dispatcher::{Compared, Placed, median_ms};
use super::language::LanguageModel;
use crate::dispatch::{Placement, Ran, Reason, Segment};
use crate::graph::Role;
use crate::model::backbone::{Backbone, ChunkShape, Entry, Row, Want};
use crate::model::{CacheType, KvCache};
use crate::quant::Deltas;

/// The graph for pieces of prompts.
#[derive(Clone, Debug)]
pub(super) struct Prefiller {
    placement: Arc<Placement>,
    shape: ChunkShape,
}

impl LanguageModel {
    /// The graph that computes positions from `from` on; `None` where there never was a delegate.
    ///
    /// # Errors
    /// Why the processor does it.
    pub(super) fn prefiller(&self, from: usize) -> Result<Option<Prefiller>, Reason> {
        let place = &self.part().place;
        let placement = match place.delegate() {
            Ok(placement) => placement,
            Err(None) => return Ok(None),
            Err(Some(reason)) => return Err(reason),
        };
        let is_for_prompts = |segment: &Segment| matches!(segment, Segment::Chunk { rows, .. } if *rows > 1);
        let Some(segment) = placement.choose(place.preference(), is_for_prompts)? else {
            return Err(Reason::NoGraph("no piece of a prompt was compiled".to_owned()));
        };
        let shape = shape_of(segment).ok_or(Reason::NotCompiled)?;
        if from > shape.past {
            return Err(Reason::TooLong { length: from, most: shape.past });
        }
        Ok(Some(Prefiller { placement, shape }))
    }
}

fn shape_of(segment: Segment) -> Option<ChunkShape> {
    match segment {
        Segment::Chunk { rows, past, blocks } => Some(ChunkShape { rows, past, blocks, rank: 0 }),
        _ => None,
    }
}

impl Prefiller {
    /// Tokens of a piece.
    pub(super) fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Pieces that there is room for, the first of which begins at `position`.
    pub(super) fn pieces(&self, position: usize) -> usize {
        self.shape.past.checked_sub(position).map_or(0, |left| left / self.shape.rows + 1)
    }

    /// As traces name it.
    pub(super) fn backend(&self) -> &str {
        self.placement.backend()
    }

    fn segment(&self) -> Segment {
        let ChunkShape { rows, past, blocks, .. } = self.shape;
        Segment::Chunk { rows, past, blocks }
    }

    /// States of `tokens`, as many as a piece has, behind those in `cache`, and keys and values of each block.
    fn run(
        &self,
        backbone: &Backbone,
        cache: &KvCache,
        tokens: &[u32],
        deltas: Option<&Deltas>,
    ) -> Result<Vec<Vec<f32>>, Reason> {
        let inputs = inputs_of(&self.placement, self.segment(), backbone, cache, tokens)?;
        let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
        self.placement.run(self.segment(), &inputs, deltas)
    }

    /// Computes `tokens`, as many as some pieces have, and writes their keys and values. What was written before a failure stays.
    ///
    /// # Errors
    /// [`Reason`].
    pub(super) fn extend(
        &self,
        backbone: &Backbone,
        cache: &mut KvCache,
        tokens: &[u32],
        deltas: Option<&Deltas>,
    ) -> Result<(), Reason> {
        for tokens in tokens.chunks_exact(self.shape.rows) {
            let made = self.run(backbone, cache, tokens, deltas)?;
            write(cache, &made[1..], self.shape.rows);
        }
        Ok(())
    }
}

/// Values of a graph's inputs but an adapter's factors, for tokens behind those in `cache`.
fn inputs_of(
    placement: &Placement,
    segment: Segment,
    backbone: &Backbone,
    cache: &KvCache,
    tokens: &[u32],
) -> Result<Vec<Vec<f32>>, Reason> {
    let delegate = placement.delegate(segment).ok_or(Reason::NotCompiled)?;
    let chunk_shape = shape_of(segment).ok_or(Reason::NotCompiled)?;
    let (position, past) = (cache.len(), chunk_shape.past);
    if position > past {
        return Err(Reason::TooLong { length: position, most: past });
    }
    let chunk = backbone.chunk_inputs(chunk_shape, position);
    let (shape, mut values) = (cache.shape(), Vec::new());
    let mut filled = Vec::new();
    for input in delegate.signature().inputs.iter().filter(|input| !input.is_factor()) {
        filled.push(match input.role {
            Role::Data => backbone.embedded(tokens),
            Role::Mask => chunk.mask.clone(),
            Role::Cosines => chunk.cosines.clone(),
            Role::Sines => chunk.sines.clone(),
            Role::Keys(layer) => {
                let mut keys = vec![0.0; shape.kv_heads * past * shape.head_dim];
                values = vec![0.0; keys.len()];
                cache.read(layer, past, &mut keys, &mut values);
                keys
            }
            // Behind the keys of the same layer.
            Role::Values(_) => std::mem::take(&mut values),
            Role::Pooling | Role::Presence | Role::Down(_) | Role::Up(..) => {
                return Err(Reason::Refused(format!("input '{}' of a backbone", input.name)));
            }
        });
    }
    Ok(filled)
}

/// Appends keys and values `[kv_heads, rows, head_dim]` of each block, which there is room for.
fn write(cache: &mut KvCache, made: &[Vec<f32>], rows: usize) {
    let (start, dim) = (cache.len(), cache.shape().head_dim);
    cache.grow(rows);
    for (layer, made) in made.chunks_exact(2).enumerate() {
        for row in 0..rows {
            let of_row = |made: &Vec<f32>| -> Vec<f32> {
                made.chunks_exact(rows * dim).flat_map(|head| &head[row * dim..(row + 1) * dim]).copied().collect()
            };
            cache.write(layer, start + row, &of_row(&made[0]), &of_row(&made[1]));
        }
    }
}

/// A piece of a slot's prompt that a delegate computes while the processor runs other rows.
pub(super) struct Ahead<'s> {
    pub(super) prefiller: Prefiller,
    pub(super) tokens: Vec<u32>,
    pub(super) deltas: Option<&'s Deltas>,
    pub(super) cache: &'s mut KvCache,
    pub(super) ran: &'s mut Ran,
}

impl Ahead<'_> {
    /// Computes it.
    pub(super) fn run(&mut self, backbone: &Backbone) {
        match self.prefiller.extend(backbone, self.cache, &self.tokens, self.deltas) {
            Ok(()) => self.ran.backend = Some(self.prefiller.backend().to_owned()),
            Err(reason) => self.ran.reason = Some(reason),
        }
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
        // Any tokens do: they are looked up and compared, not understood.
        let tokens: Vec<u32> =
            (0..=shape.rows as u32).map(|at| 1 + at % (backbone.config().vocab_size as u32 - 1)).collect();
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
        let (states, processor_ms) = median_ms(|| backbone.forward(&rows, &mut [&mut begun.clone()]).map_err(failed))?;
        let run = || {
            let inputs = inputs_of(placement, segment, backbone, &begun, &tokens[1..])?;
            let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
            placement.run(segment, &inputs, None)
        };
        let (mut made, delegate_ms) = median_ms(run)?;
        made.truncate(1);
        Ok(Compared { delegate: made, processor: vec![states], delegate_ms, processor_ms })
    }
}
