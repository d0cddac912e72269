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

/// GELU, tanh approximation: `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    0.5 * x * (1.0 + (SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)).tanh())
}

/// GELU with the error function, as BERT uses it.
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Error function by Abramowitz and Stegun 7.1.26, evaluated in f64: |error| below 1.5e-7.
fn erf(x: f32) -> f32 {
    const P: f64 = 0.327_591_1;
    const A: [f64; 5] = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let magnitude = f64::from(x).abs();
    let t = 1.0 / (1.0 + P * magnitude);
    let poly = A.iter().rev().fold(0.0, |acc, a| (acc + a) * t);
    (1.0 - poly * (-magnitude * magnitude).exp()).copysign(f64::from(x)) as f32
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
            assert!((erf(x) - y).abs() < 3e-7, "erf({x}) = {}", erf(x));
        }
    }

    #[test]
    fn softmax_of_large_scores_stays_finite() {
        let mut scores = [1000.0, 1001.0, -1000.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[1] > scores[0] && scores[2] == 0.0);
    }
}
