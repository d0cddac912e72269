//! The sets of x86-64: AVX2 with FMA and F16C, and AVX-512.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::rows;
use super::tile;
use super::{CACHE_LINE, Kernels};
use crate::quant::packed::{self, Codes, RowCodesOut};
use crate::quant::panel;
use crate::weights::BlockType;

pub(in crate::quant) use lanes::{Avx2, Avx512};

#[path = "x86_lanes.rs"]
mod lanes;

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
            rotate_halves: entry!(rotate_halves, (first: &mut [f32], second: &mut [f32], cos: &[f32], sin: &[f32])),
            rotate_neighbours: entry!(rotate_neighbours, (x: &mut [f32], cos: &[f32], sin: &[f32])),
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
    quantize_rows: quantize_rows_avx2,
    together: 1,
    tiles: packed::tiles_avx2,
    even: packed::even_avx2,
    panels: panels_avx2,
    blend: blend_avx2,
    up: packed::up_avx2,
};
const AVX_VNNI: Kernels = Kernels {
    name: "avx-vnni",
    tiles: packed::tiles_avx_vnni,
    even: packed::even_avx_vnni,
    up: packed::up_avx_vnni,
    ..AVX2
};
const AVX512: Kernels = Kernels {
    name: "avx512",
    dequantize: dequantize_avx512,
    dots: dots_avx512,
    axpy: axpy_avx512,
    rows: row_kernels!("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq", $),
    quantize: quantize_avx512,
    quantize_rows: quantize_rows_avx512,
    together: 2,
    panels: panels_avx512,
    blend: blend_avx512,
    ..AVX2
};
const AVX512_VNNI: Kernels = Kernels {
    name: "avx512-vnni",
    tiles: packed::tiles_avx512_vnni,
    even: packed::even_avx512_vnni,
    up: packed::up_avx512_vnni,
    ..AVX512
};

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
kernel!(
    quantize_rows_avx2,
    "avx2,fma,f16c",
    (xs: &[f32], cols: usize, out: RowCodesOut<'_>),
    packed::quantize_rows(xs, cols, out)
);
kernel!(
    quantize_rows_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    (xs: &[f32], cols: usize, out: RowCodesOut<'_>),
    packed::quantize_rows(xs, cols, out)
);
