//! Decoders of ggml's block layouts, one function per type.
//!
//! They read bytes, so alignment never matters, and are written as plain counted loops over one block: the kernels
//! compile these same functions again with wider vector features. Layouts: `ggml-common.h` in the ggml repository.
//! Bits are multiplied by scales in f32 in ggml's order, so values are equal to its own to the last bit.

/// IEEE half to single. Exact for every finite half: moving the bits into place leaves the exponent 112 too small,
/// which one multiplication by 2^112 mends, subnormals included.
#[inline(always)]
pub(crate) fn half(lo: u8, hi: u8) -> f32 {
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let h = u32::from(u16::from_le_bytes([lo, hi]));
    let magnitude = h & 0x7fff;
    let finite = f32::from_bits(magnitude << 13) * SCALE;
    let special = f32::from_bits((magnitude << 13) | 0x7f80_0000);
    let value = if magnitude >= 0x7c00 { special } else { finite };
    f32::from_bits(value.to_bits() | (h & 0x8000) << 16)
}

/// The arithmetic of decoding, which kernels replace by vector instructions. The scalar form here is the reference.
pub(crate) trait Decoder {
    /// `out[i] = (codes[i] + offset) * scale + shift`, rounded after each step.
    #[inline(always)]
    fn affine<const N: usize>(codes: &[u8; N], offset: f32, scale: f32, shift: f32, out: &mut [f32]) {
        for (y, &code) in out.iter_mut().zip(codes) {
            *y = (f32::from(code) + offset) * scale + shift;
        }
    }

    /// The low four bits of each byte through `low`'s scale and shift into the first `N` values, the high four through
    /// `high`'s into the rest.
    #[inline(always)]
    fn nibbles<const N: usize>(bytes: &[u8; N], offset: f32, low: (f32, f32), high: (f32, f32), out: &mut [f32]) {
        let (codes_low, codes_high) = nibbles(bytes);
        let (out_low, out_high) = out.split_at_mut(N);
        Self::affine(&codes_low, offset, low.0, low.1, out_low);
        Self::affine(&codes_high, offset, high.0, high.1, out_high);
    }

    /// `out[i] = codes[i] * scale`, the codes as signed bytes.
    #[inline(always)]
    fn signed<const N: usize>(codes: &[u8; N], scale: f32, out: &mut [f32]) {
        for (y, &code) in out.iter_mut().zip(codes) {
            *y = f32::from(code.cast_signed()) * scale;
        }
    }

    /// Halves to singles.
    #[inline(always)]
    fn halves(data: &[u8], out: &mut [f32]) {
        for (bytes, y) in data.chunks_exact(2).zip(out) {
            *y = half(bytes[0], bytes[1]);
        }
    }
}

/// Plain loops.
pub(crate) struct Scalar;

impl Decoder for Scalar {}

/// A part of a block as an array.
#[inline(always)]
fn part<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..at + N].first_chunk().expect("invariant: blocks have their full size")
}

/// The low four bits of each byte, then the high four.
#[inline(always)]
fn nibbles<const N: usize>(bytes: &[u8; N]) -> ([u8; N], [u8; N]) {
    let (mut low, mut high) = ([0; N], [0; N]);
    for j in 0..N {
        low[j] = bytes[j] & 15;
        high[j] = bytes[j] >> 4;
    }
    (low, high)
}

#[inline(always)]
pub(super) fn f32(data: &[u8], out: &mut [f32]) {
    for (bytes, y) in data.chunks_exact(4).zip(out) {
        *y = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
}

#[inline(always)]
pub(super) fn bf16(data: &[u8], out: &mut [f32]) {
    for (bytes, y) in data.chunks_exact(2).zip(out) {
        *y = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
    }
}

#[inline(always)]
pub(super) fn q4_0<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(18).zip(out.chunks_exact_mut(32)) {
        let d = half(block[0], block[1]);
        D::nibbles(part::<16>(block, 2), -8.0, (d, 0.0), (d, 0.0), y);
    }
}

#[inline(always)]
pub(super) fn q4_1<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(20).zip(out.chunks_exact_mut(32)) {
        let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
        D::nibbles(part::<16>(block, 4), 0.0, (d, m), (d, m), y);
    }
}

/// Adds the fifth bits of 32 elements to their low four.
#[inline(always)]
fn fives(bits: &[u8; 4], bytes: &[u8; 16]) -> ([u8; 16], [u8; 16]) {
    let (mut low, mut high) = nibbles(bytes);
    let bits = u32::from_le_bytes(*bits);
    for j in 0..16 {
        low[j] |= ((bits >> j & 1) << 4) as u8;
        high[j] |= ((bits >> (j + 16) & 1) << 4) as u8;
    }
    (low, high)
}

#[inline(always)]
pub(super) fn q5_0<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(22).zip(out.chunks_exact_mut(32)) {
        let d = half(block[0], block[1]);
        let (low, high) = fives(part(block, 2), part(block, 6));
        D::affine(&low, -16.0, d, 0.0, &mut y[..16]);
        D::affine(&high, -16.0, d, 0.0, &mut y[16..]);
    }
}

#[inline(always)]
pub(super) fn q5_1<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(24).zip(out.chunks_exact_mut(32)) {
        let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
        let (low, high) = fives(part(block, 4), part(block, 8));
        D::affine(&low, 0.0, d, m, &mut y[..16]);
        D::affine(&high, 0.0, d, m, &mut y[16..]);
    }
}

#[inline(always)]
pub(super) fn q8_0<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(34).zip(out.chunks_exact_mut(32)) {
        D::signed(part::<32>(block, 2), half(block[0], block[1]), y);
    }
}

/// Two bits of each byte.
#[inline(always)]
fn pairs<const N: usize>(bytes: &[u8; N], shift: usize) -> [u8; N] {
    let mut out = [0; N];
    for j in 0..N {
        out[j] = (bytes[j] >> shift) & 3;
    }
    out
}

#[inline(always)]
pub(super) fn q2_k<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(84).zip(out.chunks_exact_mut(256)) {
        let (d, dmin) = (half(block[80], block[81]), half(block[82], block[83]));
        // 16 groups of 16: two per (side of the block, shift of two bits).
        for (group, y) in y.chunks_exact_mut(16).enumerate() {
            let (side, shift, half) = (group / 8, group % 8 / 2 * 2, group % 2);
            let (scale, min) = (f32::from(block[group] & 15), f32::from(block[group] >> 4));
            let codes = pairs(part::<16>(block, 16 + side * 32 + half * 16), shift);
            D::affine(&codes, 0.0, d * scale, -(dmin * min), y);
        }
    }
}

#[inline(always)]
pub(super) fn q3_k<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(110).zip(out.chunks_exact_mut(256)) {
        let packed = part::<12>(block, 96);
        let d = half(block[108], block[109]);
        for (group, y) in y.chunks_exact_mut(16).enumerate() {
            // Six-bit scales: four low bits in bytes 0..8, two high bits in bytes 8..12.
            let four = if group < 8 { packed[group] & 15 } else { packed[group - 8] >> 4 };
            let two = (packed[8 + group % 4] >> (group / 4 * 2)) & 3;
            let (side, shift, half) = (group / 8, group % 8 / 2 * 2, group % 2);
            let mut codes = pairs(part::<16>(block, 32 + side * 32 + half * 16), shift);
            let mask = part::<16>(block, half * 16);
            let bit = side * 4 + shift / 2;
            for (code, mask) in codes.iter_mut().zip(mask) {
                *code |= (mask >> bit & 1) << 2;
            }
            D::affine(&codes, -4.0, d * (f32::from(four | two << 4) - 32.0), 0.0, y);
        }
    }
}

/// Six-bit scale and minimum of group `j` of a `Q4_K` or `Q5_K` block.
#[inline(always)]
fn scale_min(packed: &[u8; 12], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

#[inline(always)]
pub(super) fn q4_k<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(144).zip(out.chunks_exact_mut(256)) {
        let (d, dmin) = (half(block[0], block[1]), half(block[2], block[3]));
        let packed = part::<12>(block, 4);
        for (pair, y) in y.chunks_exact_mut(64).enumerate() {
            let ((s1, m1), (s2, m2)) = (scale_min(packed, pair * 2), scale_min(packed, pair * 2 + 1));
            let (low, high) = ((d * s1, -(dmin * m1)), (d * s2, -(dmin * m2)));
            D::nibbles(part::<32>(block, 16 + pair * 32), 0.0, low, high, y);
        }
    }
}

#[inline(always)]
pub(super) fn q5_k<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(176).zip(out.chunks_exact_mut(256)) {
        let (d, dmin) = (half(block[0], block[1]), half(block[2], block[3]));
        let (packed, bits) = (part::<12>(block, 4), part::<32>(block, 16));
        for (pair, y) in y.chunks_exact_mut(64).enumerate() {
            let (mut low, mut high) = nibbles(part::<32>(block, 48 + pair * 32));
            for j in 0..32 {
                low[j] |= (bits[j] >> (pair * 2) & 1) << 4;
                high[j] |= (bits[j] >> (pair * 2 + 1) & 1) << 4;
            }
            let ((s1, m1), (s2, m2)) = (scale_min(packed, pair * 2), scale_min(packed, pair * 2 + 1));
            D::affine(&low, 0.0, d * s1, -(dmin * m1), &mut y[..32]);
            D::affine(&high, 0.0, d * s2, -(dmin * m2), &mut y[32..]);
        }
    }
}

#[inline(always)]
pub(super) fn q6_k<D: Decoder>(data: &[u8], out: &mut [f32]) {
    for (block, y) in data.chunks_exact(210).zip(out.chunks_exact_mut(256)) {
        let scales = part::<16>(block, 192);
        let d = half(block[208], block[209]);
        for (group, y) in y.chunks_exact_mut(16).enumerate() {
            let (side, quarter, half) = (group / 8, group % 8 / 2, group % 2);
            let bytes = part::<16>(block, side * 64 + quarter % 2 * 32 + half * 16);
            let high = part::<16>(block, 128 + side * 32 + half * 16);
            let mut codes = [0; 16];
            for j in 0..16 {
                let four = if quarter < 2 { bytes[j] & 15 } else { bytes[j] >> 4 };
                codes[j] = four | (high[j] >> (quarter * 2) & 3) << 4;
            }
            D::affine(&codes, -32.0, d * f32::from(scales[group].cast_signed()), 0.0, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn every_half_converts_as_the_library_does() {
        for bits in 0..=u16::MAX {
            let [lo, hi] = bits.to_le_bytes();
            let (ours, theirs) = (half(lo, hi), half::f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
        }
    }
}
