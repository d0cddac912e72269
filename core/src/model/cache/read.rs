//! Keys and values as floats, for processors that keep none.

use super::shape::{BLOCK_TOKENS, CacheType};
use super::{KvCache, Scales};
use crate::budget::Shortage;
use crate::quant::TILE_ROWS;

impl KvCache {
    /// Keys and values of a layer for all positions, into the beginnings of `[kv_heads, room, head_dim]` each.
    ///
    /// # Panics
    /// When there is room for fewer positions.
    pub(crate) fn read(&self, layer: usize, room: usize, keys: &mut [f32], values: &mut [f32]) {
        assert!(self.len <= room, "invariant: the caller has looked");
        let dim = self.shape.head_dim;
        let heads = keys.chunks_exact_mut(room * dim).zip(values.chunks_exact_mut(room * dim));
        for (head, (keys, values)) in heads.enumerate() {
            for block in 0..self.len.div_ceil(BLOCK_TOKENS) {
                let (key_plane, value_plane) = self.planes(layer, head, block);
                let scales = self.scales(layer, head, block);
                let [key_scales, value_scales] = [scales.0, scales.1].map(Scales::all);
                for slot in 0..BLOCK_TOKENS.min(self.len - block * BLOCK_TOKENS) {
                    let start = (block * BLOCK_TOKENS + slot) * dim;
                    let scale = |scales: &[f32]| scales.get(slot).copied().unwrap_or(1.0);
                    for (at, key) in keys[start..start + dim].iter_mut().enumerate() {
                        *key = self.value(key_plane, at * BLOCK_TOKENS + slot) * scale(&key_scales);
                    }
                    for (at, value) in values[start..start + dim].iter_mut().enumerate() {
                        let place = (at / TILE_ROWS * BLOCK_TOKENS + slot) * TILE_ROWS + at % TILE_ROWS;
                        *value = self.value(value_plane, place) * scale(&value_scales);
                    }
                }
            }
        }
    }

    /// Appends the first `count` of the `rows` positions that a graph made: keys and values `[kv_heads, rows, head_dim]` of each
    /// layer, one after the other.
    ///
    /// # Errors
    /// [`Shortage`] of the budget. What it holds stays as it was.
    ///
    /// # Panics
    /// When `made` has other extents.
    pub fn append(&mut self, made: &[Vec<f32>], rows: usize, count: usize) -> Result<(), Shortage> {
        let (start, dim) = (self.len, self.shape.head_dim);
        let plane = self.shape.kv_heads * rows * dim;
        let is_whole = made.len() == 2 * self.shape.layers && made.iter().all(|made| made.len() == plane);
        assert!(is_whole && count <= rows, "keys and values of {rows} positions");
        self.reserve(count)?;
        self.grow(count);
        for (layer, made) in made.chunks_exact(2).enumerate() {
            for row in 0..count {
                let of_row = |made: &Vec<f32>| -> Vec<f32> {
                    made.chunks_exact(rows * dim).flat_map(|head| &head[row * dim..(row + 1) * dim]).copied().collect()
                };
                self.write(layer, start + row, &of_row(&made[0]), &of_row(&made[1]));
            }
        }
        Ok(())
    }

    fn value(&self, plane: &[u8], at: usize) -> f32 {
        match self.shape.kind {
            CacheType::F16 => half::f16::from_le_bytes([plane[2 * at], plane[2 * at + 1]]).to_f32(),
            CacheType::F32 => {
                f32::from_le_bytes([plane[4 * at], plane[4 * at + 1], plane[4 * at + 2], plane[4 * at + 3]])
            }
            CacheType::Q8 => f32::from(plane[at].cast_signed()),
        }
    }
}

impl Scales<'_> {
    fn all(self) -> Vec<f32> {
        let mut scales = Vec::new();
        self.read(&mut scales);
        scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cache::CacheShape;

    #[test]
    fn what_was_written_is_read_as_it_was_rounded() {
        for (kind, tolerance) in [(CacheType::F32, 0.0), (CacheType::F16, 1e-3), (CacheType::Q8, 1e-2)] {
            let shape = CacheShape { layers: 2, kv_heads: 2, head_dim: 20, kind };
            let mut cache = KvCache::new(shape);
            let count = 37;
            cache.reserve(count).expect("no budget");
            cache.grow(count);
            let value =
                |position: usize, at: usize, plane: usize| ((position * 40 + at) * 2 + plane) as f32 * 0.37 % 1.0;
            let of = |position: usize, plane: usize| (0..40).map(|at| value(position, at, plane)).collect::<Vec<f32>>();
            for position in 0..count {
                cache.write(1, position, &of(position, 0), &of(position, 1));
            }
            check(&cache, &value, tolerance);
            // As a graph gives them, with rows behind that mean nothing.
            let rows = count + 3;
            let plane = |plane: usize| {
                let head = |head: usize| (0..rows).flat_map(move |row| (0..20).map(move |at| (row, head * 20 + at)));
                (0..2).flat_map(head).map(|(row, at)| value(row, at, plane)).collect::<Vec<f32>>()
            };
            let made = [plane(1), plane(0), plane(0), plane(1)];
            let mut appended = KvCache::new(shape);
            for (from, count) in [(0, 5), (5, count - 5)] {
                let shifted = |made: &Vec<f32>| -> Vec<f32> {
                    made.chunks_exact(rows * 20)
                        .flat_map(|head| [&head[from * 20..], &head[..from * 20]].concat())
                        .collect()
                };
                let made: Vec<Vec<f32>> = made.iter().map(shifted).collect();
                appended.append(&made, rows, count).expect("no budget");
            }
            check(&appended, &value, tolerance);
        }
    }

    /// Keys and values of layer 1, and nothing behind them.
    fn check(cache: &KvCache, value: &dyn Fn(usize, usize, usize) -> f32, tolerance: f32) {
        let (count, kind) = (cache.len(), cache.shape().kind);
        assert_eq!(count, 37);
        {
            let room = 40;
            let (mut keys, mut values) = (vec![9.0; 2 * room * 20], vec![9.0; 2 * room * 20]);
            cache.read(1, room, &mut keys, &mut values);
            for (plane, read) in [(0, &keys), (1, &values)] {
                for (head, read) in read.chunks_exact(room * 20).enumerate() {
                    for (position, read) in read.chunks_exact(20).enumerate() {
                        for (at, read) in read.iter().enumerate() {
                            let expected = if position < count { value(position, head * 20 + at, plane) } else { 9.0 };
                            assert!((read - expected).abs() <= tolerance, "{kind:?}: {read} for {expected}");
                        }
                    }
                }
            }
        }
    }
}
