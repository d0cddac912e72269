//! The sizes of a cache, and of its blocks.

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
    pub(super) fn keys(self) -> usize {
        BLOCK_TOKENS * self.head_dim * self.kind.bytes()
    }

    /// Bytes of the values of one head, the last panel filled up with zeros.
    pub(super) fn values(self) -> usize {
        BLOCK_TOKENS * self.value_panels() * TILE_ROWS * self.kind.bytes()
    }

    /// Bytes of a block: keys and values of [`BLOCK_TOKENS`] tokens.
    #[must_use]
    pub fn block(self) -> usize {
        self.layers * self.kv_heads * (self.keys() + self.values())
    }
}
