//! The inverse of a monotonic rational-quadratic spline (Durkan et al. 2019, arXiv 1906.04032, section 3).

use crate::model::ops::softmax;

/// Least share of a bin, and least slope, as VITS was trained.
const MIN_BIN: f64 = 1e-3;
const MIN_SLOPE: f64 = 1e-3;

/// The `x` at which the spline has value `y`; the identity outside of `-tail..=tail`.
///
/// `parameters` are `bins` widths and `bins` heights, as logits, and the `bins - 1` inner slopes before the softplus.
/// Slopes are 1 at both ends.
pub(super) fn inverse(y: f32, parameters: &[f32], bins: usize, tail: f32) -> f32 {
    if y.abs() > tail {
        return y;
    }
    let (widths, rest) = parameters.split_at(bins);
    let (heights, slopes) = rest.split_at(bins);
    let (xs, ys) = (knots(widths, tail), knots(heights, tail));
    let y = f64::from(y);
    // The last knot lies at the tail, so some bin holds every value within.
    let bin = ys[1..bins].iter().take_while(|knot| y >= **knot).count();
    let slope = |at: usize| match at.checked_sub(1).and_then(|i| slopes.get(i)) {
        Some(raw) => MIN_SLOPE + softplus(f64::from(*raw)),
        None => 1.0,
    };
    let (width, height) = (xs[bin + 1] - xs[bin], ys[bin + 1] - ys[bin]);
    let (left, right, mean) = (slope(bin), slope(bin + 1), height / width);
    let above = y - ys[bin];
    let bend = above * (left + right - 2.0 * mean);
    let a = height * (mean - left) + bend;
    let b = height * left - bend;
    let c = -mean * above;
    // Not negative for a monotonic spline; rounding may say otherwise.
    let root = 2.0 * c / (-b - (b * b - 4.0 * a * c).max(0.0).sqrt());
    (root * width + xs[bin]) as f32
}

/// Edges of the bins: `bins + 1` values from `-tail` to `tail`.
fn knots(logits: &[f32], tail: f32) -> Vec<f64> {
    let mut shares = logits.to_vec();
    softmax(&mut shares);
    let (bins, tail) = (logits.len() as f64, f64::from(tail));
    let mut sum = 0.0;
    let mut knots = vec![-tail];
    for share in shares {
        sum += MIN_BIN + (1.0 - MIN_BIN * bins) * f64::from(share);
        knots.push(2.0 * tail * sum - tail);
    }
    knots[logits.len()] = tail;
    knots
}

fn softplus(x: f64) -> f64 {
    // Beyond 20 the logarithm adds less than rounding does.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bins_with_equal_slopes_are_the_identity() {
        // softplus(x) = 1 - MIN_SLOPE, the slope of the ends.
        let inner = ((1.0 - MIN_SLOPE).exp() - 1.0).ln() as f32;
        let parameters: Vec<f32> = [vec![0.3; 8], vec![inner; 3]].concat();
        for y in [-5.0, -4.99, -1.3, 0.0, 0.7, 2.5, 5.0, 7.0, -100.0] {
            assert!((inverse(y, &parameters, 4, 5.0) - y).abs() < 1e-5, "{y}");
        }
    }

    #[test]
    fn the_inverse_grows_and_meets_its_ends() {
        let parameters: Vec<f32> = (0..11).map(|i| ((i * 7 % 5) as f32 - 2.0) * 0.8).collect();
        let at = |y: f32| inverse(y, &parameters, 4, 5.0);
        let values: Vec<f32> = (-50..=50).map(|i| at(i as f32 / 10.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!((values[0] + 5.0).abs() < 1e-5 && (values[100] - 5.0).abs() < 1e-5);
    }
}
