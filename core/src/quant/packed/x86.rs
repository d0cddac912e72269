//! x86-64: AVX2, AVX-VNNI and AVX-512 with VNNI.

use std::arch::x86_64::*;

use super::even::{self, EvenOperands};
use super::simd::Simd;
use super::tile::{self, Operands};
use super::up::{self, UpOperands};
use crate::quant::kernel;
use crate::weights::BlockType;

/// Wraps the loops into functions with target features and a safe-to-list entry for the table.
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

entries!(tiles_avx2, even_avx2, up_avx2, Avx2<Plain>, "avx2,fma,f16c");
entries!(tiles_avx_vnni, even_avx_vnni, up_avx_vnni, Avx2<Vnni>, "avx2,fma,f16c,avxvnni");
entries!(
    tiles_avx512_vnni,
    even_avx512_vnni,
    up_avx512_vnni,
    Avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);

/// Four activations in every lane.
///
/// # Safety
/// Four bytes are readable at `codes + 4 * quad`.
#[inline(always)]
unsafe fn quad(codes: *const i8, quad: usize) -> i32 {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { codes.add(4 * quad).cast::<i32>().read_unaligned() }
}

/// 256-bit registers: eight rows.
struct Avx2<D>(D);
/// Dot products in three steps.
struct Plain;
/// Dot products in one instruction.
struct Vnni;

/// The dot product of a 256-bit set.
///
/// # Safety
/// As [`Simd`].
unsafe trait Dot {
    const EIGHT_ZERO: u8;
    unsafe fn eight(codes: __m256i) -> __m256i;
    unsafe fn dot(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i;
    unsafe fn dot_eight(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i;
}

// SAFETY: AVX2 instructions only.
unsafe impl Dot for Plain {
    const EIGHT_ZERO: u8 = 0;

    #[inline(always)]
    unsafe fn eight(codes: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN)) }
    }

    /// Pairs of products below 64 * 127 * 2 fit into 16 bits.
    #[inline(always)]
    unsafe fn dot(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let pairs = _mm256_maddubs_epi16(codes, xs);
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    /// Pairs of products of unsigned codes would overflow 16 bits; of magnitudes up to 128, with the signs moved to the
    /// activations, they do not.
    #[inline(always)]
    unsafe fn dot_eight(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { Self::dot(sum, _mm256_abs_epi8(codes), _mm256_sign_epi8(xs, codes)) }
    }
}

// SAFETY: AVX-VNNI instructions only.
unsafe impl Dot for Vnni {
    const EIGHT_ZERO: u8 = 128;

    #[inline(always)]
    unsafe fn eight(codes: __m256i) -> __m256i {
        codes
    }

    #[inline(always)]
    unsafe fn dot(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i {
        // SAFETY: the caller has AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sum, codes, xs) }
    }

    #[inline(always)]
    unsafe fn dot_eight(sum: __m256i, codes: __m256i, xs: __m256i) -> __m256i {
        // SAFETY: the caller has AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sum, codes, xs) }
    }
}

// SAFETY: each method is a few instructions of AVX2, FMA and F16C, or those of `D`, on valid pointers.
unsafe impl<D: Dot> Simd for Avx2<D> {
    type Int = __m256i;
    type Floats = kernel::Avx2;
    type Group = *const i8;
    const MAX_ROWS: usize = 4;
    const EIGHT_ZERO: u8 = D::EIGHT_ZERO;

    #[inline(always)]
    unsafe fn group(codes: *const i8) -> *const i8 {
        codes
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller vouches for 32 readable bytes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn fifth<const J: usize>(codes: __m256i, plane: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let moved = _mm256_sll_epi16(_mm256_srl_epi16(plane, right(J, 4)), left(J, 4));
            _mm256_or_si256(codes, _mm256_and_si256(moved, _mm256_set1_epi8(0x10)))
        }
    }

    #[inline(always)]
    unsafe fn sixth<const J: usize>(codes: __m256i, plane: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let moved = _mm256_sll_epi16(_mm256_srl_epi16(plane, right(2 * J, 4)), left(2 * J, 4));
            _mm256_or_si256(codes, _mm256_and_si256(moved, _mm256_set1_epi8(0x30)))
        }
    }

    #[inline(always)]
    unsafe fn eight(codes: __m256i) -> __m256i {
        // SAFETY: the caller has the instructions of `D`.
        unsafe { D::eight(codes) }
    }

    #[inline(always)]
    unsafe fn integer(x: i32) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_set1_epi32(x) }
    }

    #[inline(always)]
    unsafe fn shifted(v: __m256i, by: usize) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_sll_epi32(v, left(0, by)) }
    }

    #[inline(always)]
    unsafe fn dot<const J: usize>(sum: __m256i, codes: __m256i, group: *const i8) -> __m256i {
        // SAFETY: the caller vouches for the group and the instructions.
        unsafe { D::dot(sum, codes, _mm256_set1_epi32(quad(group, J))) }
    }

    #[inline(always)]
    unsafe fn dot_eight<const J: usize>(sum: __m256i, codes: __m256i, group: *const i8) -> __m256i {
        // SAFETY: the caller vouches for the group and the instructions.
        unsafe { D::dot_eight(sum, codes, _mm256_set1_epi32(quad(group, J))) }
    }

    #[inline(always)]
    unsafe fn floats(v: __m256i) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_cvtepi32_ps(v) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(from: *const u8) {
        // SAFETY: as `prefetch`.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
}

/// How far bit `from` of each byte goes right to come to bit `to`, as a shift takes it; folded at compile time.
#[inline(always)]
unsafe fn right(from: usize, to: usize) -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_cvtsi32_si128(from.saturating_sub(to) as i32) }
}

/// How far it goes left.
#[inline(always)]
unsafe fn left(from: usize, to: usize) -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_cvtsi32_si128(to.saturating_sub(from) as i32) }
}

/// 512-bit registers: all rows of a tile.
struct Avx512;

// SAFETY: each method is a few AVX-512 instructions on valid pointers.
unsafe impl Simd for Avx512 {
    type Int = __m512i;
    type Floats = kernel::Avx512;
    type Group = *const i8;
    const MAX_ROWS: usize = 4;
    const EIGHT_ZERO: u8 = 128;

    #[inline(always)]
    unsafe fn group(codes: *const i8) -> *const i8 {
        codes
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 64 readable bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn fifth<const J: usize>(codes: __m512i, plane: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let moved = _mm512_sll_epi16(_mm512_srl_epi16(plane, right(J, 4)), left(J, 4));
            _mm512_or_si512(codes, _mm512_and_si512(moved, _mm512_set1_epi8(0x10)))
        }
    }

    #[inline(always)]
    unsafe fn sixth<const J: usize>(codes: __m512i, plane: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let moved = _mm512_sll_epi16(_mm512_srl_epi16(plane, right(2 * J, 4)), left(2 * J, 4));
            _mm512_or_si512(codes, _mm512_and_si512(moved, _mm512_set1_epi8(0x30)))
        }
    }

    #[inline(always)]
    unsafe fn eight(codes: __m512i) -> __m512i {
        codes
    }

    #[inline(always)]
    unsafe fn integer(x: i32) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_set1_epi32(x) }
    }

    #[inline(always)]
    unsafe fn shifted(v: __m512i, by: usize) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_sll_epi32(v, left(0, by)) }
    }

    #[inline(always)]
    unsafe fn dot<const J: usize>(sum: __m512i, codes: __m512i, group: *const i8) -> __m512i {
        // SAFETY: the caller vouches for the group and has VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(quad(group, J))) }
    }

    #[inline(always)]
    unsafe fn dot_eight<const J: usize>(sum: __m512i, codes: __m512i, group: *const i8) -> __m512i {
        // SAFETY: as `dot`.
        unsafe { Self::dot::<J>(sum, codes, group) }
    }

    #[inline(always)]
    unsafe fn floats(v: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_cvtepi32_ps(v) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(from: *const u8) {
        // SAFETY: as `prefetch`.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
}
