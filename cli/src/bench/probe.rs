//! Multinomial logistic regression with a quadratic penalty, as scikit-learn's `LogisticRegression` minimises it: the sum of
//! cross-entropies times `strength`, and half the squares of all weights but the intercepts. By L-BFGS.

use std::collections::VecDeque;

/// Steps of the search.
const MAX_STEPS: usize = 200;
/// Gradients that are remembered.
const MEMORY: usize = 10;
/// Largest component of the gradient where the search ends, by the number of rows.
const TOLERANCE: f64 = 1e-5;
/// Halvings of a step that does not go down.
const MAX_HALVINGS: usize = 30;
/// Share of the decrease along the gradient that a step must bring.
const ARMIJO: f64 = 1e-4;

/// A linear head.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// A row for each class: weights, then the intercept.
    weights: Vec<f64>,
    classes: usize,
    width: usize,
}

impl Probe {
    /// Learns `classes` classes from rows of one width.
    ///
    /// # Panics
    /// For unlike counts, no rows, and classes out of range.
    #[must_use]
    pub fn fit(rows: &[Vec<f32>], right: &[usize], classes: usize, strength: f64) -> Self {
        assert!(rows.len() == right.len() && !rows.is_empty() && right.iter().all(|class| *class < classes));
        let width = rows[0].len();
        let loss = Loss { rows, right, classes, width, strength };
        let weights = minimise(&loss, vec![0.0; classes * (width + 1)], TOLERANCE * rows.len() as f64 * strength);
        Self { weights, classes, width }
    }

    /// Natural logarithms of probabilities, but for a constant.
    fn logits(&self, row: &[f32]) -> Vec<f64> {
        logits(&self.weights, self.classes, self.width, row)
    }

    /// The most probable class.
    #[must_use]
    pub fn class(&self, row: &[f32]) -> usize {
        let logits = self.logits(row);
        (0..self.classes).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
    }
}

fn logits(weights: &[f64], classes: usize, width: usize, row: &[f32]) -> Vec<f64> {
    let of = |class: usize| {
        let own = &weights[class * (width + 1)..][..=width];
        own[..width].iter().zip(row).map(|(weight, value)| weight * f64::from(*value)).sum::<f64>() + own[width]
    };
    (0..classes).map(of).collect()
}

struct Loss<'a> {
    rows: &'a [Vec<f32>],
    right: &'a [usize],
    classes: usize,
    width: usize,
    strength: f64,
}

impl Loss<'_> {
    /// The value and its gradient.
    fn at(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let stride = self.width + 1;
        let mut value = 0.0;
        let mut gradient = vec![0.0; weights.len()];
        for (row, right) in self.rows.iter().zip(self.right) {
            let logits = logits(weights, self.classes, self.width, row);
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
            value += self.strength * (total.ln() + most - logits[*right]);
            for (class, logit) in logits.iter().enumerate() {
                let error = self.strength * ((logit - most).exp() / total - f64::from(u8::from(class == *right)));
                let own = &mut gradient[class * stride..][..stride];
                own[..self.width].iter_mut().zip(row).for_each(|(slope, value)| *slope += error * f64::from(*value));
                own[self.width] += error;
            }
        }
        for (at, (weight, slope)) in weights.iter().zip(&mut gradient).enumerate() {
            if at % stride != self.width {
                value += weight * weight / 2.0;
                *slope += weight;
            }
        }
        (value, gradient)
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn minimise(loss: &Loss<'_>, mut point: Vec<f64>, tolerance: f64) -> Vec<f64> {
    let (mut value, mut gradient) = loss.at(&point);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    for _ in 0..MAX_STEPS {
        if gradient.iter().fold(0.0, |most: f64, slope| most.max(slope.abs())) <= tolerance {
            break;
        }
        let direction = downwards(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        let mut step = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut next = None;
        for _ in 0..MAX_HALVINGS {
            let there: Vec<f64> = point.iter().zip(&direction).map(|(at, by)| at + step * by).collect();
            let (found, slopes) = loss.at(&there);
            if found <= value + ARMIJO * step * slope {
                next = Some((there, found, slopes));
                break;
            }
            step /= 2.0;
        }
        // No step goes down any more: what is left is rounding.
        let Some((there, found, slopes)) = next else { break };
        let moved: Vec<f64> = there.iter().zip(&point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curve = dot(&moved, &turned);
        if curve > 0.0 {
            memory.push_back((moved, turned, curve));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (point, value, gradient) = (there, found, slopes);
    }
    point
}

/// The two loops of L-BFGS.
fn downwards(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (moved, turned, curve) in memory.iter().rev() {
        let share = dot(moved, &direction) / curve;
        direction.iter_mut().zip(turned).for_each(|(by, turned)| *by -= share * turned);
        shares.push(share);
    }
    if let Some((_, turned, curve)) = memory.back() {
        let scale = curve / dot(turned, turned);
        direction.iter_mut().for_each(|by| *by *= scale);
    }
    for ((moved, turned, curve), share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(turned, &direction) / curve;
        direction.iter_mut().zip(moved).for_each(|(by, moved)| *by += (share - back) * moved);
    }
    direction
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
