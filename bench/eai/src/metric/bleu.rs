//! BLEU as sacrebleu computes it with tokenizer `13a`, between 0 and 100.

use std::collections::HashMap;

use super::paired;
use crate::error::{Error, Result};
use crate::tokenize::mteval_13a;

const NAME: &str = "BLEU";
const ORDER: usize = 4;

/// What is done about orders of n-grams without a hit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// Nothing: the score is 0.
    None,
    /// Each further one counts half of the one before: sacrebleu's default.
    Exponential,
    /// This many more hits and n-grams in all orders but the first.
    Add(f64),
}

/// A score and its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bleu {
    /// 0 to 100.
    pub score: f64,
    /// Of n-grams of one to four words, 0 to 100.
    pub precisions: [f64; ORDER],
    /// For outputs that are too short.
    pub brevity: f64,
    /// Words of the outputs.
    pub found_words: usize,
    /// Words of the references, the nearest in length of each.
    pub right_words: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    hits: [usize; ORDER],
    total: [usize; ORDER],
    found: usize,
    right: usize,
}

/// Over all outputs together; each has one or more references. Exponential smoothing is what publications report.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and an output without a reference.
pub fn corpus_bleu<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[Vec<B>], smoothing: Smoothing) -> Result<Bleu> {
    paired(NAME, found.len(), right.len())?;
    let mut sums = Sums::default();
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        sums.add(row, found.as_ref(), right)?;
    }
    Ok(sums.score(smoothing, ORDER))
}

/// Of one output; orders for which it is too short do not count.
///
/// # Errors
/// [`Error::Metric`] without a reference.
pub fn sentence_bleu<B: AsRef<str>>(found: &str, right: &[B], smoothing: Smoothing) -> Result<Bleu> {
    let mut sums = Sums::default();
    sums.add(0, found, right)?;
    let orders = sums.total.iter().filter(|total| **total > 0).count();
    Ok(sums.score(smoothing, orders))
}

/// Mean of [`sentence_bleu`]: how summaries of code are scored, with [`Smoothing::Add`] of 1.
///
/// # Errors
/// As [`corpus_bleu`].
pub fn mean_sentence_bleu<A: AsRef<str>, B: AsRef<str>>(
    found: &[A],
    right: &[Vec<B>],
    smoothing: Smoothing,
) -> Result<f64> {
    paired(NAME, found.len(), right.len())?;
    let mut all = Vec::with_capacity(found.len());
    for (found, right) in found.iter().zip(right) {
        all.push(sentence_bleu(found.as_ref(), right, smoothing)?.score);
    }
    Ok(super::mean(&all))
}

fn counts(words: &[String], order: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    words.windows(order).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

impl Sums {
    fn add<B: AsRef<str>>(&mut self, row: usize, found: &str, right: &[B]) -> Result<()> {
        let found = mteval_13a(found.trim_end());
        let right: Vec<Vec<String>> = right.iter().map(|text| mteval_13a(text.as_ref().trim_end())).collect();
        let nearest = right.iter().map(Vec::len).min_by_key(|length| (length.abs_diff(found.len()), *length));
        let nearest = nearest.ok_or_else(|| Error::metric(NAME, format!("row {row} has no reference")))?;
        self.found += found.len();
        self.right += nearest;
        for order in 1..=ORDER {
            let mut most: HashMap<&[String], usize> = HashMap::new();
            for reference in &right {
                for (gram, count) in counts(reference, order) {
                    let most = most.entry(gram).or_default();
                    *most = count.max(*most);
                }
            }
            let hits = counts(&found, order)
                .iter()
                .map(|(gram, n)| (*n).min(most.get(gram).copied().unwrap_or(0)))
                .sum::<usize>();
            self.hits[order - 1] += hits;
            self.total[order - 1] += (found.len() + 1).saturating_sub(order);
        }
        Ok(())
    }

    fn score(&self, smoothing: Smoothing, orders: usize) -> Bleu {
        let brevity = match (self.found, self.right) {
            (0, right) => f64::from(u8::from(right == 0)),
            (found, right) if found < right => (1.0 - right as f64 / found as f64).exp(),
            _ => 1.0,
        };
        let mut bleu =
            Bleu { score: 0.0, precisions: [0.0; ORDER], brevity, found_words: self.found, right_words: self.right };
        if self.hits.iter().all(|hits| *hits == 0) {
            return bleu;
        }
        let mut halves = 1.0;
        for (i, precision) in bleu.precisions.iter_mut().enumerate() {
            let (mut hits, mut total) = (self.hits[i] as f64, self.total[i] as f64);
            if let Smoothing::Add(more) = smoothing
                && i > 0
            {
                hits += more;
                total += more;
            }
            if total == 0.0 {
                break;
            }
            *precision = if hits > 0.0 {
                100.0 * hits / total
            } else if smoothing == Smoothing::Exponential {
                halves *= 2.0;
                100.0 / (halves * total)
            } else {
                0.0
            };
        }
        let used = &bleu.precisions[..orders];
        if orders > 0 && used.iter().all(|precision| *precision > 0.0) {
            bleu.score = brevity * (used.iter().map(|precision| precision.ln()).sum::<f64>() / orders as f64).exp();
        }
        bleu
    }
}
