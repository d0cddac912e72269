//! Keys and values of the decoder's tokens, shared by all hypotheses of a window.
//!
//! Hypotheses are paths in a tree of tokens: those that a beam search branches off one another share their beginning, and
//! to reorder them moves no keys. A token stays until the searcher names the hypotheses that are left: the others' tokens
//! are dropped then.

use crate::arena::Room;
use crate::model::layer::Heads;
use crate::model::ops::softmax;
use crate::pool;
use crate::quant::{PANEL, kernels};

/// One hypothesis: where its tokens lie in the tree. A clone is a branch.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    pub(super) slots: Vec<u32>,
}

impl Hypothesis {
    /// Tokens that were fed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Keys and values, `[tokens, width]` per layer.
#[derive(Debug)]
pub(super) struct TokenTree {
    heads: Heads,
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl TokenTree {
    pub(super) fn new(heads: Heads, layers: usize) -> Self {
        Self { heads, keys: vec![Vec::new(); layers], values: vec![Vec::new(); layers] }
    }

    /// Tokens in the tree, before any layer of the next pass has added its own.
    pub(super) fn len(&self) -> usize {
        self.keys.last().map_or(0, |keys| keys.len() / self.heads.width())
    }

    /// Drops all tokens that none of `hypotheses` has, and numbers the others anew, in their order: hypotheses that are not
    /// named are invalid then, except for a beginning that a named one shares and that nothing was dropped before.
    pub(super) fn retain(&mut self, hypotheses: &mut [&mut Hypothesis]) {
        let mut kept: Vec<u32> = hypotheses.iter().flat_map(|hypothesis| hypothesis.slots.iter().copied()).collect();
        kept.sort_unstable();
        kept.dedup();
        let width = self.heads.width();
        for values in self.keys.iter_mut().chain(&mut self.values) {
            for (to, &from) in kept.iter().enumerate() {
                let from = from as usize * width;
                values.copy_within(from..from + width, to * width);
            }
            values.truncate(kept.len() * width);
        }
        for slot in hypotheses.iter_mut().flat_map(|hypothesis| &mut hypothesis.slots) {
            let place = kept.binary_search(slot).expect("invariant: all of them are kept");
            *slot = u32::try_from(place).expect("invariant: no more than before");
        }
    }

    /// Adds the keys and values of a pass to one layer.
    pub(super) fn add(&mut self, layer: usize, keys: &[f32], values: &[f32]) {
        self.keys[layer].extend_from_slice(keys);
        self.values[layer].extend_from_slice(values);
    }

    /// `out = softmax(q k^T / sqrt(dim)) v` per head, each row over the tokens of its path. `q` and `out` are
    /// `[rows, width]`.
    pub(super) fn attend(&self, layer: usize, paths: &[&[u32]], q: &[f32], out: &mut [f32]) {
        let dim = self.heads.dim;
        pool::chunks(out, dim, |task, out| {
            let (row, head) = (task / self.heads.count, task % self.heads.count);
            self.attend_head(layer, head, paths[row], &q[task * dim..(task + 1) * dim], out);
        });
    }

    fn attend_head(&self, layer: usize, head: usize, path: &[u32], q: &[f32], out: &mut [f32]) {
        let (width, dim) = (self.heads.width(), self.heads.dim);
        let part = |all: &[f32], slot: u32| -> std::ops::Range<usize> {
            let start = slot as usize * width + head * dim;
            debug_assert!(start + dim <= all.len());
            start..start + dim
        };
        let keys: Vec<f32> =
            path.iter().flat_map(|&slot| &self.keys[layer][part(&self.keys[layer], slot)]).copied().collect();
        let mut scores = Room::new(path.len());
        for (keys, scores) in keys.chunks(PANEL * dim).zip(scores.chunks_mut(PANEL)) {
            (kernels().dots)(keys, q, dim, 1, scores);
        }
        let scale = (dim as f32).powf(-0.5);
        scores.iter_mut().for_each(|score| *score *= scale);
        softmax(&mut scores);
        out.fill(0.0);
        for (&slot, &weight) in path.iter().zip(&*scores) {
            (kernels().axpy)(weight, &self.values[layer][part(&self.values[layer], slot)], out);
        }
    }
}
