//! The oracle: rows decoded to floats and multiplied one value after the other.

use super::format::{Format, GROUP, TILE_ROWS};
use super::pack::unpack_row;
use super::tile::Operands;
use crate::weights::BlockType;

/// # Safety
/// As [`super::tile::tiles`], on any processor.
pub(in crate::quant) unsafe fn tiles_scalar(kind: BlockType, at: Operands, tiles: usize) {
    let format = Format::of(kind).expect("invariant: only types with a layout are packed");
    let (bytes, cols) = (format.tile_bytes(at.groups), at.groups * GROUP);
    // SAFETY: the caller vouches for `tiles` tiles, `rows` rows of activations, and for output that nothing else uses.
    let (packed, codes, scales) = unsafe {
        (
            std::slice::from_raw_parts(at.tiles, tiles * bytes),
            std::slice::from_raw_parts(at.codes, at.rows * cols),
            std::slice::from_raw_parts(at.scales, at.rows * at.groups),
        )
    };
    let mut weights = vec![0.0; cols];
    for (tile, packed) in packed.chunks_exact(bytes).enumerate() {
        for row in 0..TILE_ROWS {
            unpack_row(format, packed, row, &mut weights);
            for m in 0..at.rows {
                let mut sum = 0.0f64;
                for (i, (weight, code)) in weights.iter().zip(&codes[m * cols..]).enumerate() {
                    let x = f64::from(*code) * f64::from(scales[m * at.groups + i / GROUP]);
                    sum += f64::from(*weight) * x;
                }
                // SAFETY: the caller vouches for 16 values per tile in each row of output.
                unsafe { *at.out.add(m * at.stride + tile * TILE_ROWS + row) = sum as f32 }
            }
        }
    }
}
