//! The search for what was said in one window: one hypothesis, greedy or by chance.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::rules::Rules;
use crate::error::Result;
use crate::model::ops::log_sum_exp;
use crate::model::recognizer::whisper::{Hypothesis, WhisperDecoding};

/// Where a search begins.
#[derive(Debug)]
pub(super) struct Begin<'a> {
    /// The prompt, fed.
    pub(super) hypothesis: Hypothesis,
    /// Logits behind it.
    pub(super) logits: &'a [f32],
    /// What the text begins with in any case; fed behind the prompt.
    pub(super) forced: &'a [u32],
    /// Most tokens, prompt included.
    pub(super) limit: usize,
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Tokens behind the prompt, without the one that ends the text.
    pub(super) tokens: Vec<u32>,
    /// Mean natural logarithm of the probabilities of what was searched, the end included.
    pub(super) log_probability: f32,
}

/// How a token is chosen.
#[derive(Debug)]
pub(super) enum Choice {
    /// The best one.
    Best,
    /// By chance, from the distribution at a temperature above 0.
    Chance { temperature: f32, rng: Box<ChaCha8Rng> },
}

impl Choice {
    pub(super) fn at(temperature: f32, seed: u64) -> Self {
        if temperature > 0.0 {
            Self::Chance { temperature, rng: Box::new(ChaCha8Rng::seed_from_u64(seed)) }
        } else {
            Self::Best
        }
    }

    /// The id of one of the scores that are not minus infinity, `None` where there is none.
    fn choose(&mut self, scores: &[f32]) -> Option<usize> {
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if best == f32::NEG_INFINITY {
            return None;
        }
        let first_best = || scores.iter().position(|&score| score >= best);
        match self {
            Self::Best => first_best(),
            Self::Chance { temperature, rng } => {
                let weight = |score: f32| f64::from((score - best) / *temperature).exp();
                let total: f64 = scores.iter().map(|&score| weight(score)).sum();
                let mut left = rng.random::<f64>() * total;
                let drawn = scores.iter().position(|&score| {
                    left -= weight(score);
                    left < 0.0
                });
                drawn.or_else(first_best)
            }
        }
    }
}

/// Follows one hypothesis until it ends or is full. Work: one token per step, at most [`Begin::limit`] steps.
///
/// # Errors
/// As [`WhisperDecoding::feed`].
pub(super) fn follow(
    decoding: &mut WhisperDecoding<'_>,
    rules: &Rules<'_>,
    begin: Begin<'_>,
    mut choice: Choice,
) -> Result<Found> {
    let Begin { mut hypothesis, logits, forced, limit } = begin;
    let prompt = hypothesis.len() - forced.len();
    let (mut tokens, mut scores) = (forced.to_vec(), logits.to_vec());
    let (mut sum, mut count) = (0.0f64, 0usize);
    while prompt + tokens.len() < limit {
        rules.apply(&tokens, &mut scores);
        let Some(id) = choice.choose(&scores) else { break };
        sum += f64::from(scores[id] - log_sum_exp(&scores));
        count += 1;
        let id = u32::try_from(id).expect("invariant: configs bound the vocabulary");
        if id == rules.vocabulary.end {
            break;
        }
        tokens.push(id);
        if prompt + tokens.len() < limit {
            let states = decoding.feed(&mut [(&mut hypothesis, &[id])])?;
            scores = decoding.logits(&states)?;
        }
    }
    let log_probability = if count == 0 { 0.0 } else { (sum / count as f64) as f32 };
    Ok(Found { tokens, log_probability })
}
