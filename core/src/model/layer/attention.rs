//! Scaled dot-product attention of one sequence, all heads.

use rayon::prelude::*;

use crate::model::ops::softmax;
use crate::quant::{PANEL, kernels};

/// Queries that share one read of the keys and values.
const QUERIES: usize = 32;

/// How a row of `heads * dim` values divides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Heads.
    pub(crate) count: usize,
    /// Width of each.
    pub(crate) dim: usize,
}

impl Heads {
    /// Width of a row.
    pub(crate) fn width(self) -> usize {
        self.count * self.dim
    }
}

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All of them.
    None,
    /// Those at or before its own position; the last query stands at the last key.
    Causal,
}

/// `out = softmax(q k^T / sqrt(dim)) v` per head. `q` and `out` are `[queries, heads * dim]`, `k` and `v` are
/// `[keys, heads * dim]`. Memory: a copy of keys and values, and `32 * keys` scores per running task.
pub(crate) fn attend(heads: Heads, mask: Mask, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    Planes::new(heads, k, v).attend(mask, q, out);
}

/// Keys and values laid out for attention, for use by any number of queries.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    heads: Heads,
    count: usize,
    /// `[heads, keys, dim]`: both products run over contiguous rows.
    keys: Vec<f32>,
    /// `[heads, dim, keys]`.
    values: Vec<f32>,
}

impl Planes {
    /// Lays out `k` and `v`, `[keys, heads * dim]` each.
    pub(crate) fn new(heads: Heads, k: &[f32], v: &[f32]) -> Self {
        let (width, dim) = (heads.width(), heads.dim);
        let count = k.len() / width;
        debug_assert_eq!(v.len(), k.len());
        let mut keys = vec![0.0; k.len()];
        keys.par_chunks_mut((count * dim).max(1)).enumerate().for_each(|(head, rows)| {
            for (row, token) in rows.chunks_exact_mut(dim).zip(k.chunks_exact(width)) {
                row.copy_from_slice(&token[head * dim..(head + 1) * dim]);
            }
        });
        let mut values = vec![0.0; v.len()];
        values.par_chunks_mut((count * dim).max(1)).enumerate().for_each(|(head, columns)| {
            for (t, token) in v.chunks_exact(width).enumerate() {
                for (d, value) in token[head * dim..(head + 1) * dim].iter().enumerate() {
                    columns[d * count + t] = *value;
                }
            }
        });
        Self { heads, count, keys, values }
    }

    /// `out = softmax(q k^T / sqrt(dim)) v` per head; `q` and `out` are `[queries, heads * dim]`.
    pub(crate) fn attend(&self, mask: Mask, q: &[f32], out: &mut [f32]) {
        let (heads, keys) = (self.heads, self.count);
        let (width, dim) = (heads.width(), heads.dim);
        let queries = q.len() / width;
        debug_assert_eq!(q.len(), out.len());
        // Tasks own disjoint planes; the planes are then woven into rows.
        let blocks = queries.div_ceil(QUERIES);
        let mut planes = vec![0.0; blocks * heads.count * QUERIES * dim];
        planes.par_chunks_mut(QUERIES * dim).enumerate().for_each(|(task, plane)| {
            let (block, head) = (task / heads.count, task % heads.count);
            let first = block * QUERIES;
            let count = QUERIES.min(queries - first);
            let own: Vec<f32> = (first..first + count)
                .flat_map(|t| &q[t * width + head * dim..t * width + (head + 1) * dim])
                .copied()
                .collect();
            let span = head * keys * dim..(head + 1) * keys * dim;
            let seen = |row: usize| if mask == Mask::Causal { keys - (queries - 1 - (first + row)) } else { keys };
            head_block(&own, count, &self.keys[span.clone()], &self.values[span], dim, seen, plane);
        });
        out.par_chunks_mut(width).enumerate().for_each(|(token, row)| {
            let (block, within) = (token / QUERIES, token % QUERIES);
            for (head, part) in row.chunks_exact_mut(dim).enumerate() {
                let start = ((block * heads.count + head) * QUERIES + within) * dim;
                part.copy_from_slice(&planes[start..start + dim]);
            }
        });
    }
}

/// One head of `count` queries: `plane` becomes `[count, dim]`.
fn head_block(
    q: &[f32],
    count: usize,
    keys: &[f32],
    values: &[f32],
    dim: usize,
    seen: impl Fn(usize) -> usize,
    plane: &mut [f32],
) {
    let dots = kernels().dots;
    let total = keys.len() / dim;
    // The kernel gives `[keys, queries]`; softmax wants rows of keys.
    let mut by_key = vec![0.0; total * count];
    for (panel, out) in by_key.chunks_mut(PANEL * count).enumerate() {
        let rows = out.len() / count;
        dots(&keys[panel * PANEL * dim..(panel * PANEL + rows) * dim], q, dim, count, out);
    }
    let scale = (dim as f32).powf(-0.5);
    let mut scores = vec![0.0; count * total];
    for (row, scores) in scores.chunks_exact_mut(total).enumerate() {
        let seen = seen(row);
        for (score, of_key) in scores[..seen].iter_mut().zip(by_key.chunks_exact(count)) {
            *score = of_key[row] * scale;
        }
        softmax(&mut scores[..seen]);
    }
    let mut by_dim = vec![0.0; dim * count];
    for (panel, out) in by_dim.chunks_mut(PANEL * count).enumerate() {
        let rows = out.len() / count;
        dots(&values[panel * PANEL * total..(panel * PANEL + rows) * total], &scores, total, count, out);
    }
    for (d, of_dim) in by_dim.chunks_exact(count).enumerate() {
        for (row, value) in of_dim.iter().enumerate() {
            plane[row * dim + d] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in f64.
    fn oracle(heads: Heads, mask: Mask, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let width = heads.count * heads.dim;
        let (queries, keys) = (q.len() / width, k.len() / width);
        let mut out = vec![0.0; q.len()];
        for (head, query) in (0..heads.count).flat_map(|h| (0..queries).map(move |t| (h, t))) {
            let last = if mask == Mask::Causal { keys - queries + query + 1 } else { keys };
            let at = |x: &[f32], t: usize, d: usize| f64::from(x[t * width + head * heads.dim + d]);
            let weights: Vec<f64> = (0..last)
                .map(|t| (0..heads.dim).map(|d| at(q, query, d) * at(k, t, d)).sum::<f64>() / (heads.dim as f64).sqrt())
                .map(f64::exp)
                .collect();
            let total: f64 = weights.iter().sum();
            for d in 0..heads.dim {
                let sum: f64 = weights.iter().enumerate().map(|(t, w)| w * at(v, t, d)).sum();
                out[query * width + head * heads.dim + d] = (sum / total) as f32;
            }
        }
        out
    }

    #[test]
    fn blocks_of_queries_agree_with_the_definition() {
        let heads = Heads { count: 3, dim: 10 };
        for (queries, keys, mask) in [
            (1, 1, Mask::None),
            (45, 45, Mask::Causal),
            (33, 70, Mask::None),
            (64, 64, Mask::Causal),
            (5, 9, Mask::Causal),
        ] {
            let fill = |seed: usize, tokens: usize| -> Vec<f32> {
                (0..tokens * 30).map(|i| (((i * 37 + seed * 101) % 97) as f32 - 48.0) / 40.0).collect()
            };
            let (q, k, v) = (fill(1, queries), fill(2, keys), fill(3, keys));
            let mut out = vec![0.0; q.len()];
            attend(heads, mask, &q, &k, &v, &mut out);
            let expected = oracle(heads, mask, &q, &k, &v);
            let worst = out.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{queries} queries, {keys} keys, {mask:?}: {worst}");
        }
    }
}
