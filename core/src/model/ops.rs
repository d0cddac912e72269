//! Small operations that are no kernels: of single values, or of rows that are no hot path.

use crate::quant::kernels;

/// Hyperbolic tangent.
pub(crate) fn tanh(x: f32) -> f32 {
    x.tanh()
}

/// Turns scores into weights that sum to one.
pub(crate) fn softmax(scores: &mut [f32]) {
    let (_, sum) = (kernels().rows.exp_sum)(scores, 1.0);
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
    fn softmax_of_large_scores_stays_finite() {
        let mut scores = [1000.0, 1001.0, -1000.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[1] > scores[0] && scores[2] < 1e-37);
    }
}
