//! Decoders against the gguf package's and candle's, kernels against the scalar oracle.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use loam::quant::{Matrix, PANEL, available};
use loam::weights::{BlockType, Safetensors, TensorView};

use crate::fixture::{floats, path};

/// Pseudo-random values in -1..1, the same in every run.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn u8s(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(path("gguf/blocks.safetensors")).expect("fixture");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensor(name).expect("tensor").data().to_vec()
}

#[test]
fn every_set_decodes_every_type_as_the_gguf_package_does() {
    let file = Safetensors::open(path("gguf/blocks.safetensors")).expect("fixture");
    for kind in BlockType::ALL.into_iter().filter(|&kind| kind != BlockType::F32) {
        let (bytes, values) = (u8s(&format!("{kind}.bytes")), floats(&file, &format!("{kind}.values")));
        for set in available() {
            let mut out = vec![0.0; values.len()];
            (set.dequantize)(kind, &bytes, &mut out);
            for (i, (ours, theirs)) in out.iter().zip(&values).enumerate() {
                // The package rounds products in another order for two-level scales: one unit in the last place.
                let tolerance = theirs.abs() * 3e-7 + 1e-9;
                assert!((ours - theirs).abs() <= tolerance, "{kind} [{i}] by {}: {ours} != {theirs}", set.name);
            }
        }
    }
}

#[test]
fn every_type_decodes_as_candle_does() {
    let dtypes = [
        (BlockType::Q4_0, GgmlDType::Q4_0),
        (BlockType::Q4_1, GgmlDType::Q4_1),
        (BlockType::Q5_0, GgmlDType::Q5_0),
        (BlockType::Q5_1, GgmlDType::Q5_1),
        (BlockType::Q8_0, GgmlDType::Q8_0),
        (BlockType::Q2_K, GgmlDType::Q2K),
        (BlockType::Q3_K, GgmlDType::Q3K),
        (BlockType::Q4_K, GgmlDType::Q4K),
        (BlockType::Q5_K, GgmlDType::Q5K),
        (BlockType::Q6_K, GgmlDType::Q6K),
        (BlockType::F16, GgmlDType::F16),
        (BlockType::BF16, GgmlDType::BF16),
    ];
    let values = Tensor::from_vec(noise(4 * 512, 7), (4, 512), &Device::Cpu).expect("tensor");
    for (ours, theirs) in dtypes {
        let quantized = QTensor::quantize(&values, theirs).expect("quantize");
        let expected: Vec<f32> =
            quantized.dequantize(&Device::Cpu).and_then(|t| t.flatten_all()?.to_vec1()).expect("dequantize");
        let mut out = vec![0.0; expected.len()];
        ours.dequantize(&quantized.data().expect("data"), &mut out);
        let worst = out.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-6, "{ours}: {worst}");
    }
}

/// Any row count, any length, any tail: each set within rounding of a f64 dot.
#[test]
fn dots_match_the_oracle_for_every_shape() {
    for set in available() {
        for k in [1, 3, 8, 16, 17, 31, 32, 48, 63, 64, 100, 576] {
            for rows in 1..=9 {
                for panel in 1..=PANEL {
                    let (w, x) = (noise(panel * k, k as u64), noise(rows * k, rows as u64 + 99));
                    let mut out = vec![f32::NAN; panel * rows];
                    (set.dots)(&w, &x, k, rows, &mut out);
                    for n in 0..panel {
                        for m in 0..rows {
                            let pairs = w[n * k..(n + 1) * k].iter().zip(&x[m * k..(m + 1) * k]);
                            let exact: f64 = pairs.clone().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                            let size: f64 = pairs.map(|(a, b)| f64::from((a * b).abs())).sum();
                            let error = (f64::from(out[n * rows + m]) - exact).abs();
                            assert!(error <= size * 1e-6, "{} k={k} rows={rows} n={n} m={m}: {error}", set.name);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn axpy_matches_the_oracle() {
    for set in available() {
        for len in [0, 1, 7, 8, 15, 16, 33, 64] {
            let (xs, start) = (noise(len, 3), noise(len, 4));
            let mut out = start.clone();
            (set.axpy)(0.7, &xs, &mut out);
            for ((y, x), s) in out.iter().zip(&xs).zip(&start) {
                assert!((y - (s + 0.7 * x)).abs() <= 1e-6, "{} len={len}", set.name);
            }
        }
    }
}

/// The property that batching rests on: company never changes a row.
#[test]
fn a_rows_product_does_not_depend_on_the_batch() {
    for kind in [BlockType::F32, BlockType::Q8_0, BlockType::Q4_1] {
        let (rows, cols) = (70, 96);
        let dtype = match kind {
            BlockType::Q8_0 => GgmlDType::Q8_0,
            BlockType::Q4_1 => GgmlDType::Q4_1,
            _ => GgmlDType::F32,
        };
        let values = Tensor::from_vec(noise(rows * cols, 11), (rows, cols), &Device::Cpu).expect("tensor");
        let data = QTensor::quantize(&values, dtype).and_then(|q| Ok(q.data()?.to_vec())).expect("quantize");
        let view = TensorView { name: "w".into(), kind, shape: vec![rows, cols], data: data.into() };
        let matrix = Matrix::new(view, rows, cols).expect("matrix");
        let xs = noise(13 * cols, 5);
        let mut together = vec![0.0; 13 * rows];
        matrix.multiply(&xs, 13, &mut together);
        for m in 0..13 {
            let mut alone = vec![0.0; rows];
            matrix.multiply(&xs[m * cols..(m + 1) * cols], 1, &mut alone);
            assert_eq!(alone, together[m * rows..(m + 1) * rows], "{kind} row {m}");
        }
    }
}

#[test]
fn a_slice_of_rows_is_those_rows_of_the_same_bytes() {
    for (kind, dtype) in [(BlockType::F32, GgmlDType::F32), (BlockType::Q8_0, GgmlDType::Q8_0)] {
        let (rows, cols) = (9, 64);
        let values = Tensor::from_vec(noise(rows * cols, 21), (rows, cols), &Device::Cpu).expect("tensor");
        let data = QTensor::quantize(&values, dtype).and_then(|q| Ok(q.data()?.to_vec())).expect("quantize");
        let view = TensorView { name: "w".into(), kind, shape: vec![rows, cols], data: data.into() };
        let whole = Matrix::new(view, rows, cols).expect("matrix");
        let (start, count) = (3, 4);
        let part = whole.slice_rows(start, count).expect("a slice");
        assert_eq!((part.rows(), part.cols(), part.kind()), (count, cols, kind));
        assert_eq!(part.bytes().0 * rows, whole.bytes().0 * count);
        let (mut ours, mut theirs) = (vec![0.0; cols], vec![0.0; cols]);
        for row in 0..count {
            part.row(row, &mut ours);
            whole.row(start + row, &mut theirs);
            assert_eq!(ours, theirs, "{kind} row {row}");
        }
        for (start, count) in [(0, rows + 1), (rows, 1), (3, 0), (usize::MAX, 2)] {
            assert!(whole.slice_rows(start, count).is_err(), "{start} and {count} more");
        }
    }
}
