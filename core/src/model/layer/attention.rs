//! Scaled dot-product attention of one sequence, all heads.

use crate::arena::Room;
use crate::pool;
use crate::quant::{TILE_ROWS, kernels, multiply_panels};
use crate::weights::BlockType;

/// Queries that share one read of the keys and values.
const QUERIES: usize = 32;
/// Keys that are worked on together, whole panels: with their values and scores they stay in the nearest caches.
const KEYS: usize = 512;

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
/// `[keys, heads * dim]`. Memory: a copy of keys and values.
pub(crate) fn attend(heads: Heads, mask: Mask, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    Planes::new(heads, k, v).attend(mask, q, out);
}

/// Keys and values laid out for attention, for use by any number of queries: as panels of the float kernels.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    heads: Heads,
    count: usize,
    /// `[heads, keys / 16, dim, 16]`.
    keys: Room,
    /// `[heads, keys / 512, dim / 16, 512, 16]`, of the last stretch as many keys as whole panels have.
    values: Room,
}

impl Planes {
    /// Lays out `k` and `v`, `[keys, heads * dim]` each.
    pub(crate) fn new(heads: Heads, k: &[f32], v: &[f32]) -> Self {
        let (width, dim) = (heads.width(), heads.dim);
        let count = k.len() / width;
        debug_assert_eq!(v.len(), k.len());
        let (padded, panels) = (count.next_multiple_of(TILE_ROWS), dim.div_ceil(TILE_ROWS));
        let mut keys = Room::zeros(heads.count * padded * dim);
        pool::rows(&mut keys, (TILE_ROWS * dim).max(1), |at, panel| {
            let (head, first) = (at / (padded / TILE_ROWS), at % (padded / TILE_ROWS) * TILE_ROWS);
            for (t, token) in k.chunks_exact(width).skip(first).take(TILE_ROWS).enumerate() {
                for (d, value) in token[head * dim..(head + 1) * dim].iter().enumerate() {
                    panel[d * TILE_ROWS + t] = *value;
                }
            }
        });
        let mut values = Room::zeros(heads.count * panels * padded * TILE_ROWS);
        pool::rows(&mut values, (panels * padded * TILE_ROWS).max(1), |head, plane| {
            for (stretch, plane) in plane.chunks_mut(panels * KEYS * TILE_ROWS).enumerate() {
                let tokens = v[stretch * KEYS * width..].chunks_exact(width);
                let keys = plane.len() / (panels * TILE_ROWS);
                for (at, token) in tokens.take(keys).enumerate() {
                    for (panel, values) in token[head * dim..(head + 1) * dim].chunks(TILE_ROWS).enumerate() {
                        plane[(panel * keys + at) * TILE_ROWS..][..values.len()].copy_from_slice(values);
                    }
                }
            }
        });
        Self { heads, count, keys, values }
    }

    /// Keys in whole panels.
    fn padded(&self) -> usize {
        self.count.next_multiple_of(TILE_ROWS)
    }

    /// `out = softmax(q k^T / sqrt(dim)) v` per head; `q` and `out` are `[queries, heads * dim]`.
    pub(crate) fn attend(&self, mask: Mask, q: &[f32], out: &mut [f32]) {
        let (heads, keys) = (self.heads, self.count);
        let (width, dim) = (heads.width(), heads.dim);
        let queries = q.len() / width;
        debug_assert_eq!(q.len(), out.len());
        // Shares own disjoint planes; the planes are then woven into rows.
        let blocks = queries.div_ceil(QUERIES);
        let wide = dim.next_multiple_of(TILE_ROWS);
        let mut planes = Room::zeros(blocks * heads.count * QUERIES * wide);
        pool::chunks(&mut planes, QUERIES * wide, |share, plane| {
            let (block, head) = (share / heads.count, share % heads.count);
            let first = block * QUERIES;
            let rows = first..queries.min(first + QUERIES);
            let mut own = Room::new(rows.len() * dim);
            for (own, t) in own.chunks_exact_mut(dim).zip(rows.clone()) {
                own.copy_from_slice(&q[t * width + head * dim..][..dim]);
            }
            let seen = |row: usize| if mask == Mask::Causal { keys - (queries - 1 - (first + row)) } else { keys };
            self.head_block(head, &own, rows.len(), seen, &mut plane[..rows.len() * wide]);
        });
        pool::rows(out, width, |token, row| {
            let (block, within) = (token / QUERIES, token % QUERIES);
            for (head, part) in row.chunks_exact_mut(dim).enumerate() {
                let start = ((block * heads.count + head) * QUERIES + within) * wide;
                part.copy_from_slice(&planes[start..start + dim]);
            }
        });
    }

    /// One head of `count` queries: `plane`, zeros, becomes `[count, dim in whole panels]`.
    ///
    /// One stretch of keys after the other, as FlashAttention (arXiv 2205.14135) has it: what was summed up before is scaled
    /// down when a greater score comes.
    fn head_block(&self, head: usize, q: &[f32], count: usize, seen: impl Fn(usize) -> usize, plane: &mut [f32]) {
        let (dim, padded) = (self.heads.dim, self.padded());
        let wide = dim.next_multiple_of(TILE_ROWS);
        let scale = (dim as f32).powf(-0.5);
        let (mut scores, mut part) = (Room::new(count * KEYS.min(padded)), Room::new(count * wide));
        let (mut greatest, mut sums) = ([f32::NEG_INFINITY; QUERIES], [0.0f32; QUERIES]);
        for first in (0..padded).step_by(KEYS) {
            let keys = KEYS.min(padded - first);
            let scores = &mut scores[..count * keys];
            let panels = &self.keys[(head * padded + first) * dim..][..keys * dim];
            multiply_panels(BlockType::F32, bytes(panels), dim, q, scores, keys);
            let mut found = [(f32::NEG_INFINITY, 0.0f32); QUERIES];
            for (row, (scores, found)) in scores.chunks_exact_mut(keys).zip(&mut found).enumerate() {
                let (seen, rest) = scores.split_at_mut(seen(row).saturating_sub(first).min(keys));
                if !seen.is_empty() {
                    *found = (kernels().rows.exp_sum)(seen, scale);
                }
                rest.fill(0.0);
            }
            let panels = &self.values[(head * padded + first) * wide..][..keys * wide];
            multiply_panels(BlockType::F32, bytes(panels), keys, scores, &mut part, wide);
            let rows = plane.chunks_exact_mut(wide).zip(part.chunks_exact(wide)).zip(found);
            for (((plane, part), (most, sum)), (greatest, total)) in rows.zip(greatest.iter_mut().zip(&mut sums)) {
                if sum == 0.0 {
                    continue;
                }
                let now = if most > *greatest {
                    let before = (*greatest - most).exp();
                    *greatest = most;
                    *total *= before;
                    plane.iter_mut().for_each(|sum| *sum *= before);
                    1.0
                } else {
                    (most - *greatest).exp()
                };
                *total += sum * now;
                (kernels().axpy)(now, part, plane);
            }
        }
        for (row, sum) in plane.chunks_exact_mut(wide).zip(sums) {
            let by = 1.0 / sum;
            row.iter_mut().for_each(|value| *value *= by);
        }
    }
}

/// Values as the bytes that kernels read.
fn bytes(values: &[f32]) -> &[u8] {
    // SAFETY: every bit pattern of a float is four bytes, and bytes have no alignment.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
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
            (33, 300, Mask::None),
            (200, 290, Mask::Causal),
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
