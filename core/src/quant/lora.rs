//! Low-rank deltas beside frozen linears: what an adapter adds to one component.
//!
//! Nothing is merged into base weights. A delta is two small matrices per linear, applied to the rows that carry the
//! adapter, so rows of different apps share one pass over the base.

use std::collections::HashMap;

use crate::quant::matrix::Matrix;
use crate::quant::panel::PanelMatrix;

/// Index of a linear (or embedding table) within its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinearId(pub(crate) u32);

/// `y += scale * B (A x)`, with `A` as `[rank, in]` and `B` as `[out, rank]`.
#[derive(Debug)]
pub struct LowRank {
    /// Down projection, `[rank, in]`.
    pub a: PanelMatrix,
    /// Up projection, `[out, rank]`.
    pub b: PanelMatrix,
    /// `alpha / rank`, or `alpha / sqrt(rank)` for rank-stabilised LoRA.
    pub scale: f32,
}

/// Everything an adapter changes in one component, by linear.
#[derive(Debug, Default)]
pub struct Deltas {
    /// Low-rank deltas of linears.
    pub low_rank: HashMap<LinearId, LowRank>,
    /// Linears that the adapter replaces as a whole (`modules_to_save`).
    pub replaced: HashMap<LinearId, Matrix>,
    /// Low-rank deltas of embedding tables: `A` transposed to `[vocabulary, rank]`.
    pub embedding: HashMap<LinearId, LowRank>,
}

impl Deltas {
    /// Bytes of the adapter's matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pairs = self.low_rank.values().chain(self.embedding.values());
        pairs.map(|d| d.a.data().len() + d.b.data().len()).sum::<usize>()
            + self.replaced.values().map(|m| m.bytes().0).sum::<usize>()
    }
}

/// The adapter of each row of a batch, `None` for the bare base.
pub type RowDeltas<'a> = [Option<&'a Deltas>];

/// Runs of equal adapters in a batch: `(adapter, rows)`, rows of one adapter together even when they are scattered.
pub(crate) fn groups<'a>(rows: &RowDeltas<'a>) -> Vec<(&'a Deltas, Vec<usize>)> {
    let mut groups: Vec<(&Deltas, Vec<usize>)> = Vec::new();
    for (row, deltas) in rows.iter().enumerate() {
        let Some(deltas) = *deltas else { continue };
        match groups.iter_mut().find(|(known, _)| std::ptr::eq(*known, deltas)) {
            Some((_, members)) => members.push(row),
            None => groups.push((deltas, vec![row])),
        }
    }
    groups
}
