//! Packed kernels of every instruction set against the scalar oracle, on matrices of any shape.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::kernel::{Kernels, available};
use super::matrix::{Input, Matrix, Reads};
use super::packed::{Activations, RowCodes, UpMatrix};
use crate::quant::columns::Columns;
use crate::quant::panel::{Element, PanelMatrix, PlaneList, Rows};
use crate::quant::{CodePair, FloatPair, LowRank, add_delta};
use crate::weights::{BlockType, Quantization, TensorView};

const TYPES: [(BlockType, GgmlDType); 11] = [
    (BlockType::Q4_0, GgmlDType::Q4_0),
    (BlockType::Q4_1, GgmlDType::Q4_1),
    (BlockType::Q4_K, GgmlDType::Q4K),
    (BlockType::Q5_0, GgmlDType::Q5_0),
    (BlockType::Q5_1, GgmlDType::Q5_1),
    (BlockType::Q5_K, GgmlDType::Q5K),
    (BlockType::Q6_K, GgmlDType::Q6K),
    (BlockType::Q8_0, GgmlDType::Q8_0),
    (BlockType::F32, GgmlDType::F32),
    (BlockType::F16, GgmlDType::F16),
    (BlockType::BF16, GgmlDType::BF16),
];

/// Pseudo-random values in -1..1.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Another scale for each run of 16 values, so that a scale at a wrong place shows.
fn uneven(len: usize, seed: u64) -> Vec<f32> {
    let scales = noise(len.div_ceil(16), seed ^ 0xabcd);
    noise(len, seed)
        .into_iter()
        .enumerate()
        .map(|(i, v)| v * (0.1 + scales[i / 16].abs()) + scales[i / 16] * 0.2)
        .collect()
}

fn matrix(kind: BlockType, dtype: GgmlDType, rows: usize, cols: usize, seed: u64) -> Matrix {
    let values = Tensor::from_vec(uneven(rows * cols, seed), (rows, cols), &Device::Cpu).expect("tensor");
    let data = QTensor::quantize(&values, dtype).and_then(|q| Ok(q.data()?.to_vec())).expect("quantize");
    let view = TensorView { name: kind.to_string(), kind, shape: vec![rows, cols], data: data.into() };
    Matrix::new(view, rows, cols).expect("matrix")
}

/// Blocks of type Q8_0 with one scale per row.
fn even_matrix(rows: usize, cols: usize, seed: u64) -> Matrix {
    let mut blocks = Vec::new();
    Quantization::Int8.encode(&uneven(rows * cols, seed), cols, &mut blocks);
    let view = TensorView { name: "even".into(), kind: BlockType::Q8_0, shape: vec![rows, cols], data: blocks.into() };
    Matrix::new(view, rows, cols).expect("matrix")
}

fn codes(set: &Kernels, xs: &[f32], cols: usize) -> Activations {
    let mut out = Activations::default();
    if cols.is_multiple_of(32) {
        (set.quantize)(xs, out.resize(xs.len() / cols, cols));
    }
    out
}

fn row_codes(set: &Kernels, xs: &[f32], cols: usize) -> RowCodes {
    let mut out = RowCodes::default();
    (set.quantize_rows)(xs, cols, out.resize(xs.len() / cols, cols));
    out
}

/// `xs` as `matrix` reads it.
fn as_read(set: &Kernels, matrix: &Matrix, xs: &[f32]) -> Vec<f32> {
    let cols = matrix.cols();
    let mut rounded = xs.to_vec();
    match matrix.reads() {
        Reads::Values => {}
        Reads::Codes => codes(set, xs, cols).dequantize(&mut rounded),
        Reads::RowCodes => {
            let codes = row_codes(set, xs, cols);
            rounded = (0..codes.rows()).flat_map(|row| codes.dequantize(row).take(cols)).collect();
        }
    }
    rounded
}

fn product(set: &Kernels, matrix: &Matrix, xs: &[f32]) -> Vec<f32> {
    let (cols, rows) = (matrix.cols(), xs.len() / matrix.cols());
    let (codes, row_codes) = (codes(set, xs, cols), row_codes(set, xs, cols));
    let mut out = vec![f32::NAN; rows * matrix.rows()];
    let columns = Columns::new(&mut out, matrix.rows(), rows);
    let input = Input { values: xs, codes: &codes, row_codes: &row_codes, rows };
    // In two parts, as two threads would.
    let half = matrix.tiles() / 2;
    // SAFETY: the set is one of those that run here; both parts have columns of their own.
    unsafe {
        matrix.columns(set, 0..half, half, &input, &columns);
        matrix.columns(set, half..matrix.tiles(), matrix.tiles(), &input, &columns);
    }
    out
}

fn values(matrix: &Matrix) -> Vec<f32> {
    let mut out = vec![0.0; matrix.rows() * matrix.cols()];
    out.chunks_exact_mut(matrix.cols()).enumerate().for_each(|(row, out)| matrix.row(row, out));
    out
}

#[test]
fn packing_keeps_every_value() {
    for (kind, dtype) in TYPES {
        for rows in [1, 15, 16, 17, 40] {
            let blocks = matrix(kind, dtype, rows, 512, 7);
            let packed = blocks.packed();
            assert_eq!(packed.reads() == Reads::Codes, kind.block_elements() > 1, "{kind}");
            let (before, after) = (values(&blocks), values(&packed));
            let worst = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-6, "{kind} with {rows} rows: {worst}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every set, type and shape: within rounding of the oracle, and each row as if it were alone.
    #[test]
    fn every_set_multiplies_as_the_oracle_does(
        rows in 1usize..70,
        groups in 1usize..20,
        batch in 1usize..20,
        seed in 0u64..1000,
    ) {
        let even = std::iter::once((BlockType::Q8_0, None));
        for (kind, dtype) in TYPES.map(|(kind, dtype)| (kind, Some(dtype))).into_iter().chain(even) {
            let unit = kind.block_elements();
            let cols = if unit == 1 { groups * 7 } else { groups.div_ceil(unit / 32) * unit };
            let packed = match dtype {
                Some(dtype) => matrix(kind, dtype, rows, cols, seed).packed(),
                None => even_matrix(rows, cols, seed).packed(),
            };
            prop_assert!(dtype.is_some() || packed.reads() == Reads::RowCodes);
            let xs = uneven(batch * cols, seed + 1);
            let exact = values(&packed);
            for set in available() {
                let out = product(&set, &packed, &xs);
                let rounded = as_read(&set, &packed, &xs);
                for (m, x) in rounded.chunks_exact(cols).enumerate() {
                    for (n, w) in exact.chunks_exact(cols).enumerate() {
                        let pairs = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                        let (sum, size) = pairs.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
                        let error = (f64::from(out[m * rows + n]) - sum).abs();
                        prop_assert!(
                            error <= 1e-5 * size + 1e-6,
                            "{kind} by {}: [{rows}, {cols}], row {m} of {batch}, output {n}: off by {error}", set.name
                        );
                    }
                    let alone = product(&set, &packed, &xs[m * cols..(m + 1) * cols]);
                    prop_assert_eq!(&alone, &out[m * rows..(m + 1) * rows], "{} by {}", kind, set.name);
                }
            }
        }
    }
}

#[test]
fn rows_with_one_scale_are_found_and_lose_what_rounding_takes() {
    let (rows, cols) = (37, 96);
    let values = uneven(rows * cols, 5);
    let blocks = even_matrix(rows, cols, 5);
    let packed = blocks.packed();
    assert_eq!(packed.reads(), Reads::RowCodes);
    assert_eq!(matrix(BlockType::Q8_0, GgmlDType::Q8_0, rows, cols, 5).packed().reads(), Reads::Codes);
    for row in 0..rows {
        let (mut before, mut after) = (vec![0.0; cols], vec![0.0; cols]);
        blocks.row(row, &mut before);
        packed.row(row, &mut after);
        assert_eq!(before, after);
        let values = &values[row * cols..(row + 1) * cols];
        let largest = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        // Half a step, and a scale that is a half.
        let limit = largest / 254.0 * 1.15;
        let worst = values.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= limit, "row {row}: {worst}, limit {limit}");
    }
}

#[test]
fn codes_are_the_nearest_ones_in_every_set() {
    let mut xs = uneven(640, 3);
    xs[..32].fill(0.0);
    let oracle = codes(&available().next().expect("the scalar set"), &xs, 320);
    for (group, scale) in xs.chunks_exact(32).zip(oracle.all().scales) {
        let largest = group.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!((largest / 127.0 - scale).abs() <= 1e-9);
    }
    let mut back = vec![0.0; xs.len()];
    oracle.dequantize(&mut back);
    for (i, (x, y)) in xs.iter().zip(&back).enumerate() {
        assert!((x - y).abs() <= oracle.all().scales[i / 32] * 0.5001, "value {i}: {x} became {y}");
    }
    for (sum, values) in oracle.all().sums.iter().zip(back.chunks_exact(32)) {
        assert!((sum - values.iter().sum::<f32>()).abs() <= 1e-4);
    }
    for (counts, codes) in oracle.all().counts.chunks_exact(3).zip(oracle.all().codes.chunks_exact(32)) {
        let count = |codes: &[i8]| -codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        assert_eq!(counts, [count(codes), count(&codes[..16]), count(&codes[16..])]);
    }
    for set in available() {
        let ours = codes(&set, &xs, 320);
        assert_eq!(
            (ours.all().codes, ours.all().scales, ours.all().sums, ours.all().counts),
            (oracle.all().codes, oracle.all().scales, oracle.all().sums, oracle.all().counts),
            "{}",
            set.name
        );
    }
}

#[test]
fn what_is_no_number_is_not_lost() {
    let matrix = matrix(BlockType::Q4_0, GgmlDType::Q4_0, 16, 64, 1).packed();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut xs = noise(64, 2);
        xs[40] = bad;
        for set in available() {
            assert!(product(&set, &matrix, &xs).iter().all(|y| !y.is_finite()), "{bad} by {}", set.name);
        }
    }
}

/// What adapters are made of, beside floats.
#[test]
fn panels_multiply_some_rows_as_they_do_all() {
    for (rows, cols) in [(16, 576), (8, 33), (20, 100), (576, 16), (40, 5), (1, 1)] {
        let matrix = matrix(BlockType::F32, GgmlDType::F32, rows, cols, 5);
        let (panels, weights) = (PanelMatrix::of(&matrix).expect("floats"), values(&matrix));
        for batch in [1usize, 2, 3, 4, 5, 9] {
            let xs = uneven(batch * cols, 9);
            let mut out = vec![f32::NAN; batch * rows];
            panels.multiply(&xs, &mut out);
            for (m, x) in xs.chunks_exact(cols).enumerate() {
                for (n, w) in weights.chunks_exact(cols).enumerate() {
                    let sum: f64 = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    let error = (f64::from(out[m * rows + n]) - sum).abs();
                    assert!(error <= 1e-5 * cols as f64, "[{rows}, {cols}] row {m} of {batch}: {error}");
                }
                let mut alone = vec![0.0; rows];
                panels.multiply(x, &mut alone);
                assert_eq!(alone, out[m * rows..(m + 1) * rows], "a row does not depend on its batch");
            }
            if rows > 16 {
                let mut part = vec![f32::NAN; batch * (rows - 16)];
                panels.multiply_rows(16..rows, &xs, &mut part);
                for (part, out) in part.chunks_exact(rows - 16).zip(out.chunks_exact(rows)) {
                    assert_eq!(part, &out[16..], "a row does not depend on its part");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every set, shape and rank: up projections as the oracle has them, from any tile on, added to what is there.
    #[test]
    fn every_set_adds_up_projections_as_the_oracle_does(
        rows in 1usize..90,
        rank in 1usize..70,
        batch in 1usize..4,
        seed in 0u64..1000,
    ) {
        let weights = uneven(rows * rank, seed);
        let matrix = UpMatrix::new(&weights, rows, rank);
        let mut xs = RowCodes::default();
        xs.quantize(&uneven(batch * rank, seed + 1), rank);
        let before = noise(rows, seed + 2);
        for m in 0..batch {
            let x: Vec<f32> = xs.dequantize(m).take(rank).collect();
            for set in available() {
                for tile in 0..rows.div_ceil(16) {
                    let mut out = before[16 * tile..].to_vec();
                    matrix.add(&set, tile, &xs, m, &mut out);
                    for (n, (out, before)) in out.iter().zip(&before[16 * tile..]).enumerate() {
                        let row = &weights[(16 * tile + n) * rank..][..rank];
                        let largest = row.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                        let sum: f32 = row.iter().zip(&x).map(|(w, x)| w * x).sum();
                        // Half of a step of each weight.
                        let rounding: f32 = x.iter().map(|x| x.abs() * largest / 253.0).sum();
                        let error = (out - before - sum).abs();
                        prop_assert!(error <= rounding + 1e-5, "{}: output {n} from tile {tile}: {error}", set.name);
                    }
                    let mut oracle = before[16 * tile..].to_vec();
                    let scalar = available().next().expect("the oracle");
                    matrix.add(&scalar, tile, &xs, m, &mut oracle);
                    prop_assert!(out.iter().zip(&oracle).all(|(a, b)| (a - b).abs() <= 1e-5), "{}", set.name);
                }
            }
        }
    }

    /// Every set and shape: scores and weighted sums over scattered planes as the oracle has them, each row as if alone.
    #[test]
    fn every_set_reads_scattered_planes_as_the_oracle_does(
        count in 1usize..12,
        panels in 1usize..10,
        dim in 1usize..70,
        rows in 1usize..10,
        seed in 0u64..1000,
    ) {
        for kind in [Element::F16, Element::F32, Element::I8] {
            let plane = |values: usize, seed: u64| -> Vec<u8> {
                let values = uneven(values, seed);
                match kind {
                    Element::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
                    Element::I8 => values.iter().map(|v| ((v * 127.0) as i8).cast_unsigned()).collect(),
                    _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                }
            };
            let of = |values| -> Vec<Vec<u8>> { (0..count).map(|i| plane(values, seed + i as u64)).collect() };
            let (keys, values) = (of(dim * 16), of(panels * 16 * 16));
            let (keys, values) = (PlaneList::new(count, |i| &keys[i][..]), PlaneList::new(count, |i| &values[i][..]));
            let (queries, weights) = (uneven(rows * dim, seed + 20), uneven(rows * count * 16, seed + 21));
            let score = |set: &Kernels, queries: &[f32]| {
                let mut out = vec![f32::NAN; queries.len() / dim * count * 16];
                keys.score_by(set, kind, dim, queries, &mut out, count * 16);
                out
            };
            let blend = |set: &Kernels, weights: &[f32]| {
                let rows = Rows { values: weights, count: weights.len() / (count * 16), stride: count * 16 };
                let mut out = vec![f32::NAN; rows.count * panels * 16];
                values.blend_by(set, kind, 16, rows, &mut out, panels * 16);
                out
            };
            let scalar = available().next().expect("the oracle");
            let (scores, sums) = (score(&scalar, &queries), blend(&scalar, &weights));
            for set in available() {
                let (ours, blended) = (score(&set, &queries), blend(&set, &weights));
                let size = if kind == Element::I8 { 127.0 } else { 1.0 };
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * size * dim.max(count * 16) as f32;
                prop_assert!(ours.iter().zip(&scores).all(close), "{} of {kind:?}", set.name);
                prop_assert!(blended.iter().zip(&sums).all(close), "{} of {kind:?}", set.name);
                let (row, alone) = (&queries[(rows - 1) * dim..], &weights[(rows - 1) * count * 16..]);
                prop_assert_eq!(&score(&set, row)[..], &ours[(rows - 1) * count * 16..]);
                prop_assert_eq!(&blend(&set, alone)[..], &blended[(rows - 1) * panels * 16..]);
            }
        }
    }

    /// Both factors as codes: within rounding of the floats, however small the values, alone and in company.
    #[test]
    fn rounded_adapters_add_what_exact_ones_do(
        outputs in 1usize..40,
        groups in 1usize..5,
        rank in 1usize..40,
        rows in 1usize..40,
        exponent in -30i32..6,
        seed in 0u64..1000,
    ) {
        let inputs = groups * 32;
        let size = 2f32.powi(exponent);
        let a: Vec<f32> = uneven(rank * inputs, seed).iter().map(|v| v * size).collect();
        let b = uneven(outputs * rank, seed + 1);
        let (down, up) = (Matrix::from_f32(&a, rank, inputs), Matrix::from_f32(&b, outputs, rank));
        let exact = LowRank::Floats(FloatPair::new(&down, &up, 0.5).expect("floats"));
        let rounded = LowRank::Codes(CodePair::new(&down, &up, 0.5).expect("finite floats"));
        let xs = uneven(rows * inputs, seed + 2);
        let added = |delta: &LowRank, xs: &[f32]| {
            let mut out = vec![0.0; xs.len() / inputs * outputs];
            add_delta(delta, xs, xs.len() / inputs, &mut out);
            out
        };
        let (exact, all) = (added(&exact, &xs), added(&rounded, &xs));
        for (m, x) in xs.chunks_exact(inputs).enumerate() {
            let bounds = rounding_bounds(&a, &b, rank, x);
            for (n, bound) in bounds.iter().enumerate() {
                let error = (exact[m * outputs + n] - all[m * outputs + n]).abs();
                prop_assert!(error <= 0.5 * bound, "row {m}, output {n}: {error}, bound {bound}");
            }
        }
        for (m, x) in xs.chunks_exact(inputs).enumerate() {
            prop_assert_eq!(&added(&rounded, x)[..], &all[m * outputs..(m + 1) * outputs]);
        }
    }
}

/// What rounding may change at most in each output of `B (A x)`: half a step of every code, through both products.
fn rounding_bounds(a: &[f32], b: &[f32], rank: usize, x: &[f32]) -> Vec<f32> {
    /// Half a step of the largest value's 127, and a little for scales that are halves and sums of floats.
    const HALF: f32 = 1.15 / 254.0;
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let total = |values: &[f32]| values.iter().map(|v| v.abs()).sum::<f32>();
    let middle: Vec<(f32, f32)> = a
        .chunks_exact(x.len())
        .map(|a| {
            let groups = a.chunks_exact(32).zip(x.chunks_exact(32));
            let error = groups.map(|(a, x)| {
                let (step_a, step_x) = (largest(a) * HALF, largest(x) * HALF);
                step_a * total(x) + step_x * total(a) + 32.0 * step_a * step_x
            });
            (a.iter().zip(x).map(|(a, x)| a * x).sum(), error.sum())
        })
        .collect();
    // The row between the products is rounded once more.
    let step = middle.iter().fold(0.0f32, |most, (value, error)| most.max(value.abs() + error)) * HALF;
    b.chunks_exact(rank)
        .map(|b| {
            let step_b = largest(b) * HALF;
            let each = b.iter().zip(&middle);
            each.map(|(b, (value, error))| (b.abs() + step_b) * (error + step) + step_b * value.abs()).sum()
        })
        .collect()
}

#[test]
fn factors_that_cannot_be_rounded_stay_floats() {
    let (finite, infinite) = (Matrix::from_f32(&[1.0; 32], 1, 32), Matrix::from_f32(&[f32::INFINITY; 32], 1, 32));
    let up = Matrix::from_f32(&[1.0], 1, 1);
    assert!(CodePair::new(&finite, &up, 1.0).is_some());
    assert!(CodePair::new(&infinite, &up, 1.0).is_none(), "no number");
    assert!(CodePair::new(&Matrix::from_f32(&[1.0; 33], 1, 33), &up, 1.0).is_none(), "no whole groups");
    let blocks = matrix(BlockType::Q8_0, GgmlDType::Q8_0, 1, 32, 1);
    assert!(CodePair::new(&blocks, &up, 1.0).is_none(), "no floats");
    assert!(FloatPair::new(&blocks, &up, 1.0).is_none(), "no floats");
}

#[test]
fn bytes_of_a_wrong_length_are_refused() {
    for (kind, dtype) in TYPES {
        let blocks = matrix(kind, dtype, 20, 256, 1);
        let bytes = blocks.packed_bytes().expect("a packed form");
        for wrong in [0, bytes - 1, bytes + 1] {
            let error = blocks.with_packed("w", vec![0u8; wrong].into()).expect_err("a wrong length");
            assert!(error.to_string().contains(&wrong.to_string()), "{error}");
        }
    }
}
