//! Registers of x86-64: eight floats of AVX2, sixteen of AVX-512.

use std::arch::x86_64::*;

use super::super::lanes::Lanes;
use super::super::tile;
use crate::weights::{Decoder, half};

/// Eight floats.
pub(in crate::quant) struct Avx2;

// The methods are only compiled into the kernels of `x86.rs`, whose features cover every instruction used.
impl Decoder for Avx2 {
    #[inline(always)]
    fn affine<const N: usize>(codes: &[u8; N], offset: f32, scale: f32, shift: f32, out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx2`, which has the features.
        unsafe { tile::affine::<Self, N>(codes, offset, scale, shift, out) }
    }

    #[inline(always)]
    fn nibbles<const N: usize>(bytes: &[u8; N], offset: f32, low: (f32, f32), high: (f32, f32), out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx2`, which has the features.
        unsafe { tile::nibbles::<Self, N>(bytes, offset, low, high, out) }
    }

    #[inline(always)]
    fn signed<const N: usize>(codes: &[u8; N], scale: f32, out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx2`, which has the features.
        unsafe { tile::signed::<Self, N>(codes, scale, out) }
    }

    #[inline(always)]
    fn halves(data: &[u8], out: &mut [f32]) {
        let (bytes, values) = (data.chunks_exact(16), out.chunks_exact_mut(8));
        let tail = bytes.remainder();
        for (bytes, y) in bytes.zip(values) {
            // SAFETY: 16 bytes and 8 values; reached only from `dequantize_avx2`, which has F16C.
            unsafe { _mm256_storeu_ps(y.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(bytes.as_ptr().cast()))) }
        }
        let done = out.len() - tail.len() / 2;
        tail.chunks_exact(2).zip(&mut out[done..]).for_each(|(b, y)| *y = half(b[0], b[1]));
    }
}

// SAFETY: each method is a few AVX2/FMA instructions on valid pointers, as the trait demands.
unsafe impl Lanes for Avx2 {
    type V = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for eight readable values.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> __m256 {
        let mut padded = [0.0f32; 8];
        // SAFETY: the caller vouches for `count < 8` readable values.
        unsafe {
            std::ptr::copy_nonoverlapping(from, padded.as_mut_ptr(), count);
            _mm256_loadu_ps(padded.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        // SAFETY: the caller vouches for eight writable values.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> __m256 {
        // SAFETY: the caller vouches for eight readable bytes.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> __m256 {
        // SAFETY: the caller vouches for eight readable bytes.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn widen_nibbles(from: *const u8) -> (__m256, __m256) {
        // SAFETY: the caller vouches for eight readable bytes.
        unsafe {
            let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()));
            let low = _mm256_and_si256(bytes, _mm256_set1_epi32(15));
            (_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(_mm256_srli_epi32::<4>(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8) -> __m256 {
        // SAFETY: the caller vouches for 16 readable bytes and has F16C.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn brains(from: *const u8) -> __m256 {
        // SAFETY: the caller vouches for 16 readable bytes.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: a prefetch reads no memory that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller has FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}

/// Sixteen floats.
pub(in crate::quant) struct Avx512;

impl Decoder for Avx512 {
    #[inline(always)]
    fn affine<const N: usize>(codes: &[u8; N], offset: f32, scale: f32, shift: f32, out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx512`, which has the features.
        unsafe { tile::affine::<Self, N>(codes, offset, scale, shift, out) }
    }

    #[inline(always)]
    fn nibbles<const N: usize>(bytes: &[u8; N], offset: f32, low: (f32, f32), high: (f32, f32), out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx512`, which has the features.
        unsafe { tile::nibbles::<Self, N>(bytes, offset, low, high, out) }
    }

    #[inline(always)]
    fn signed<const N: usize>(codes: &[u8; N], scale: f32, out: &mut [f32]) {
        // SAFETY: reached only from `dequantize_avx512`, which has the features.
        unsafe { tile::signed::<Self, N>(codes, scale, out) }
    }

    #[inline(always)]
    fn halves(data: &[u8], out: &mut [f32]) {
        <Avx2 as Decoder>::halves(data, out);
    }
}

// SAFETY: each method is a few AVX-512 instructions on valid pointers, as the trait demands.
unsafe impl Lanes for Avx512 {
    type V = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for 16 readable values.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> __m512 {
        // SAFETY: the mask covers only the `count < 16` values that the caller vouches for.
        unsafe { _mm512_maskz_loadu_ps((1u16 << count) - 1, from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        // SAFETY: the caller vouches for 16 writable values.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 16 readable bytes.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 16 readable bytes.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn widen_nibbles(from: *const u8) -> (__m512, __m512) {
        // SAFETY: the caller vouches for 16 readable bytes.
        unsafe {
            let bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()));
            let low = _mm512_and_si512(bytes, _mm512_set1_epi32(15));
            (_mm512_cvtepi32_ps(low), _mm512_cvtepi32_ps(_mm512_srli_epi32::<4>(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 32 readable bytes.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn brains(from: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 32 readable bytes.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: a prefetch reads no memory that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_reduce_add_ps(v) }
    }
}
