//! Keys and values of one sequence, in blocks of 16 tokens.
//!
//! Blocks are taken as the sequence grows, so memory follows its length, and are never moved. Sequences that begin alike may
//! share blocks. A block holds, for each layer
//! and key head, a plane of keys and a plane of values as the float kernels read a matrix: keys as `[head_dim, 16 tokens]`,
//! values as `[head_dim / 16, 16 tokens, 16]`, so that both products of attention are products with panels. Planes of bytes are
//! followed by one scale for each token's keys, and one for its values: a product with a token's keys is multiplied by the one,
//! its weight by the other.

mod block;
mod read;
mod shape;

use std::sync::Arc;

pub use block::CacheBlock;
pub use shape::{BLOCK_TOKENS, CacheShape, CacheType};

use shape::SCALE;

use crate::budget::{Budget, Shortage};
use crate::quant::TILE_ROWS;

/// The key-value cache of one sequence. A clone shares its blocks, until one of both writes to them: two continuations of one
/// prompt.
#[derive(Clone, Debug)]
pub struct KvCache {
    shape: CacheShape,
    blocks: Vec<Arc<CacheBlock>>,
    len: usize,
    budget: Option<Arc<Budget>>,
}

impl KvCache {
    /// An empty cache, which no budget bounds; allocates nothing yet.
    #[must_use]
    pub fn new(shape: CacheShape) -> Self {
        Self { shape, blocks: Vec::new(), len: 0, budget: None }
    }

    /// An empty cache, whose blocks are taken from `budget`.
    #[must_use]
    pub fn within(shape: CacheShape, budget: Arc<Budget>) -> Self {
        Self { budget: Some(budget), ..Self::new(shape) }
    }

    /// Continues after whole blocks, in place of all that it held.
    pub(crate) fn resume(&mut self, blocks: Vec<Arc<CacheBlock>>, len: usize) {
        assert!(len <= blocks.len() * BLOCK_TOKENS, "invariant: tokens are in blocks");
        self.len = len;
        self.blocks = blocks;
    }

    /// Its blocks, the last of which may be filled in part.
    #[must_use]
    pub fn blocks(&self) -> &[Arc<CacheBlock>] {
        &self.blocks[..self.len.div_ceil(BLOCK_TOKENS)]
    }

    /// Tokens that the cache holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sizes it was made for.
    #[must_use]
    pub fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Bytes of anonymous memory held, those that are shared with others included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len() * self.shape.block()
    }

    /// Forgets every token from `len` on and frees whole blocks behind it.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.blocks.truncate(self.len.div_ceil(BLOCK_TOKENS));
    }

    /// Makes room for `count` more tokens: takes blocks, and copies those that are shared.
    ///
    /// # Errors
    /// [`Shortage`] of the budget. What it holds stays as it was.
    pub fn reserve(&mut self, count: usize) -> Result<(), Shortage> {
        for at in self.len / BLOCK_TOKENS..(self.len + count).div_ceil(BLOCK_TOKENS) {
            match self.blocks.get_mut(at) {
                None => self.blocks.push(CacheBlock::new(self.shape, self.budget.as_ref())?),
                Some(block) if CacheBlock::is_shared(block) => *block = block.copy(self.budget.as_ref())?,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Counts `count` more tokens, which there is room for, as present; their keys and values are written next.
    pub(crate) fn grow(&mut self, count: usize) {
        self.len += count;
        assert!(self.len <= self.blocks.len() * BLOCK_TOKENS, "invariant: there is room");
    }

    /// Where the keys of a head begin in a block, in bytes; its values follow.
    fn start(&self, layer: usize, head: usize) -> usize {
        (layer * self.shape.kv_heads + head) * self.shape.head()
    }

    /// Writes the keys and values of all heads at `position`, rounded to the cache's type.
    pub(crate) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        match self.shape.kind {
            // Beyond the range of halves lies infinity, which would make a value that a query does not see, and so weighs
            // with zero, no number.
            CacheType::F16 => self.write_as(layer, position, keys, values, |v| {
                half::f16::from_f32(v.clamp(f32::from(half::f16::MIN), f32::from(half::f16::MAX))).to_le_bytes()
            }),
            CacheType::F32 => self.write_as(layer, position, keys, values, f32::to_le_bytes),
            CacheType::Q8 => self.write_codes(layer, position, keys, values),
        }
    }

    fn write_as<const N: usize>(
        &mut self,
        layer: usize,
        position: usize,
        keys: &[f32],
        values: &[f32],
        bytes: impl Fn(f32) -> [u8; N],
    ) {
        let dim = self.shape.head_dim;
        let (block, slot) = (position / BLOCK_TOKENS, position % BLOCK_TOKENS);
        for (head, (keys, values)) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate() {
            let start = self.start(layer, head);
            let end = start + self.shape.keys() + self.shape.values();
            let own = CacheBlock::own(&mut self.blocks[block]).expect("invariant: its room was reserved");
            let planes = &mut own[start..end];
            let (key_plane, value_plane) = planes.split_at_mut(self.shape.keys());
            for (column, &key) in key_plane.chunks_exact_mut(BLOCK_TOKENS * N).zip(keys) {
                column[slot * N..(slot + 1) * N].copy_from_slice(&bytes(key));
            }
            for (panel, values) in
                value_plane.chunks_exact_mut(BLOCK_TOKENS * TILE_ROWS * N).zip(values.chunks(TILE_ROWS))
            {
                let row = &mut panel[slot * TILE_ROWS * N..(slot + 1) * TILE_ROWS * N];
                row.chunks_exact_mut(N).zip(values).for_each(|(out, &value)| out.copy_from_slice(&bytes(value)));
            }
        }
    }

    fn write_codes(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let (shape, dim) = (self.shape, self.shape.head_dim);
        let (block, slot) = (position / BLOCK_TOKENS, position % BLOCK_TOKENS);
        for (head, (keys, values)) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate() {
            let start = self.start(layer, head);
            let own = CacheBlock::own(&mut self.blocks[block]).expect("invariant: its room was reserved");
            let (key_plane, rest) = own[start..start + shape.head()].split_at_mut(shape.keys());
            let (value_plane, scales) = rest.split_at_mut(shape.values());
            let (key_scales, value_scales) = scales.split_at_mut(shape.scales());
            let (scale, steps) = step(keys);
            key_scales[slot * SCALE..(slot + 1) * SCALE].copy_from_slice(&scale.to_le_bytes());
            for (column, &key) in key_plane.chunks_exact_mut(BLOCK_TOKENS).zip(keys) {
                column[slot] = code(key, steps);
            }
            let (scale, steps) = step(values);
            value_scales[slot * SCALE..(slot + 1) * SCALE].copy_from_slice(&scale.to_le_bytes());
            for (panel, values) in value_plane.chunks_exact_mut(BLOCK_TOKENS * TILE_ROWS).zip(values.chunks(TILE_ROWS))
            {
                let row = &mut panel[slot * TILE_ROWS..(slot + 1) * TILE_ROWS];
                row.iter_mut().zip(values).for_each(|(out, &value)| *out = code(value, steps));
            }
        }
    }

    /// Keys and values of one head in block `block`, as panels: one of `head_dim` inputs, and [`CacheShape::value_panels`]
    /// of [`BLOCK_TOKENS`] inputs.
    pub(crate) fn planes(&self, layer: usize, head: usize, block: usize) -> (&[u8], &[u8]) {
        let start = self.start(layer, head);
        self.blocks[block].bytes()[start..start + self.shape.keys() + self.shape.values()].split_at(self.shape.keys())
    }

    /// The scales of the keys and of the values of one head in block `block`, one for each token; none but for bytes.
    pub(crate) fn scales(&self, layer: usize, head: usize, block: usize) -> (Scales<'_>, Scales<'_>) {
        let start = self.start(layer, head) + self.shape.keys() + self.shape.values();
        let scales = &self.blocks[block].bytes()[start..start + 2 * self.shape.scales()];
        let (keys, values) = scales.split_at(self.shape.scales());
        (Scales(keys), Scales(values))
    }
}

/// Scales of a block's tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales<'a>(&'a [u8]);

impl Scales<'_> {
    /// Appends them to `out`.
    pub(crate) fn read(self, out: &mut Vec<f32>) {
        out.extend(self.0.as_chunks::<SCALE>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
}

/// The greatest value of a plane of bytes: its scale times 127 is finite, however that is rounded.
const LARGEST: f32 = f32::MAX * 0.99;

/// The scale of values that are kept as codes from -127 to 127, and codes per unit. Finite also where a value is not: one that a
/// query does not see weighs with zero, which makes a number of numbers only.
fn step(values: &[f32]) -> (f32, f32) {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs())).min(LARGEST);
    if largest == 0.0 { (0.0, 0.0) } else { (largest / 127.0, 127.0 / largest) }
}

fn code(value: f32, steps: f32) -> u8 {
    ((value * steps).round_ties_even() as i8).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// Each value within half a step of what was written, whatever its neighbours, and the others' steps are their own.
        #[test]
        fn bytes_are_within_half_a_step(head_dim in 1usize..40, exponents in prop::collection::vec(-60i32..60, 20), seed in 0u32..1000) {
            let shape = CacheShape { layers: 2, kv_heads: 2, head_dim, kind: CacheType::Q8 };
            let mut cache = KvCache::new(shape);
            cache.reserve(exponents.len()).expect("no budget");
            cache.grow(exponents.len());
            let value = |position: usize, index: usize, plane: u32| {
                let hash = (index as u32 * 31 + position as u32 * 7 + plane * 3 + seed).wrapping_mul(2_654_435_761);
                (f64::from(hash) / f64::from(u32::MAX) - 0.5) as f32 * 2f32.powi(exponents[position])
            };
            let of = |position: usize, plane: u32| -> Vec<f32> { (0..2 * head_dim).map(|i| value(position, i, plane)).collect() };
            for position in 0..exponents.len() {
                cache.write(1, position, &of(position, 0), &of(position, 1));
            }
            for position in 0..exponents.len() {
                let (block, slot) = (position / BLOCK_TOKENS, position % BLOCK_TOKENS);
                for head in 0..2 {
                    let ((keys, values), scales) = (cache.planes(1, head, block), cache.scales(1, head, block));
                    let (mut key_scales, mut value_scales) = (Vec::new(), Vec::new());
                    scales.0.read(&mut key_scales);
                    scales.1.read(&mut value_scales);
                    let own = |plane: u32| of(position, plane)[head * head_dim..(head + 1) * head_dim].to_vec();
                    for (i, key) in own(0).into_iter().enumerate() {
                        let kept = f32::from(keys[i * BLOCK_TOKENS + slot].cast_signed()) * key_scales[slot];
                        prop_assert!((kept - key).abs() <= 0.501 * key_scales[slot], "{kept} for {key}");
                    }
                    for (i, value) in own(1).into_iter().enumerate() {
                        let at = (i / TILE_ROWS * BLOCK_TOKENS + slot) * TILE_ROWS + i % TILE_ROWS;
                        let kept = f32::from(values[at].cast_signed()) * value_scales[slot];
                        prop_assert!((kept - value).abs() <= 0.501 * value_scales[slot], "{kept} for {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn scales_are_finite_whatever_the_values() {
        for values in [
            vec![0.0, -0.0],
            vec![f32::INFINITY, 1.0],
            vec![f32::NAN, 2.0],
            vec![f32::MAX, f32::MIN],
            vec![1e-45, -1e-40],
        ] {
            let (scale, steps) = step(&values);
            for value in values {
                assert!((f32::from(code(value, steps).cast_signed()) * scale).is_finite(), "{value}");
            }
        }
    }
}
