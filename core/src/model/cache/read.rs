//! Keys and values as floats, for processors that keep none.

use super::shape::{BLOCK_TOKENS, CacheType};
use super::{KvCache, Scales};
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
