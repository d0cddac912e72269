//! Keys and values of one sequence, in blocks of 16 tokens.
//!
//! Blocks are taken as the sequence grows, so memory follows its length, and are never moved. A block holds, for each layer
//! and key head, a plane of keys and a plane of values as the float kernels read a matrix: keys as `[head_dim, 16 tokens]`,
//! values as `[head_dim / 16, 16 tokens, 16]`, so that both products of attention are products with panels.

use crate::quant::TILE_ROWS;
use crate::weights::BlockType;

/// Tokens per block: the rows of a panel.
pub const BLOCK_TOKENS: usize = TILE_ROWS;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// Halves: what quantized and half-precision models lose nothing by.
    F16,
    /// Singles.
    F32,
}

impl CacheType {
    /// Bytes of a value.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

impl From<CacheType> for BlockType {
    fn from(kind: CacheType) -> Self {
        match kind {
            CacheType::F16 => Self::F16,
            CacheType::F32 => Self::F32,
        }
    }
}

/// The sizes that a cache depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers of the backbone.
    pub layers: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// How values are kept.
    pub kind: CacheType,
}

impl CacheShape {
    /// Panels of a plane of values.
    pub(crate) fn value_panels(self) -> usize {
        self.head_dim.div_ceil(TILE_ROWS)
    }

    /// Bytes of the keys of one head.
    fn keys(self) -> usize {
        BLOCK_TOKENS * self.head_dim * self.kind.bytes()
    }

    /// Bytes of the values of one head, the last panel filled up with zeros.
    fn values(self) -> usize {
        BLOCK_TOKENS * self.value_panels() * TILE_ROWS * self.kind.bytes()
    }

    fn block(self) -> usize {
        self.layers * self.kv_heads * (self.keys() + self.values())
    }
}

/// The key-value cache of one sequence. A clone copies its blocks: two continuations of one prompt.
#[derive(Clone, Debug)]
pub struct KvCache {
    shape: CacheShape,
    blocks: Vec<Box<[u8]>>,
    len: usize,
}

impl KvCache {
    /// An empty cache; allocates nothing yet.
    #[must_use]
    pub fn new(shape: CacheShape) -> Self {
        Self { shape, blocks: Vec::new(), len: 0 }
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

    /// Bytes of anonymous memory held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len() * self.shape.block()
    }

    /// Forgets every token from `len` on and frees whole blocks behind it.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.blocks.truncate(self.len.div_ceil(BLOCK_TOKENS));
    }

    /// Makes room for `count` more tokens and counts them as present; their keys and values are written next.
    pub(crate) fn grow(&mut self, count: usize) {
        self.len += count;
        let blocks = self.len.div_ceil(BLOCK_TOKENS);
        self.blocks.resize_with(blocks, || vec![0; self.shape.block()].into_boxed_slice());
    }

    /// Where the keys of a head begin in a block, in bytes; its values follow.
    fn start(&self, layer: usize, head: usize) -> usize {
        (layer * self.shape.kv_heads + head) * (self.shape.keys() + self.shape.values())
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
            let planes = &mut self.blocks[block][start..start + self.shape.keys() + self.shape.values()];
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

    /// Keys and values of one head in block `block`, as panels: one of `head_dim` inputs, and [`CacheShape::value_panels`]
    /// of [`BLOCK_TOKENS`] inputs.
    pub(crate) fn planes(&self, layer: usize, head: usize, block: usize) -> (&[u8], &[u8]) {
        let start = self.start(layer, head);
        self.blocks[block][start..start + self.shape.keys() + self.shape.values()].split_at(self.shape.keys())
    }
}
