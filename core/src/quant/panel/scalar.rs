//! The oracle: one output after the other, summed in f64.

use super::blend::Blend;
use super::tile::{Element, Operands};
use crate::quant::packed::TILE_ROWS;

/// # Safety
/// As [`super::tile::panels`], on any processor.
pub(in crate::quant) unsafe fn panels_scalar(element: Element, at: Operands, panels: usize) {
    let bytes = element.panel_bytes(at.cols);
    for panel in 0..panels {
        // SAFETY: the caller vouches for `panels` panels of `cols` inputs.
        let data = unsafe { std::slice::from_raw_parts(at.panels.at(panel, bytes), bytes) };
        for m in 0..at.rows {
            // SAFETY: the caller vouches for `rows` rows of `cols` activations.
            let xs = unsafe { std::slice::from_raw_parts(at.xs.add(m * at.cols), at.cols) };
            for n in 0..TILE_ROWS {
                let weights = data.chunks_exact(TILE_ROWS * element.bytes());
                let products = weights.zip(xs).map(|(weights, &x)| f64::from(element.read(weights, n)) * f64::from(x));
                let sum = products.sum::<f64>();
                // SAFETY: the caller vouches for 16 values per panel in each row of output.
                unsafe { *at.out.add(m * at.stride + panel * TILE_ROWS + n) = sum as f32 }
            }
        }
    }
}

/// # Safety
/// As [`super::blend::blend`], on any processor.
pub(in crate::quant) unsafe fn blend_scalar(element: Element, at: Blend) {
    let panel_bytes = element.panel_bytes(at.cols);
    for m in 0..at.rows {
        for panel in 0..at.panels {
            for n in 0..TILE_ROWS {
                let mut sum = 0.0f64;
                for plane in 0..at.count {
                    // SAFETY: the caller vouches for `count` planes of `panels` panels, and for `cols` weights of each.
                    let (data, weights) = unsafe {
                        let start = (*at.planes.add(plane)).add(panel * panel_bytes);
                        let weights = at.weights.add(m * at.weight_stride + plane * at.cols);
                        (std::slice::from_raw_parts(start, panel_bytes), std::slice::from_raw_parts(weights, at.cols))
                    };
                    for (values, weight) in data.chunks_exact(TILE_ROWS * element.bytes()).zip(weights) {
                        sum += f64::from(element.read(values, n)) * f64::from(*weight);
                    }
                }
                // SAFETY: the caller vouches for 16 values per panel in each row of output.
                unsafe { *at.out.add(m * at.stride + panel * TILE_ROWS + n) = sum as f32 }
            }
        }
    }
}
