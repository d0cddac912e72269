//! The nucleus of top-p: the smallest set of best tokens that have some share of all weight together.
//!
//! Where it ends depends on f32 sums in falling order of weights, yet hardly anything is sorted. Weights are laid into
//! bands by their exponents, and while a sum stays below the next power of two, each weight adds to it the same whole number
//! of units in the last place, in whatever order they come. Only the band in which the nucleus ends is sorted, and
//! those in which the order may matter: mostly bands of large weights, which are few.

use super::candidates::{Candidate, order};

/// Bands of weights, each half as large as those before it: down to 2^-25, below what counts in a sum.
const BANDS: usize = 26;

/// The band of a weight of at most 1.
fn band(weight: f32) -> usize {
    let exponent = weight.to_bits() >> (f32::MANTISSA_DIGITS - 1);
    (1.0f32.to_bits() >> (f32::MANTISSA_DIGITS - 1)).saturating_sub(exponent).min(BANDS as u32 - 1) as usize
}

/// `sum` after `weights` were added one by one, the largest first.
fn add(sum: f32, weights: &mut [f32]) -> f32 {
    add_in_any_order(sum, weights).unwrap_or_else(|| {
        weights.sort_unstable_by(|a, b| b.total_cmp(a));
        weights.iter().fold(sum, |sum, weight| sum + weight)
    })
}

/// As [`add`], or `None` where the order may matter: where a sum reaches the next power of two, and where a weight lies
/// halfway between two whole numbers of units, which is rounded up or down depending on what it is added to.
fn add_in_any_order(sum: f32, weights: &[f32]) -> Option<f32> {
    let sign_and_exponent = !0 << (f32::MANTISSA_DIGITS - 1);
    let power = f32::from_bits(sum.to_bits() & sign_and_exponent);
    let half_unit = power * f32::EPSILON / 2.0;
    let (mut added, mut is_halfway) = (0.0, false);
    for weight in weights {
        let rounded = (power + weight) - power;
        is_halfway |= (weight - rounded).abs() == half_unit;
        added += rounded;
    }
    (!is_halfway && sum + added < 2.0 * power).then_some(sum + added)
}

/// Finds nuclei; its memory serves the next one too.
#[derive(Debug, Default)]
pub(super) struct Nucleus {
    weights: Vec<f32>,
    edge: Vec<Candidate>,
}

impl Nucleus {
    /// Drops from `list` all but the smallest set of best tokens whose weights are `share` of all, at least one. What is
    /// kept stays in its order. Weights are above zero, the largest is 1.
    pub(super) fn keep(&mut self, share: f32, list: &mut Vec<Candidate>) {
        let ends = self.lay(list);
        let mut sums = [0.0; BANDS + 1];
        let mut start = 0;
        for (band, &end) in ends.iter().enumerate() {
            sums[band + 1] = add(sums[band], &mut self.weights[start..end]);
            start = end;
        }
        let bound = share * sums[BANDS];
        let Some(last) = (0..BANDS).find(|&band| sums[band + 1] >= bound) else { return };
        self.edge.clear();
        self.edge.extend(list.iter().filter(|c| band(c.1) == last));
        self.edge.sort_unstable_by(order);
        let mut reached = sums[last];
        let kept = self.edge.iter().take_while(|c| {
            let before = reached;
            reached += c.1;
            before < bound
        });
        let kept = kept.count().max(1);
        if let Some(worst) = self.edge.get(kept - 1) {
            list.retain(|c| order(c, worst).is_le());
        }
    }

    /// Lays the weights of `list` into bands; says where each band ends.
    fn lay(&mut self, list: &[Candidate]) -> [usize; BANDS] {
        let mut places = [0; BANDS];
        for c in list {
            places[band(c.1)] += 1;
        }
        let mut start = 0;
        for place in &mut places {
            start += std::mem::replace(place, start);
        }
        self.weights.clear();
        self.weights.resize(list.len(), 0.0);
        for c in list {
            let place = &mut places[band(c.1)];
            self.weights[*place] = c.1;
            *place += 1;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(sum: f32, weights: &[f32]) -> f32 {
        let mut sorted = weights.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted.iter().fold(sum, |sum, weight| sum + weight)
    }

    proptest! {
        #[test]
        fn a_sum_in_any_order_is_that_in_falling_order(
            sum in 1.0f32..9.0,
            weights in prop::collection::vec((0u32..26, 1.0f32..2.0), 0..200),
            coarse in any::<bool>(),
        ) {
            // Coarse weights often lie halfway between two units.
            let coarsen = |m: f32| if coarse { (m * 64.0).round() / 64.0 } else { m };
            let mut weights: Vec<f32> = weights.iter().map(|&(e, m)| coarsen(m) * 0.5f32.powi(e as i32 + 1)).collect();
            let expected = one_by_one(sum, &weights);
            if let Some(found) = add_in_any_order(sum, &weights) {
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
            prop_assert_eq!(add(sum, &mut weights).to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn the_order_matters_only_where_it_is_said_to() {
        let unit = f32::EPSILON;
        assert_eq!(add_in_any_order(1.0, &[0.25, 1.25 * unit]), Some(1.25 + unit));
        assert_eq!(add_in_any_order(1.0, &[0.5 * unit]), None, "halfway");
        assert_eq!(add_in_any_order(1.5, &[0.25, 0.25]), None, "the next power of two");
        assert_eq!(add_in_any_order(0.0, &[1.0]), None, "nothing to add to");
        assert_eq!(add(0.0, &mut [1.0, 1.0, 1.0]), 3.0);
    }
}
