//! aarch64 kernels: NEON, which every 64-bit Arm processor has.

use std::arch::aarch64::*;

use super::lanes::Lanes;
use super::tile;
use super::{CACHE_LINE, Kernels};
use crate::weights::{BlockType, Decoder};

/// NEON is part of the architecture: always available.
pub(super) fn available() -> impl DoubleEndedIterator<Item = Kernels> {
    std::iter::once(Kernels { name: "neon", dequantize, prefetch, dots, axpy })
}

fn dequantize(kind: BlockType, data: &[u8], out: &mut [f32]) {
    kind.decode::<Neon>(data, out);
}

fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE) {
        // SAFETY: a prefetch reads no memory that the program could see. The intrinsic for it is not stable.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) line.as_ptr(), options(nostack, readonly, preserves_flags));
        }
    }
}

fn dots(weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    // SAFETY: NEON is always present; `dots` checks the lengths.
    unsafe { tile::dots::<Neon>(weights, xs, k, rows, out) }
}

fn axpy(scale: f32, xs: &[f32], out: &mut [f32]) {
    // SAFETY: NEON is always present.
    unsafe { tile::axpy::<Neon>(scale, xs, out) }
}

struct Neon;

impl Decoder for Neon {
    #[inline(always)]
    fn affine<const N: usize>(codes: &[u8; N], offset: f32, scale: f32, shift: f32, out: &mut [f32]) {
        // SAFETY: NEON is always present.
        unsafe { tile::affine::<Self, N>(codes, offset, scale, shift, out) }
    }

    #[inline(always)]
    fn nibbles<const N: usize>(bytes: &[u8; N], offset: f32, low: (f32, f32), high: (f32, f32), out: &mut [f32]) {
        // SAFETY: NEON is always present.
        unsafe { tile::nibbles::<Self, N>(bytes, offset, low, high, out) }
    }

    #[inline(always)]
    fn signed<const N: usize>(codes: &[u8; N], scale: f32, out: &mut [f32]) {
        // SAFETY: NEON is always present.
        unsafe { tile::signed::<Self, N>(codes, scale, out) }
    }
}

// SAFETY: each method is one or two NEON instructions on valid pointers, as the trait demands.
unsafe impl Lanes for Neon {
    type V = float32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for four readable values.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> float32x4_t {
        let mut padded = [0.0f32; 4];
        // SAFETY: the caller vouches for `count < 4` readable values.
        unsafe {
            std::ptr::copy_nonoverlapping(from, padded.as_mut_ptr(), count);
            vld1q_f32(padded.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: float32x4_t) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> float32x4_t {
        // SAFETY: the caller vouches for four readable bytes.
        unsafe {
            let bytes = vdup_n_u32(from.cast::<u32>().read_unaligned());
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(bytes)))))
        }
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> float32x4_t {
        // SAFETY: the caller vouches for four readable bytes.
        unsafe {
            let bytes = vdup_n_u32(from.cast::<u32>().read_unaligned());
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(bytes)))))
        }
    }

    #[inline(always)]
    unsafe fn widen_nibbles(from: *const u8) -> (float32x4_t, float32x4_t) {
        // SAFETY: the caller vouches for four readable bytes.
        unsafe {
            let bytes = vdup_n_u32(from.cast::<u32>().read_unaligned());
            let wide = vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(bytes))));
            let low = vandq_u32(wide, vdupq_n_u32(15));
            (vcvtq_f32_u32(low), vcvtq_f32_u32(vshrq_n_u32::<4>(wide)))
        }
    }

    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn sum(v: float32x4_t) -> f32 {
        // SAFETY: NEON is always present.
        unsafe { vaddvq_f32(v) }
    }
}
