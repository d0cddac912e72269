//! The oracle: one output after the other, summed in f64.

use super::tile::{Element, Operands};
use crate::quant::packed::TILE_ROWS;
use crate::weights::BlockType;

/// # Safety
/// As [`super::tile::panels`], on any processor.
pub(in crate::quant) unsafe fn panels_scalar(element: Element, at: Operands, panels: usize) {
    let kind = BlockType::from(element);
    let bytes = kind.bytes(TILE_ROWS);
    let mut weights = [0.0f32; TILE_ROWS];
    for panel in 0..panels {
        for m in 0..at.rows {
            let mut sums = [0.0f64; TILE_ROWS];
            for k in 0..at.cols {
                // SAFETY: the caller vouches for `panels` panels of `cols` inputs, and for rows of `cols` activations.
                let (data, x) = unsafe {
                    let data = at.panels.add((panel * at.cols + k) * bytes);
                    (std::slice::from_raw_parts(data, bytes), *at.xs.add(m * at.cols + k))
                };
                kind.dequantize(data, &mut weights);
                for (sum, &weight) in sums.iter_mut().zip(&weights) {
                    *sum += f64::from(weight) * f64::from(x);
                }
            }
            for (n, sum) in sums.into_iter().enumerate() {
                // SAFETY: the caller vouches for 16 values per panel in each row of output.
                unsafe { *at.out.add(m * at.stride + panel * TILE_ROWS + n) = sum as f32 }
            }
        }
    }
}
