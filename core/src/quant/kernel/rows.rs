//! Operations between products: norms, activations, softmax. Plain loops over one row, which each instruction set compiles
//! with its own registers; none mixes rows.

/// Turns pairs of which the first and the second values lie apart, by angles with these cosines and sines.
pub type RotateHalves = fn(first: &mut [f32], second: &mut [f32], cos: &[f32], sin: &[f32]);

/// The entries of a kernel set for rows.
#[derive(Clone, Copy)]
pub struct RowKernels {
    /// `out = x / rms(x) * weight`.
    pub rms_norm: fn(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]),
    /// `x = (x - mean) / std * weight + bias`.
    pub layer_norm: fn(x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32),
    /// `x += y`.
    pub add: fn(x: &mut [f32], y: &[f32]),
    /// `sums += weight * bytes`; the caller knows that sums fit.
    pub add_bytes: fn(sums: &mut [i32], weight: i32, bytes: &[u8]),
    /// `x * sigmoid(x)`, in place.
    pub silu: fn(x: &mut [f32]),
    /// GELU with the error function, in place.
    pub gelu: fn(x: &mut [f32]),
    /// GELU, tanh approximation, in place.
    pub gelu_tanh: fn(x: &mut [f32]),
    /// `x * sigmoid(1.702 x)`, in place.
    pub quick_gelu: fn(x: &mut [f32]),
    /// Turns pairs `(first[i], second[i])` by angles with these cosines and sines.
    pub rotate_halves: RotateHalves,
    /// Turns pairs `(x[2 i], x[2 i + 1])`.
    pub rotate_neighbours: fn(x: &mut [f32], cos: &[f32], sin: &[f32]),
    /// `x *= y`.
    pub mul: fn(x: &mut [f32], y: &[f32]),
    /// `x = exp(scale * x - greatest)`, `greatest` being that of the scaled values; returns it and the sum of the results.
    pub exp_sum: fn(x: &mut [f32], scale: f32) -> (f32, f32),
}

/// With the instructions that every processor of the target has.
pub(super) const PLAIN: RowKernels = RowKernels {
    rms_norm,
    layer_norm,
    add,
    mul,
    add_bytes,
    rotate_halves,
    rotate_neighbours,
    silu,
    gelu,
    gelu_tanh,
    quick_gelu,
    exp_sum,
};

/// Partial sums of a reduction: as many as the widest register has lanes, twice, so that additions do not wait.
const LANES: usize = 32;

/// Sum of `f(x)` in interleaved partial sums: becomes vector instructions, and keeps rounding errors small.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, tail) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f(v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(tail) {
        *lane += f(v);
    }
    halve(lanes, |a, b| a + b)
}

/// Folds lanes pairwise.
#[inline(always)]
fn halve(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let scale = 1.0 / (sum(x, |v| v * v) / x.len() as f32 + eps).sqrt();
    for ((y, &x), &w) in out.iter_mut().zip(x).zip(weight) {
        *y = x * scale * w;
    }
}

#[inline(always)]
pub(super) fn layer_norm(x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let count = x.len() as f32;
    let mean = sum(x, |v| v) / count;
    let variance = sum(x, |v| (v - mean) * (v - mean)) / count;
    let scale = 1.0 / (variance + eps).sqrt();
    for ((x, &w), &b) in x.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * scale * w + b;
    }
}

#[inline(always)]
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

#[inline(always)]
pub(super) fn mul(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x *= y);
}

#[inline(always)]
pub(super) fn silu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x /= 1.0 + exp(-*x));
}

#[inline(always)]
pub(super) fn gelu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2)));
}

/// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, by `1 + tanh(z) = 2 - 2 / (e^2z + 1)`.
#[inline(always)]
pub(super) fn gelu_tanh(x: &mut [f32]) {
    const TWICE_SQRT_2_OVER_PI: f32 = 2.0 * 0.797_884_6;
    x.iter_mut().for_each(|x| *x -= *x / (exp(TWICE_SQRT_2_OVER_PI * (*x + 0.044_715 * *x * *x * *x)) + 1.0));
}

#[inline(always)]
pub(super) fn add_bytes(sums: &mut [i32], weight: i32, bytes: &[u8]) {
    for (sum, &byte) in sums.iter_mut().zip(bytes) {
        *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(byte)));
    }
}

#[inline(always)]
pub(super) fn rotate_halves(first: &mut [f32], second: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[inline(always)]
pub(super) fn rotate_neighbours(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ([a, b], (cos, sin)) in x.as_chunks_mut::<2>().0.iter_mut().zip(cos.iter().zip(sin)) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[inline(always)]
pub(super) fn quick_gelu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x /= 1.0 + exp(-1.702 * *x));
}

#[inline(always)]
pub(super) fn exp_sum(x: &mut [f32], scale: f32) -> (f32, f32) {
    let mut greatest = [f32::NEG_INFINITY; LANES];
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let (chunks, tail) = x.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (greatest, x) in greatest.iter_mut().zip(chunk) {
            *x *= scale;
            *greatest = larger(*greatest, *x);
        }
    }
    for (greatest, x) in greatest.iter_mut().zip(tail) {
        *x *= scale;
        *greatest = larger(*greatest, *x);
    }
    let greatest = halve(greatest, larger);
    let mut lanes = [0.0f32; LANES];
    let (chunks, tail) = x.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(*x - greatest);
            *lane += *x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(tail) {
        *x = exp(*x - greatest);
        *lane += *x;
    }
    (greatest, halve(lanes, |a, b| a + b))
}

/// Error function by Abramowitz and Stegun 7.1.26: |error| below 6e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [0.254_829_6, -0.284_496_73, 1.421_413_7, -1.453_152, 1.061_405_4];
    let magnitude = x.abs();
    let t = 1.0 / (1.0 + P * magnitude);
    let poly = ((((A[4] * t + A[3]) * t + A[2]) * t + A[1]) * t + A[0]) * t;
    (1.0 - poly * exp(-magnitude * magnitude)).copysign(x)
}

/// `e^x` for activations, relative error below 2e-7, without branches or calls, so that loops into which it and its callers
/// are inlined become vector instructions. Beyond -87 and 88 it stays at the value there, which is below 2e-38 or finite.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves a number rounded to an integer in the low bits of the sum: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first of which has few enough bits that a multiple of it is exact (Cody and Waite).
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let count = shifted - ROUND;
    let r = count.mul_add(-LN_2[1], count.mul_add(-LN_2[0], x));
    // Taylor's series: the first term left out is below 6e-9 for |r| <= ln 2 / 2.
    let poly: f32 = 1.0 / 5040.0;
    let poly = poly.mul_add(r, 1.0 / 720.0);
    let poly = poly.mul_add(r, 1.0 / 120.0);
    let poly = poly.mul_add(r, 1.0 / 24.0);
    let poly = poly.mul_add(r, 1.0 / 6.0);
    let poly = poly.mul_add(r, 0.5);
    let poly = poly.mul_add(r, 1.0);
    let poly = poly.mul_add(r, 1.0);
    // The count in the exponent's place: its low bits plus the bias, moved there.
    poly * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_tabulated_values() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_2), (-1.0, -0.842_700_8)] {
            assert!((erf(x) - y).abs() < 6e-7, "erf({x}) = {}", erf(x));
        }
    }

    /// Over their whole range, against f64, in every set.
    #[test]
    fn activations_match_their_definitions() {
        let points = (-3000..=3000).map(|i| f64::from(i) / 100.0);
        let points: Vec<f64> = points.chain([-1e30, -200.0, -0.0, 1e-30, 200.0, 1e30]).collect();
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        // Cancelling powers of ten in the cube leave nothing of `x` beyond the range of f32.
        let tanh = |x: f64| {
            if x.abs() > 100.0 {
                x.signum()
            } else {
                (std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))).tanh()
            }
        };
        for kernels in crate::quant::available() {
            let run = |f: fn(&mut [f32])| {
                let mut values: Vec<f32> = points.iter().map(|&x| x as f32).collect();
                f(&mut values);
                values
            };
            let rows = kernels.rows;
            for (name, ours, expected) in [
                ("gelu_tanh", run(rows.gelu_tanh), &(|x: f64| 0.5 * x * (1.0 + tanh(x))) as &dyn Fn(f64) -> f64),
                ("quick_gelu", run(rows.quick_gelu), &|x: f64| x * sigmoid(1.702 * x)),
                ("silu", run(rows.silu), &|x: f64| x * sigmoid(x)),
            ] {
                for (&x, ours) in points.iter().zip(ours) {
                    let error = (f64::from(ours) - expected(f64::from(x as f32))).abs();
                    assert!(error <= 1e-6 * (1.0 + x.abs()), "{} {name}({x}) = {ours}", kernels.name);
                }
            }
            assert!(run(rows.gelu).iter().all(|y| y.is_finite()));
            for f in [rows.gelu, rows.gelu_tanh, rows.quick_gelu, rows.silu] {
                let mut nan = [f32::NAN];
                f(&mut nan);
                assert!(nan[0].is_nan());
            }
        }
        for x in (-7900..7900).map(|i| f64::from(i) / 100.0) {
            let value = x as f32;
            assert!((f64::from(exp(value)) / f64::from(value).exp() - 1.0).abs() < 2e-7, "exp({x}) = {}", exp(value));
        }
    }

    #[test]
    fn sums_and_norms_agree_with_f64() {
        for length in [1usize, 15, 16, 31, 33, 64, 577] {
            let x: Vec<f32> = (0..length).map(|i| ((i * 37 % 29) as f32 - 14.0) / 7.0).collect();
            let weight: Vec<f32> = (0..length).map(|i| 1.0 + (i % 5) as f32 / 10.0).collect();
            let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
            let count = length as f64;
            let mean = wide.iter().sum::<f64>() / count;
            let square = wide.iter().map(|v| v * v).sum::<f64>() / count;
            let variance = wide.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            let greatest = wide.iter().copied().fold(f64::NEG_INFINITY, f64::max) * 0.5;
            let total: f64 = wide.iter().map(|v| (v * 0.5 - greatest).exp()).sum();
            for kernels in crate::quant::available() {
                let close =
                    |ours: f32, expected: f64| (f64::from(ours) - expected).abs() < 2e-6 * (1.0 + expected.abs());
                let mut normed = vec![0.0; length];
                (kernels.rows.rms_norm)(&x, &weight, 1e-5, &mut normed);
                let mut layered = x.clone();
                (kernels.rows.layer_norm)(&mut layered, &weight, &weight, 1e-5);
                let mut powers = x.clone();
                let (most, sum) = (kernels.rows.exp_sum)(&mut powers, 0.5);
                assert!(close(most, greatest) && close(sum, total), "{} exp_sum of {length}", kernels.name);
                for i in 0..length {
                    let w = f64::from(weight[i]);
                    assert!(close(normed[i], wide[i] / (square + 1e-5).sqrt() * w), "{} rms {length}", kernels.name);
                    let expected = (wide[i] - mean) / (variance + 1e-5).sqrt() * w + w;
                    assert!(close(layered[i], expected), "{} layer {length}: {} {expected}", kernels.name, layered[i]);
                    assert!(close(powers[i], (wide[i] * 0.5 - greatest).exp()), "{} exp {length}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn every_set_turns_pairs_alike() {
        for half in [1usize, 5, 32, 67] {
            let x: Vec<f32> = (0..2 * half).map(|i| ((i * 37 % 29) as f32 - 14.0) / 7.0).collect();
            let (sin, cos): (Vec<f32>, Vec<f32>) = (0..half).map(|i| (i as f32 * 0.7).sin_cos()).unzip();
            for kernels in crate::quant::available() {
                let (mut first, mut second) = (x[..half].to_vec(), x[half..].to_vec());
                (kernels.rows.rotate_halves)(&mut first, &mut second, &cos, &sin);
                let mut pairs: Vec<f32> = (0..half).flat_map(|i| [x[i], x[half + i]]).collect();
                (kernels.rows.rotate_neighbours)(&mut pairs, &cos, &sin);
                for i in 0..half {
                    let (a, b) = (x[i], x[half + i]);
                    let turned = [a * cos[i] - b * sin[i], b * cos[i] + a * sin[i]];
                    assert_eq!([first[i], second[i]], turned, "{} pair {i} of {half}", kernels.name);
                    assert_eq!(pairs[2 * i..2 * i + 2], turned, "{} pair {i} of {half}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn scores_without_bound_stay_finite() {
        let mut scores = [1000.0, 1001.0, -1000.0, f32::NEG_INFINITY];
        let (greatest, sum) = (super::super::kernels().rows.exp_sum)(&mut scores, 1.0);
        assert_eq!(greatest, 1001.0);
        assert!((sum - 1.0 - (-1.0f32).exp()).abs() < 1e-6 && scores[1] == 1.0 && scores[2] < 1e-37);
    }
}
