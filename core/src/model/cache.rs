//! Keys and values of one sequence, in blocks of 16 tokens.
//!
//! Blocks are taken as the sequence grows, so memory follows its length, and are never moved. Within a block the layout
//! is `[layer, key or value, head, token, head_dim]`: one head's keys of a block are contiguous.

/// Tokens per block.
pub const BLOCK_TOKENS: usize = 16;

/// The sizes that a cache depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers of the backbone.
    pub layers: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl CacheShape {
    fn plane(self) -> usize {
        BLOCK_TOKENS * self.head_dim
    }

    fn block(self) -> usize {
        self.layers * 2 * self.kv_heads * self.plane()
    }
}

/// The key-value cache of one sequence, f32. A clone copies its blocks: two continuations of one prompt.
#[derive(Clone, Debug)]
pub struct KvCache {
    shape: CacheShape,
    blocks: Vec<Box<[f32]>>,
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
        self.blocks.len() * self.shape.block() * size_of::<f32>()
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
        self.blocks.resize_with(blocks, || vec![0.0; self.shape.block()].into_boxed_slice());
    }

    fn start(&self, layer: usize, values: usize, head: usize) -> usize {
        ((layer * 2 + values) * self.shape.kv_heads + head) * self.shape.plane()
    }

    /// Writes the keys and values of all heads at `position`.
    pub(crate) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let dim = self.shape.head_dim;
        let (block, slot) = (position / BLOCK_TOKENS, position % BLOCK_TOKENS * dim);
        for (kind, source) in [keys, values].into_iter().enumerate() {
            for (head, row) in source.chunks_exact(dim).enumerate() {
                let at = self.start(layer, kind, head) + slot;
                self.blocks[block][at..at + dim].copy_from_slice(row);
            }
        }
    }

    /// Keys and values of one head in block `block`: `[BLOCK_TOKENS, head_dim]` each.
    pub(crate) fn planes(&self, layer: usize, head: usize, block: usize) -> (&[f32], &[f32]) {
        let (keys, values, plane) = (self.start(layer, 0, head), self.start(layer, 1, head), self.shape.plane());
        let data = &self.blocks[block];
        (&data[keys..keys + plane], &data[values..values + plane])
    }
}
