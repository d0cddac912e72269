//! How packed weights lie in memory.
//!
//! A matrix is cut into tiles of [`TILE_ROWS`] output rows, and a tile into groups of [`GROUP`] inputs. One register
//! holds four inputs of each row of a tile, so a dot product instruction advances all rows at once and no sum across
//! lanes is ever needed. Every processor reads the same bytes: a 16-byte register holds a quarter of a tile's rows, a
//! 32-byte one a half, a 64-byte one all.
//!
//! A tile is its code plane, then its scale plane, then, for the nested types, the plane of what 256 inputs share;
//! the next tile begins at a multiple of 64 bytes. Within a group, byte `4 * row + b` of register `i` holds
//!
//! - eight bits: input `4 i + b`, plus 128;
//! - four bits: inputs `8 i + b` (low) and `8 i + 4 + b` (high);
//! - the fifth bit: one register, bit `j` for input `4 j + b`;
//! - the fifth and sixth: two registers, bits `2 j` and `2 j + 1` of register `h` for input `16 h + 4 j + b`.

use crate::weights::BlockType;

/// Changes whenever packed bytes change their meaning: part of the name under which they are stored.
pub const LAYOUT_VERSION: u32 = 1;
/// Output rows per tile.
pub const TILE_ROWS: usize = 16;
/// Inputs per group, which share a scale.
pub const GROUP: usize = 32;
/// Groups per block of the nested types.
pub(super) const NESTED: usize = 8;

/// How codes become weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scaling {
    /// `scale * (code - zero)`: a half per row and group.
    Symmetric {
        /// The code of weight zero.
        zero: u8,
    },
    /// `scale * code + minimum`: two halves per row and group.
    Affine,
    /// `d * scale * code - dmin * minimum`: two bytes per row and group, two halves per row and 256 inputs.
    Nested,
    /// `d * scale * (code - 32)`: a signed byte per row and 16 inputs, a half per row and 256 inputs.
    Signed,
}

/// Layout of one block type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits per code: 4, 5, 6 or 8.
    pub(super) bits: u8,
    pub(super) scaling: Scaling,
}

impl Format {
    /// The layout for a block type; `None` for those that are multiplied as the file has them.
    pub(super) const fn of(kind: BlockType) -> Option<Self> {
        let (bits, scaling) = match kind {
            BlockType::Q4_0 => (4, Scaling::Symmetric { zero: 8 }),
            BlockType::Q4_1 => (4, Scaling::Affine),
            BlockType::Q4_K => (4, Scaling::Nested),
            BlockType::Q5_0 => (5, Scaling::Symmetric { zero: 16 }),
            BlockType::Q5_1 => (5, Scaling::Affine),
            BlockType::Q5_K => (5, Scaling::Nested),
            BlockType::Q6_K => (6, Scaling::Signed),
            BlockType::Q8_0 => (8, Scaling::Symmetric { zero: 128 }),
            BlockType::F32 | BlockType::F16 | BlockType::BF16 | BlockType::Q2_K | BlockType::Q3_K => return None,
        };
        Some(Self { bits, scaling })
    }

    /// Bytes of codes per tile and group.
    pub(super) const fn code_bytes(self) -> usize {
        TILE_ROWS * GROUP / 8 * self.bits as usize
    }

    /// Bytes of scales per tile and group.
    pub(super) const fn scale_bytes(self) -> usize {
        match self.scaling {
            Scaling::Symmetric { .. } | Scaling::Nested | Scaling::Signed => 2 * TILE_ROWS,
            Scaling::Affine => 4 * TILE_ROWS,
        }
    }

    /// Bytes per tile and [`NESTED`] groups.
    pub(super) const fn nested_bytes(self) -> usize {
        match self.scaling {
            Scaling::Symmetric { .. } | Scaling::Affine => 0,
            Scaling::Nested => 4 * TILE_ROWS,
            Scaling::Signed => 2 * TILE_ROWS,
        }
    }

    /// Where the scale plane of a tile of `groups` groups begins.
    pub(super) const fn scales_at(self, groups: usize) -> usize {
        groups * self.code_bytes()
    }

    /// Where the plane of what 256 inputs share begins.
    pub(super) const fn nested_at(self, groups: usize) -> usize {
        groups * (self.code_bytes() + self.scale_bytes())
    }

    /// Bytes of a tile of `groups` groups.
    pub(super) const fn tile_bytes(self, groups: usize) -> usize {
        (self.nested_at(groups) + groups / NESTED * self.nested_bytes()).next_multiple_of(64)
    }
}
