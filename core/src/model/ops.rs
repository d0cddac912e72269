//! Small operations between linears: norms, activations, softmax. Each works on one row, so batches never mix rows.

/// `out = x / rms(x) * weight`.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let scale = 1.0 / (lane_sum(x, |v| v * v) / x.len() as f32 + eps).sqrt();
    for ((y, &x), &w) in out.iter_mut().zip(x).zip(weight) {
        *y = x * scale * w;
    }
}

/// As [`rms_norm`], in place.
pub(crate) fn rms_norm_inplace(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = 1.0 / (lane_sum(x, |v| v * v) / x.len() as f32 + eps).sqrt();
    for (x, &w) in x.iter_mut().zip(weight) {
        *x = *x * scale * w;
    }
}

/// `x = (x - mean) / std * weight + bias`, in place.
pub(crate) fn layer_norm_inplace(x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let count = x.len() as f32;
    let mean = lane_sum(x, |v| v) / count;
    let variance = lane_sum(x, |v| (v - mean) * (v - mean)) / count;
    let scale = 1.0 / (variance + eps).sqrt();
    for ((x, &w), &b) in x.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * scale * w + b;
    }
}

/// Sum of `f(x)` over 16 interleaved partial sums: vectorises, and keeps rounding errors small.
fn lane_sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = x.chunks_exact(16);
    let tail: f32 = chunks.remainder().iter().map(|&v| f(v)).sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f(v);
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// `x * sigmoid(x)`.
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// Hyperbolic tangent.
pub(crate) fn tanh(x: f32) -> f32 {
    x.tanh()
}

/// GELU, tanh approximation: `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, by `1 + tanh(z) = 2 - 2 / (e^2z + 1)`.
#[inline]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    const TWICE_SQRT_2_OVER_PI: f32 = 2.0 * 0.797_884_6;
    x - x / (exp(TWICE_SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)) + 1.0)
}

/// GELU with the error function, as BERT uses it.
#[inline]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `x * sigmoid(1.702 x)`, as CLIP uses it.
#[inline]
pub(crate) fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// Error function by Abramowitz and Stegun 7.1.26: |error| below 6e-7.
#[inline]
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
#[inline]
fn exp(x: f32) -> f32 {
    /// Adding it leaves a number rounded to an integer in the low bits of the sum: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first of which has few enough bits that a multiple of it is exact (Cody and Waite).
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let count = shifted - ROUND;
    let r = (x - count * LN_2[0]) - count * LN_2[1];
    // Taylor's series: the first term left out is below 6e-9 for |r| <= ln 2 / 2.
    let poly = 1.0 / 5040.0;
    let poly = poly * r + 1.0 / 720.0;
    let poly = poly * r + 1.0 / 120.0;
    let poly = poly * r + 1.0 / 24.0;
    let poly = poly * r + 1.0 / 6.0;
    let poly = poly * r + 0.5;
    let poly = poly * r + 1.0;
    let poly = poly * r + 1.0;
    // The count in the exponent's place: its low bits plus the bias, moved there.
    poly * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Turns scores into weights that sum to one.
pub(crate) fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for s in scores.iter_mut() {
        *s = (*s - max).exp();
        sum += *s;
    }
    let scale = 1.0 / sum;
    scores.iter_mut().for_each(|s| *s *= scale);
}

/// `ln(sum(exp(x)))`; minus infinity where every score is.
pub(crate) fn log_sum_exp(scores: &[f32]) -> f32 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return max;
    }
    let sum: f64 = scores.iter().map(|&score| f64::from(score - max).exp()).sum();
    max + sum.ln() as f32
}

/// The mean of `[rows, width]` over its rows; zeros for none.
pub(crate) fn mean_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let count = (rows.len() / width).max(1) as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}

/// `c * tanh(x / c)`: keeps `x` within `-c..c`.
pub(crate) fn softcap(x: f32, cap: f32) -> f32 {
    cap * (x / cap).tanh()
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

    /// Over their whole range, against f64.
    #[test]
    fn activations_match_their_definitions() {
        let points = (-3000..=3000).map(|i| f64::from(i) / 100.0);
        for x in points.chain([-1e30, -200.0, -0.0, 1e-30, 200.0, 1e30]) {
            let value = x as f32;
            let x = f64::from(value);
            let tanh = (std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))).tanh();
            // Cancelling powers of ten in the cube leave nothing of `x` beyond the range of f32.
            let tanh = if x.abs() > 100.0 { x.signum() } else { tanh };
            for (name, ours, expected) in [
                ("gelu_tanh", gelu_tanh(value), 0.5 * x * (1.0 + tanh)),
                ("quick_gelu", quick_gelu(value), x / (1.0 + (-1.702 * x).exp())),
            ] {
                let error = (f64::from(ours) - expected).abs();
                assert!(error <= 1e-6 * (1.0 + x.abs()), "{name}({x}) = {ours}, not {expected}");
            }
            if x.abs() < 80.0 {
                assert!((f64::from(exp(value)) / x.exp() - 1.0).abs() < 2e-7, "exp({x}) = {}", exp(value));
            }
            assert!(gelu(value).is_finite());
        }
        assert!([gelu, gelu_tanh, quick_gelu].iter().all(|f| f(f32::NAN).is_nan()));
    }

    #[test]
    fn softmax_of_large_scores_stays_finite() {
        let mut scores = [1000.0, 1001.0, -1000.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[1] > scores[0] && scores[2] == 0.0);
    }
}
