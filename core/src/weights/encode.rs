//! Encoders of the block layouts that [`super::quantize`] writes.
//!
//! They follow the reference quantization of ggml's `gguf` package step by step, in the same precision and with the same
//! rounding, so that blocks are equal to its own bit for bit.

use half::f16;

/// Values of a block.
const BLOCK: usize = 32;

/// The scale as it is stored, and the bytes before the codes.
fn scale(d: f32) -> [u8; 2] {
    f16::from_f32(d).to_le_bytes()
}

fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// 32 codes of eight bits with one scale: the largest magnitude becomes 127.
pub(super) fn q8_0(values: &[f32], out: &mut Vec<u8>) {
    for block in values.as_chunks::<BLOCK>().0 {
        let d = block.iter().fold(0.0f32, |largest, v| largest.max(v.abs())) / 127.0;
        out.extend(scale(d));
        let id = inverse(d);
        // Half away from zero. Codes are within 127 by the choice of the scale.
        out.extend(block.map(|v| ((v * id).round() as i8).cast_unsigned()));
    }
}

/// As [`q8_0`] with the same scale in all blocks of a row.
pub(super) fn q8_0_row(values: &[f32], out: &mut Vec<u8>) {
    let d = values.iter().fold(0.0f32, |largest, v| largest.max(v.abs())) / 127.0;
    let (stored, id) = (scale(d), inverse(f16::from_f32(d).to_f32()));
    for block in values.as_chunks::<BLOCK>().0 {
        out.extend(stored);
        // The scale may have been rounded down.
        out.extend(block.map(|v| ((v * id).round().clamp(-127.0, 127.0) as i8).cast_unsigned()));
    }
}

/// 32 codes of four bits with one scale: the value of the largest magnitude, of either sign, becomes -8.
pub(super) fn q4_0(values: &[f32], out: &mut Vec<u8>) {
    for block in values.as_chunks::<BLOCK>().0 {
        // The first of equal magnitudes.
        let largest = block.iter().fold(0.0f32, |largest, &v| if v.abs() > largest.abs() { v } else { largest });
        let d = largest / -8.0;
        out.extend(scale(d));
        let id = f64::from(inverse(d));
        let code = |v: f32| (f64::from(v) * id + 8.5).trunc().clamp(0.0, 15.0) as u8;
        let (low, high) = block.split_at(BLOCK / 2);
        out.extend(low.iter().zip(high).map(|(&low, &high)| code(low) | code(high) << 4));
    }
}
