//! aarch64 kernels: NEON, which every 64-bit Arm processor has.

use std::arch::aarch64::*;
use std::arch::asm;

use super::lanes::Lanes;
use super::tile;
use super::{CACHE_LINE, Kernels, rows};
use crate::quant::{packed, panel};
use crate::weights::{BlockType, Decoder};

/// NEON is part of the architecture; the others are found at run time. Slowest first.
pub(super) fn available() -> impl DoubleEndedIterator<Item = Kernels> {
    let dotprod = std::arch::is_aarch64_feature_detected!("dotprod");
    let i8mm = dotprod && std::arch::is_aarch64_feature_detected!("i8mm");
    [(true, NEON), (dotprod, DOTPROD), (i8mm, I8MM)].into_iter().filter_map(|(runs, kernels)| runs.then_some(kernels))
}

const NEON: Kernels = Kernels {
    name: "neon",
    dequantize,
    prefetch,
    dots,
    axpy,
    rows: rows::PLAIN,
    quantize: packed::quantize,
    quantize_rows: packed::quantize_rows,
    together: 1,
    tiles: packed::tiles_neon,
    even: packed::even_neon,
    panels,
    blend,
    up: packed::up_neon,
};
const DOTPROD: Kernels = Kernels {
    name: "neon-dotprod",
    tiles: packed::tiles_dotprod,
    even: packed::even_dotprod,
    up: packed::up_dotprod,
    ..NEON
};
const I8MM: Kernels =
    Kernels { name: "neon-i8mm", tiles: packed::tiles_i8mm, even: packed::even_i8mm, up: packed::up_i8mm, ..NEON };

/// # Safety
/// As [`panel::panels`].
unsafe fn panels(element: panel::Element, at: panel::Operands, panels: usize) {
    // SAFETY: the caller's promise; NEON is always present.
    unsafe { panel::panels::<Neon>(element, at, panels) }
}

/// # Safety
/// As [`panel::blend`].
unsafe fn blend(element: panel::Element, at: panel::Blend) {
    // SAFETY: the caller's promise; NEON is always present.
    unsafe { panel::blend::<Neon>(element, at) }
}

/// Four halves to singles. The intrinsic for it is not stable.
#[inline(always)]
fn widen_halves(halves: uint8x8_t) -> float32x4_t {
    let wide: float32x4_t;
    // SAFETY: arithmetic on registers, with an instruction that every 64-bit Arm processor has.
    unsafe {
        asm!("fcvtl {wide:v}.4s, {halves:v}.4h", wide = lateout(vreg) wide, halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags));
    }
    wide
}

/// Asks for a cache line. The intrinsic for it is not stable.
#[inline(always)]
fn prefetch_line(from: *const u8) {
    // SAFETY: a prefetch reads no memory that the program could see.
    unsafe { asm!("prfm pldl1keep, [{}]", in(reg) from, options(nostack, readonly, preserves_flags)) }
}

fn dequantize(kind: BlockType, data: &[u8], out: &mut [f32]) {
    kind.decode::<Neon>(data, out);
}

fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE) {
        prefetch_line(line.as_ptr());
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

/// Four floats.
pub(in crate::quant) struct Neon;

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
    unsafe fn halves(from: *const u8) -> float32x4_t {
        // SAFETY: the caller vouches for eight readable bytes.
        widen_halves(unsafe { vld1_u8(from) })
    }

    #[inline(always)]
    unsafe fn brains(from: *const u8) -> float32x4_t {
        // SAFETY: the caller vouches for eight readable bytes.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(from)))) }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        prefetch_line(from);
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
