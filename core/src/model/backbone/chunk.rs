//! What a graph of blocks is given: embedded rows, masks, angles, and keys and values of earlier positions.

use super::config::RopePairs;
use super::{Backbone, BackboneConfig, Entry, Row, Want};
use crate::error::{Error, Result};
use crate::graph::{MASKED, Role, Signature};
use crate::model::cache::KvCache;
use crate::quant::RowAdapters;

/// The extents of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkShape {
    /// Rows that run at a time.
    pub rows: usize,
    /// Earlier positions that there is room for.
    pub past: usize,
    /// Blocks from the first one on.
    pub blocks: usize,
    /// Rank of the adapters that it takes; 0 for none.
    pub rank: usize,
}

/// What the inputs of one chunk are filled with, but for keys and values and an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkInputs {
    /// `[1, rows, past + rows]`.
    pub mask: Vec<f32>,
    /// `[1, rows, head_dim]`.
    pub cosines: Vec<f32>,
    /// `[1, rows, head_dim]`.
    pub sines: Vec<f32>,
}

impl Backbone {
    /// What tokens enter the first block with, without an adapter: `[tokens, hidden_size]`.
    ///
    /// # Panics
    /// For a token outside of the vocabulary.
    #[must_use]
    pub fn embedded(&self, tokens: &[u32]) -> Vec<f32> {
        let row = |(position, &id): (usize, &u32)| Row {
            entry: Entry::Token(id),
            sequence: 0,
            position,
            deltas: None,
            want: Want::Nothing,
        };
        let rows: Vec<Row<'_>> = tokens.iter().enumerate().map(row).collect();
        self.embed(&rows, &RowAdapters::same(rows.len(), None)).to_vec()
    }

    /// Mask and angles of a chunk that begins at `position`: as many earlier positions are in the caches, of the room for
    /// `shape.past`.
    #[must_use]
    pub fn chunk_inputs(&self, shape: ChunkShape, position: usize) -> ChunkInputs {
        let (config, all) = (&self.config, shape.past + shape.rows);
        let mut mask = vec![MASKED; shape.rows * all];
        for (row, mask) in mask.chunks_exact_mut(all).enumerate() {
            mask[..position.min(shape.past)].fill(0.0);
            mask[shape.past..=shape.past + row].fill(0.0);
        }
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for row in 0..shape.rows {
            let mut angles = Vec::new();
            self.rope[0].angles(position + row, &mut angles);
            let (cos, sin) = angles.split_at(angles.len() / 2);
            for element in 0..config.head_dim {
                let pair = pair(config, element);
                cosines.push(pair.map_or(1.0, |pair| cos[pair]));
                sines.push(pair.map_or(0.0, |pair| sin[pair]));
            }
        }
        ChunkInputs { mask, cosines, sines }
    }

    /// Values of all inputs of a graph but an adapter's factors, in their order, for `tokens` behind those in `cache`; fewer tokens
    /// than the graph has rows are filled up, with rows that mean nothing.
    ///
    /// # Errors
    /// [`Error::Argument`] for more tokens than rows, for more earlier positions than there is room for, for a cache of fewer
    /// blocks, and for inputs that no backbone has.
    pub fn graph_inputs(
        &self,
        signature: &Signature,
        shape: ChunkShape,
        cache: &KvCache,
        tokens: &[u32],
    ) -> Result<Vec<Vec<f32>>> {
        let (position, own) = (cache.len(), cache.shape());
        for (name, found, most) in
            [("tokens", tokens.len(), shape.rows), ("cache", position, shape.past), ("graph", shape.blocks, own.layers)]
        {
            if found > most {
                return Err(Error::argument(name, format!("{found}, there is room for {most}")));
            }
        }
        let mut tokens = tokens.to_vec();
        tokens.resize(shape.rows, 0);
        let chunk = self.chunk_inputs(shape, position);
        let mut values = Vec::new();
        let mut fill = |role: &Role| match role {
            Role::Data => Some(self.embedded(&tokens)),
            Role::Mask => Some(chunk.mask.clone()),
            Role::Cosines => Some(chunk.cosines.clone()),
            Role::Sines => Some(chunk.sines.clone()),
            Role::Keys(layer) if *layer < own.layers => {
                let mut keys = vec![0.0; own.kv_heads * shape.past * own.head_dim];
                values = vec![0.0; keys.len()];
                cache.read(*layer, shape.past, &mut keys, &mut values);
                Some(keys)
            }
            // Behind the keys of the same layer.
            Role::Values(_) => Some(std::mem::take(&mut values)),
            Role::Keys(_) | Role::Pooling | Role::Presence | Role::Down(_) | Role::Up(..) => None,
        };
        let inputs = signature.inputs.iter().filter(|input| !input.is_factor());
        let filled = inputs.map(|input| {
            let missing = || Error::argument("graph", format!("input '{}' of a backbone", input.name));
            fill(&input.role).filter(|values| values.len() == input.count()).ok_or_else(missing)
        });
        filled.collect()
    }
}

/// Which pair an element of a head turns in; `None` for one that does not turn.
fn pair(config: &BackboneConfig, element: usize) -> Option<usize> {
    let turns = element < config.rotary_dim;
    turns.then(|| match config.rope_pairs {
        RopePairs::Halves => element % (config.rotary_dim / 2),
        RopePairs::Neighbours => element / 2,
    })
}
