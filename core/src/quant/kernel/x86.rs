//! x86-64 kernels: AVX2 with FMA and F16C, and AVX-512.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::rows;
use super::tile;
use super::{CACHE_LINE, Kernels};
use crate::quant::packed::{self, Codes};
use crate::quant::panel;
use crate::weights::{BlockType, Decoder, half};

/// The sets that this processor runs, slowest first.
pub(super) fn available() -> impl DoubleEndedIterator<Item = Kernels> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq");
    let (vnni, vnni512) = (is_x86_feature_detected!("avxvnni"), is_x86_feature_detected!("avx512vnni"));
    [(avx2, AVX2), (avx2 && vnni, AVX_VNNI), (avx512, AVX512), (avx512 && vnni512, AVX512_VNNI)]
        .into_iter()
        .filter_map(|(runs, kernels)| runs.then_some(kernels))
}

/// Makes the set of row kernels of an instruction set: each body compiled with its features behind a safe entry.
macro_rules! row_kernels {
    ($features:literal, $d:tt) => {{
        macro_rules! entry {
            ($body:ident, ($d($arg:ident: $ty:ty),*) $d(-> $out:ty)?) => {{
                fn entry($d($arg: $ty),*) $d(-> $out)? {
                    #[target_feature(enable = $features)]
                    fn inner($d($arg: $ty),*) $d(-> $out)? {
                        rows::$body($d($arg),*)
                    }
                    // SAFETY: sets are listed only where all of their features were detected.
                    unsafe { inner($d($arg),*) }
                }
                entry
            }};
        }
        rows::RowKernels {
            rms_norm: entry!(rms_norm, (x: &[f32], weight: &[f32], eps: f32, out: &mut [f32])),
            layer_norm: entry!(layer_norm, (x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32)),
            add: entry!(add, (x: &mut [f32], y: &[f32])),
            mul: entry!(mul, (x: &mut [f32], y: &[f32])),
            add_bytes: entry!(add_bytes, (sums: &mut [i32], weight: i32, bytes: &[u8])),
            silu: entry!(silu, (x: &mut [f32])),
            gelu: entry!(gelu, (x: &mut [f32])),
            gelu_tanh: entry!(gelu_tanh, (x: &mut [f32])),
            quick_gelu: entry!(quick_gelu, (x: &mut [f32])),
            exp_sum: entry!(exp_sum, (x: &mut [f32], scale: f32) -> (f32, f32)),
        }
    }};
}

const AVX2: Kernels = Kernels {
    name: "avx2",
    dequantize: dequantize_avx2,
    prefetch,
    dots: dots_avx2,
    axpy: axpy_avx2,
    rows: row_kernels!("avx2,fma,f16c", $),
    quantize: quantize_avx2,
    tiles: packed::tiles_avx2,
    panels: panels_avx2,
    blend: blend_avx2,
    up: packed::up_avx2,
};
const AVX_VNNI: Kernels = Kernels { name: "avx-vnni", tiles: packed::tiles_avx_vnni, up: packed::up_avx_vnni, ..AVX2 };
const AVX512: Kernels = Kernels {
    name: "avx512",
    dequantize: dequantize_avx512,
    dots: dots_avx512,
    axpy: axpy_avx512,
    rows: row_kernels!("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq", $),
    quantize: quantize_avx512,
    panels: panels_avx512,
    blend: blend_avx512,
    ..AVX2
};
const AVX512_VNNI: Kernels =
    Kernels { name: "avx512-vnni", tiles: packed::tiles_avx512_vnni, up: packed::up_avx512_vnni, ..AVX512 };

fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE) {
        // SAFETY: SSE is part of x86-64, and a prefetch reads no memory that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}

/// Wraps a body into a function with target features and a safe entry for the table.
macro_rules! kernel {
    ($entry:ident, $features:literal, ($($arg:ident: $ty:ty),*), $body:expr) => {
        fn $entry($($arg: $ty),*) {
            #[target_feature(enable = $features)]
            fn inner($($arg: $ty),*) {
                $body
            }
            // SAFETY: `available` lists the set that holds this entry only after detecting all of its features.
            unsafe { inner($($arg),*) }
        }
    };
}

kernel!(dequantize_avx2, "avx2,fma,f16c", (kind: BlockType, data: &[u8], out: &mut [f32]), kind.decode::<Avx2>(data, out));
kernel!(
    dequantize_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (kind: BlockType, data: &[u8], out: &mut [f32]),
    kind.decode::<Avx512>(data, out)
);
kernel!(
    dots_avx2,
    "avx2,fma,f16c",
    (weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]),
    // SAFETY: this function has the features of the lanes; `dots` checks the lengths.
    unsafe { tile::dots::<Avx2>(weights, xs, k, rows, out) }
);
kernel!(
    dots_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]),
    // SAFETY: this function has the features of the lanes; `dots` checks the lengths.
    unsafe { tile::dots::<Avx512>(weights, xs, k, rows, out) }
);
kernel!(
    axpy_avx2,
    "avx2,fma,f16c",
    (scale: f32, xs: &[f32], out: &mut [f32]),
    // SAFETY: this function has the features of the lanes.
    unsafe { tile::axpy::<Avx2>(scale, xs, out) }
);
kernel!(
    axpy_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (scale: f32, xs: &[f32], out: &mut [f32]),
    // SAFETY: this function has the features of the lanes.
    unsafe { tile::axpy::<Avx512>(scale, xs, out) }
);

/// As `kernel`, for what works on pointers.
macro_rules! unsafe_kernel {
    ($entry:ident, $features:literal, ($($arg:ident: $ty:ty),*), $body:expr) => {
        /// # Safety
        /// As the body, on a processor with the features of the set that lists this entry.
        unsafe fn $entry($($arg: $ty),*) {
            #[target_feature(enable = $features)]
            unsafe fn inner($($arg: $ty),*) {
                // SAFETY: this function has the instructions of the lanes; the rest is the caller's promise.
                unsafe { $body }
            }
            // SAFETY: the caller's promise.
            unsafe { inner($($arg),*) }
        }
    };
}

unsafe_kernel!(
    panels_avx2,
    "avx2,fma,f16c",
    (element: panel::Element, at: panel::Operands, panels: usize),
    panel::panels::<Avx2>(element, at, panels)
);
unsafe_kernel!(
    panels_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (element: panel::Element, at: panel::Operands, panels: usize),
    panel::panels::<Avx512>(element, at, panels)
);
unsafe_kernel!(
    blend_avx2,
    "avx2,fma,f16c",
    (element: panel::Element, at: panel::Blend),
    panel::blend::<Avx2>(element, at)
);
unsafe_kernel!(
    blend_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (element: panel::Element, at: panel::Blend),
    panel::blend::<Avx512>(element, at)
);
kernel!(quantize_avx2, "avx2,fma,f16c", (xs: &[f32], out: Codes<'_>), packed::quantize(xs, out));
kernel!(
    quantize_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (xs: &[f32], out: Codes<'_>),
    packed::quantize(xs, out)
);

/// Eight floats.
pub(in crate::quant) struct Avx2;

// The methods are only compiled into the kernels of this file, whose features cover every instruction used.
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
