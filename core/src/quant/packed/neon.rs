//! aarch64: NEON, its dot products, and its products of matrices (i8mm).
//!
//! The instructions beyond plain NEON are written in assembly: the intrinsics for them are not stable.

use std::arch::aarch64::*;
use std::arch::asm;
use std::marker::PhantomData;

use super::dots;
use super::even::{self, EvenOperands};
use super::simd::Simd;
use super::tile::{self, Layout, Operands};
use super::up::{self, UpOperands};
use crate::quant::kernel;
use crate::weights::BlockType;

macro_rules! entries {
    ($tiles:ident, $even:ident, $up:ident, $simd:ty, $features:literal) => {
        entries!($tiles, $features, (kind: BlockType, at: Operands, tiles: usize), tile::tiles::<$simd>);
        entries!($even, $features, (at: EvenOperands, tiles: usize), even::even::<$simd>);
        entries!($up, $features, (at: UpOperands, tiles: usize), up::up::<$simd>);
    };
    ($name:ident, $features:literal, ($($arg:ident: $ty:ty),*), $body:expr) => {
        /// # Safety
        /// As the loop behind it, on a processor with the features of the set that lists this entry.
        pub(in crate::quant) unsafe fn $name($($arg: $ty),*) {
            #[target_feature(enable = $features)]
            unsafe fn inner($($arg: $ty),*) {
                // SAFETY: this function has the instructions of the set; the rest is the caller's promise.
                unsafe { $body($($arg),*) }
            }
            // SAFETY: the caller's promise.
            unsafe { inner($($arg),*) }
        }
    };
}

entries!(tiles_neon, even_neon, up_neon, Neon<Plain>, "neon");
entries!(tiles_dotprod, even_dotprod, up_dotprod, Neon<DotProd>, "neon,dotprod");
entries!(tiles_i8mm, even_i8mm, up_i8mm, Neon<I8mm>, "neon,dotprod,i8mm");

/// 128-bit registers: four rows.
struct Neon<D>(PhantomData<D>);
/// Widening products and pairwise sums.
struct Plain;
/// One instruction for four rows.
struct DotProd;
/// One instruction for two rows of weights and two of activations.
struct I8mm;

/// The dot product of a set.
///
/// # Safety
/// As [`Simd`].
unsafe trait Dot: Sized {
    /// `sum` plus the products of each lane's four codes with lane `LANE` of `xs`.
    unsafe fn dot<const LANE: i32>(sum: int32x4_t, codes: int8x16_t, xs: int8x16_t) -> int32x4_t;

    #[inline(always)]
    unsafe fn dots<L: Layout, const M: usize, const N: usize>(
        codes: [*const u8; N],
        rows: [*const i8; M],
        start: [int8x16_t; M],
        part: usize,
    ) -> [[int8x16_t; N]; M] {
        // SAFETY: the caller's promise, handed on.
        unsafe { dots::dots::<Neon<Self>, L, M, N>(codes, rows, start, part) }
    }
}

// SAFETY: NEON instructions only.
unsafe impl Dot for Plain {
    /// Products of magnitudes up to 128 and 127 fit into 16 bits, and are widened before they are added.
    #[inline(always)]
    unsafe fn dot<const LANE: i32>(sum: int32x4_t, codes: int8x16_t, xs: int8x16_t) -> int32x4_t {
        // SAFETY: NEON is always present.
        unsafe {
            let x = vreinterpretq_s8_s32(vdupq_laneq_s32::<LANE>(vreinterpretq_s32_s8(xs)));
            let first = vpaddlq_s16(vmull_s8(vget_low_s8(codes), vget_low_s8(x)));
            let second = vpaddlq_s16(vmull_high_s8(codes, x));
            vaddq_s32(sum, vpaddq_s32(first, second))
        }
    }
}

/// The dot product instruction.
///
/// # Safety
/// The processor has it.
#[inline(always)]
unsafe fn sdot<const LANE: i32>(mut sum: int32x4_t, codes: int8x16_t, xs: int8x16_t) -> int32x4_t {
    // SAFETY: arithmetic on registers, with an instruction that the caller vouches for.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {codes:v}.16b, {xs:v}.4b[{lane}]",
            sum = inout(vreg) sum, codes = in(vreg) codes, xs = in(vreg) xs, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

// SAFETY: dot product instructions only.
unsafe impl Dot for DotProd {
    #[inline(always)]
    unsafe fn dot<const LANE: i32>(sum: int32x4_t, codes: int8x16_t, xs: int8x16_t) -> int32x4_t {
        // SAFETY: the caller has the instruction.
        unsafe { sdot::<LANE>(sum, codes, xs) }
    }
}

/// `sum + a b^T` of two matrices `[2, 8]`, row by row.
///
/// # Safety
/// The processor has i8mm.
#[inline(always)]
unsafe fn smmla(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: arithmetic on registers, with an instruction that the caller vouches for.
    unsafe {
        asm!(
            "smmla {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

// SAFETY: instructions of i8mm and dot products only.
unsafe impl Dot for I8mm {
    #[inline(always)]
    unsafe fn dot<const LANE: i32>(sum: int32x4_t, codes: int8x16_t, xs: int8x16_t) -> int32x4_t {
        // SAFETY: processors with i8mm have the dot product too.
        unsafe { sdot::<LANE>(sum, codes, xs) }
    }

    #[inline(always)]
    unsafe fn dots<L: Layout, const M: usize, const N: usize>(
        codes: [*const u8; N],
        rows: [*const i8; M],
        start: [int8x16_t; M],
        part: usize,
    ) -> [[int8x16_t; N]; M] {
        // SAFETY: the caller's promise, handed on.
        unsafe {
            if M == 1 {
                return dots::dots::<Neon<Self>, L, M, N>(codes, rows, start, part);
            }
            // Sums of two rows of weights with two of activations, by pair of activations, register, and half of it.
            let mut sums = [[[vdupq_n_s32(0); 2]; N]; M];
            for n in 0..N {
                let codes = codes[n];
                let mut eight = |(first, second): (int8x16_t, int8x16_t), quad: usize| {
                    // From four rows with four inputs each to two with eight.
                    let (first, second) = (vreinterpretq_s32_s8(first), vreinterpretq_s32_s8(second));
                    let low = vreinterpretq_s8_s32(vzip1q_s32(first, second));
                    let high = vreinterpretq_s8_s32(vzip2q_s32(first, second));
                    for pair in 0..M / 2 {
                        let (x, y) = (rows[2 * pair].add(4 * quad), rows[2 * pair + 1].add(4 * quad));
                        let xs = vcombine_s8(vld1_s8(x), vld1_s8(y));
                        sums[pair][n] = [smmla(sums[pair][n][0], low, xs), smmla(sums[pair][n][1], high, xs)];
                    }
                };
                let parts = const { tile::parts(L::FORMAT) };
                if part == 0 {
                    eight(dots::codes_of::<Neon<Self>, L, 0>(codes), 0);
                    eight(dots::codes_of::<Neon<Self>, L, 2>(codes), 2);
                }
                if part + 1 == parts {
                    eight(dots::codes_of::<Neon<Self>, L, 4>(codes), 4);
                    eight(dots::codes_of::<Neon<Self>, L, 6>(codes), 6);
                }
            }
            std::array::from_fn(|m| {
                std::array::from_fn(|n| {
                    let [low, high] = sums[m / 2][n];
                    let dots = if m % 2 == 0 { vuzp1q_s32(low, high) } else { vuzp2q_s32(low, high) };
                    vreinterpretq_s8_s32(vaddq_s32(dots, vreinterpretq_s32_s8(start[m])))
                })
            })
        }
    }
}

// SAFETY: each method is a few NEON instructions, or those of `D`, on valid pointers.
unsafe impl<D: Dot> Simd for Neon<D> {
    type Int = int8x16_t;
    type Floats = kernel::Neon;
    type Group = [int8x16_t; 2];
    const MAX_ROWS: usize = 8;
    const EIGHT_ZERO: u8 = 0;

    #[inline(always)]
    unsafe fn group(codes: *const i8) -> [int8x16_t; 2] {
        // SAFETY: the caller vouches for 32 codes.
        unsafe { [vld1q_s8(codes), vld1q_s8(codes.add(16))] }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> int8x16_t {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vld1q_s8(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vandq_s8(bytes, vdupq_n_s8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vreinterpretq_s8_u8(vshrq_n_u8::<4>(vreinterpretq_u8_s8(bytes))) }
    }

    #[inline(always)]
    unsafe fn fifth<const J: usize>(codes: int8x16_t, plane: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vorrq_s8(codes, vandq_s8(moved(plane, J), vdupq_n_s8(0x10))) }
    }

    #[inline(always)]
    unsafe fn sixth<const J: usize>(codes: int8x16_t, plane: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vorrq_s8(codes, vandq_s8(moved(plane, 2 * J), vdupq_n_s8(0x30))) }
    }

    #[inline(always)]
    unsafe fn eight(codes: int8x16_t) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { veorq_s8(codes, vdupq_n_s8(i8::MIN)) }
    }

    #[inline(always)]
    unsafe fn integer(x: i32) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(x)) }
    }

    #[inline(always)]
    unsafe fn shifted(v: int8x16_t, by: usize) -> int8x16_t {
        // SAFETY: NEON is always present.
        unsafe { vreinterpretq_s8_s32(vshlq_s32(vreinterpretq_s32_s8(v), vdupq_n_s32(by as i32))) }
    }

    #[inline(always)]
    unsafe fn dot<const J: usize>(sum: int8x16_t, codes: int8x16_t, group: [int8x16_t; 2]) -> int8x16_t {
        // SAFETY: the caller has the instructions of `D`.
        unsafe {
            let (sum, xs) = (vreinterpretq_s32_s8(sum), group[J / 4]);
            vreinterpretq_s8_s32(match J % 4 {
                0 => D::dot::<0>(sum, codes, xs),
                1 => D::dot::<1>(sum, codes, xs),
                2 => D::dot::<2>(sum, codes, xs),
                _ => D::dot::<3>(sum, codes, xs),
            })
        }
    }

    #[inline(always)]
    unsafe fn dot_eight<const J: usize>(sum: int8x16_t, codes: int8x16_t, group: [int8x16_t; 2]) -> int8x16_t {
        // SAFETY: as `dot`: codes are signed here.
        unsafe { Self::dot::<J>(sum, codes, group) }
    }

    #[inline(always)]
    unsafe fn dots<L: Layout, const M: usize, const N: usize>(
        codes: [*const u8; N],
        rows: [*const i8; M],
        start: [int8x16_t; M],
        part: usize,
    ) -> [[int8x16_t; N]; M] {
        // SAFETY: the caller's promise, handed on.
        unsafe { D::dots::<L, M, N>(codes, rows, start, part) }
    }

    #[inline(always)]
    unsafe fn floats(v: int8x16_t) -> float32x4_t {
        // SAFETY: NEON is always present.
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_s8(v)) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(from: *const u8) {
        // SAFETY: a prefetch reads no memory that the program could see.
        unsafe { asm!("prfm pldl2keep, [{}]", in(reg) from, options(nostack, readonly, preserves_flags)) }
    }
}

/// Every byte shifted so that its bit `from` comes to bit 4.
#[inline(always)]
unsafe fn moved(plane: int8x16_t, from: usize) -> int8x16_t {
    // SAFETY: NEON is always present; a negative distance shifts to the right.
    unsafe { vreinterpretq_s8_u8(vshlq_u8(vreinterpretq_u8_s8(plane), vdupq_n_s8(4 - from as i8))) }
}
