//! The sizes of a cache, and of its blocks.

use crate::quant::{Element, TILE_ROWS};

/// Tokens per block: the rows of a panel.
pub const BLOCK_TOKENS: usize = TILE_ROWS;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// Halves: what quantized and half-precision models lose nothing by.
    F16,
    /// Singles.
    F32,
    /// Bytes, with one scale for the keys and one for the values of a token and a head: a little more than half of what halves
    /// take.
    Q8,
}

/// Bytes of a scale: a single, since keys and values may be beyond the range of halves, or far below it.
pub(super) const SCALE: usize = size_of::<f32>();

impl CacheType {
    /// Bytes of a value, without its scale.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::Q8 => 1,
        }
    }
}

impl From<CacheType> for Element {
    fn from(kind: CacheType) -> Self {
        match kind {
            CacheType::F16 => Self::F16,
            CacheType::F32 => Self::F32,
            CacheType::Q8 => Self::I8,
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

    /// Bytes of the scales of the keys, or of the values, of one head.
    pub(super) fn scales(self) -> usize {
        if self.kind == CacheType::Q8 { BLOCK_TOKENS * SCALE } else { 0 }
    }

    /// Bytes of the keys and the values of one head, and of their scales.
    pub(super) fn head(self) -> usize {
        self.keys() + self.values() + 2 * self.scales()
    }

    /// Bytes of a block: keys and values of [`BLOCK_TOKENS`] tokens.
    #[must_use]
    pub fn block(self) -> usize {
        self.layers * self.kv_heads * self.head()
    }
}
