//! GLEU of corrected sentences, as the script of JFLEG computes it: BLEU of the output minus what it kept of the source that
//! no reference keeps, with one reference a sentence drawn at random, 500 times over.
//!
//! The draws are those of the script: Python's generator, seeded as the script seeds it, as Python 2 makes integers of it.

use std::collections::HashMap;

use super::{mean, paired};
use crate::error::{Error, Result};
use crate::tokenize::whitespace;

const NAME: &str = "GLEU";
const ORDER: usize = 4;
/// Draws of references.
const DRAWS: u32 = 500;
/// The seed of each draw is its number times this.
const SEED_STEP: u32 = 101;

/// A score over draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gleu {
    /// Mean, 0 to 1.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

/// Lengths, then hits and n-grams of each order.
#[derive(Clone, Copy, Debug, Default)]
struct Statistics {
    found: usize,
    right: usize,
    hits: [usize; ORDER],
    total: [usize; ORDER],
}

/// Of all sentences; words are separated by spaces. All have equally many references, in an order that counts.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and sentences with no or unequally many references.
pub fn gleu<A: AsRef<str>, B: AsRef<str>, C: AsRef<str>>(found: &[A], sources: &[B], right: &[Vec<C>]) -> Result<Gleu> {
    paired(NAME, found.len(), right.len())?;
    paired(NAME, sources.len(), right.len())?;
    let references = right[0].len();
    if let Some((row, wrong)) = right.iter().enumerate().find(|(_, all)| all.len() != references || all.is_empty()) {
        return Err(Error::metric(NAME, format!("row {row} has {} references, row 0 {references}", wrong.len())));
    }
    let rows = found.iter().zip(sources).zip(right);
    let rows: Vec<Vec<Statistics>> = rows
        .map(|((found, source), right)| {
            right.iter().map(|right| statistics(found.as_ref(), source.as_ref(), right.as_ref())).collect()
        })
        .collect();
    let scores: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let mut random = Mersenne::new(draw * SEED_STEP);
            let mut sum = Statistics::default();
            for row in &rows {
                sum.add(&row[(random.unit() * references as f64) as usize]);
            }
            sum.score()
        })
        .collect();
    let mean = mean(&scores);
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / scores.len() as f64;
    Ok(Gleu { mean, deviation: variance.sqrt() })
}

fn counts<'a>(words: &'a [&'a str], order: usize) -> HashMap<&'a [&'a str], usize> {
    let mut counts = HashMap::new();
    words.windows(order).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

fn statistics(found: &str, source: &str, right: &str) -> Statistics {
    let [found, source, right] = [found, source, right].map(|text| whitespace(text).collect::<Vec<_>>());
    let mut all = Statistics { found: found.len(), right: right.len(), ..Statistics::default() };
    for order in 1..=ORDER {
        let (found_grams, sources, rights) = (counts(&found, order), counts(&source, order), counts(&right, order));
        let shared = |other: &HashMap<&[&str], usize>| -> usize {
            found_grams.iter().map(|(gram, count)| (*count).min(other.get(gram).copied().unwrap_or(0))).sum()
        };
        let kept = sources.into_iter().filter(|(gram, _)| !rights.contains_key(gram)).collect();
        all.hits[order - 1] = shared(&rights).saturating_sub(shared(&kept));
        all.total[order - 1] = (found.len() + 1).saturating_sub(order);
    }
    all
}

impl Statistics {
    fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.right += other.right;
        for order in 0..ORDER {
            self.hits[order] += other.hits[order];
            self.total[order] += other.total[order];
        }
    }

    fn score(&self) -> f64 {
        let parts = self.hits.iter().chain(&self.total).chain([&self.found, &self.right]);
        if parts.into_iter().any(|part| *part == 0) {
            return 0.0;
        }
        let precisions = self.hits.iter().zip(&self.total).map(|(hits, total)| (*hits as f64 / *total as f64).ln());
        let brevity = (1.0 - self.right as f64 / self.found as f64).min(0.0);
        (brevity + precisions.sum::<f64>() / ORDER as f64).exp()
    }
}

/// MT19937, seeded by an array of one word as Python does.
struct Mersenne {
    state: [u32; 624],
    next: usize,
}

impl Mersenne {
    fn new(seed: u32) -> Self {
        let mut state = [0u32; 624];
        state[0] = 19_650_218;
        for i in 1..624 {
            state[i] = mixed(state[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        for _ in 0..624 {
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_664_525)).wrapping_add(seed);
            i = Self::step(&mut state, i);
        }
        for _ in 0..623 {
            state[i] = (state[i] ^ mixed(state[i - 1]).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i = Self::step(&mut state, i);
        }
        state[0] = 1 << 31;
        Self { state, next: 624 }
    }

    fn step(state: &mut [u32; 624], i: usize) -> usize {
        if i + 1 < 624 {
            return i + 1;
        }
        state[0] = state[623];
        1
    }

    fn word(&mut self) -> u32 {
        if self.next == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// From 0 to 1 in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }
}

fn mixed(word: u32) -> u32 {
    word ^ (word >> 30)
}
