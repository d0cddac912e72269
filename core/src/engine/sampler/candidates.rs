//! The tokens that a random choice is drawn among, found in linear passes over the vocabulary.
//!
//! Each filter keeps the best tokens down to some bound, so a first pass drops what no filter could keep, and only the
//! few tokens that are left are weighed and ordered. What is kept, and the sums of weights, are to the last bit those of
//! the plain way: sort all, add all up.

use std::cmp::Ordering;

use super::Sampling;
use super::nucleus::Nucleus;

/// Logits that are looked at together: a block without a candidate costs vectorised comparisons only. As many as a word has
/// bits, so that a mask of tokens can be read beside them.
const BLOCK: usize = 64;

/// Values that are compared at a time.
const LANES: usize = 16;

/// The logarithm of weights that are zero in f32, with a margin: `exp(-103.98)` rounds to the smallest number above zero.
const NOTHING: f32 = -105.0;

/// The logarithm of 2^-24, with a margin. Added in falling order, after the best token's weight of 1, such weights
/// are less than half a unit in the last place of the sum and leave it as it is.
const ABSORBED: f32 = -16.64;

/// By how much the logarithm of a bound is lowered, so that rounding drops no token that reaches it.
const MARGIN: f32 = 0.01;

/// A token's id with its weight, 1 for the best token. Until it is weighed: with its logit over the temperature.
pub(super) type Candidate = (u32, f32);

/// The best token first, the lower id first among equals.
pub(super) fn order(a: &Candidate, b: &Candidate) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The vocabulary in blocks, each with its first id.
fn blocks(logits: &[f32]) -> impl Iterator<Item = (u32, &[f32])> {
    (0..).step_by(BLOCK).zip(logits.chunks(BLOCK))
}

/// The largest value; not-a-number is never larger.
fn maximum(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut most = [f32::NEG_INFINITY; LANES];
    for piece in values.chunks(LANES) {
        for (most, &value) in most.iter_mut().zip(piece) {
            *most = larger(*most, value);
        }
    }
    most.into_iter().fold(f32::NEG_INFINITY, larger)
}

/// The token of the largest logit, the lowest among equals, and that logit. Token 0 where no logit is a number above
/// negative infinity. One pass.
pub(super) fn best(logits: &[f32]) -> Candidate {
    let mut best = (0, f32::NEG_INFINITY);
    for (first, block) in blocks(logits) {
        let most = maximum(block);
        if most > best.1 {
            let id = (first..).zip(block).find(|&(_, &logit)| logit == most).map_or(first, |found| found.0);
            best = (id, most);
        }
    }
    best
}

/// What is kept of a vocabulary; its memory serves the next choice too.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
    nucleus: Nucleus,
}

impl Candidates {
    /// The tokens that `options` keep and that weigh more than nothing, by ascending id.
    ///
    /// Costs two passes over the logits, and time linear in what they leave: for top-p, tokens of at least 2^-24 of
    /// the best one's probability. Only the few that are kept are sorted.
    pub(super) fn gather(&mut self, logits: &[f32], options: &Sampling) -> &[Candidate] {
        let inverse = 1.0 / options.temperature;
        let most = best(logits).1 * inverse;
        let floor = match options {
            Sampling { top_p, .. } if *top_p < 1.0 => ABSORBED,
            Sampling { min_p, .. } if *min_p >= f32::MIN_POSITIVE => min_p.ln() - MARGIN,
            _ => NOTHING,
        };
        self.collect(logits, inverse, most, floor, options.top_k);
        self.list.iter_mut().for_each(|c| c.1 = (c.1 - most).exp());
        if options.top_p < 1.0 {
            self.nucleus.keep(options.top_p, &mut self.list);
        }
        // The best candidate has weight 1, so min-p is a plain bound.
        self.list.retain(|c| c.1 >= options.min_p);
        self.list.sort_unstable_by_key(|c| c.0);
        &self.list
    }

    /// Finds the tokens whose scaled logits are at least `most + floor`, of these the `k` best (0: all).
    ///
    /// At most twice as many as are kept are held: what is above that is dropped at once and raises the floor.
    fn collect(&mut self, logits: &[f32], inverse: f32, most: f32, mut floor: f32, k: usize) {
        self.list.clear();
        let k = if k == 0 { logits.len() } else { k.min(logits.len()) };
        for (first, block) in blocks(logits) {
            if maximum(block) * inverse - most < floor {
                continue;
            }
            // Written first and kept or not afterwards: where half of them are kept, a branch would be guessed wrong.
            let mut end = self.list.len();
            self.list.resize(end + block.len(), (0, 0.0));
            for (id, logit) in (first..).zip(block) {
                let scaled = logit * inverse;
                self.list[end] = (id, scaled);
                end += usize::from(scaled - most >= floor);
            }
            self.list.truncate(end);
            if self.list.len() >= 2 * k {
                floor = floor.max(self.keep_best(k) - most);
            }
        }
        if self.list.len() > k {
            self.keep_best(k);
        }
    }

    /// Drops all but the `k` best, in linear time, and gives the logit of the last of them.
    fn keep_best(&mut self, k: usize) -> f32 {
        let last = self.list.select_nth_unstable_by(k - 1, order).1.1;
        self.list.truncate(k);
        last
    }
}
