//! Several hypotheses side by side.
//!
//! The search is that of transformers: twice as many continuations as beams are looked at in each step, of which those that
//! end are set aside when they are among the best, by their log probability per token. It goes on until no hypothesis that
//! still grows is better than the worst one set aside. Log probabilities are those before the rules, as there.
//!
//! Tokens of beams that died are forgotten every few steps, so that a window's memory is that of its living beams.

use super::rules::Rules;
use super::search::{Begin, Found};
use crate::error::Result;
use crate::model::ops::log_sum_exp;
use crate::model::recognizer::whisper::{Hypothesis, WhisperDecoding};

/// Steps between two clearings: a beam's dead tokens are few beside the hundreds that it may live for.
const CLEARING: usize = 16;

#[derive(Debug)]
struct Beam {
    tokens: Vec<u32>,
    /// Sum of log probabilities.
    score: f32,
    hypothesis: Hypothesis,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
}

/// Searches with `width` beams. Work: up to `width` tokens per step, at most [`Begin::limit`] steps.
///
/// # Errors
/// As [`WhisperDecoding::feed`].
pub(super) fn search(
    decoding: &mut WhisperDecoding<'_>,
    rules: &Rules<'_>,
    begin: Begin<'_>,
    width: usize,
) -> Result<Found> {
    let Begin { hypothesis, logits, forced, limit } = begin;
    let prompt = hypothesis.len() - forced.len();
    let mut logits = logits.to_vec();
    let mut beams = vec![Beam { tokens: forced.to_vec(), score: 0.0, hypothesis }];
    let mut ended: Vec<Found> = Vec::new();
    let mut searched = 0;
    while prompt + forced.len() + searched < limit {
        let candidates = candidates(rules, &beams, &mut logits, 2 * width);
        searched += 1;
        let full = prompt + forced.len() + searched >= limit;
        let mut next: Vec<Beam> = Vec::with_capacity(width);
        for (rank, candidate) in candidates.iter().enumerate() {
            let from = &beams[candidate.beam];
            let ends = candidate.token == rules.vocabulary.end;
            if ends || full {
                if rank < width {
                    let own = (!ends).then_some(candidate.token);
                    let tokens = from.tokens.iter().copied().chain(own).collect();
                    ended.push(Found { tokens, log_probability: candidate.score / searched as f32 });
                }
            } else if next.len() < width {
                let tokens = from.tokens.iter().copied().chain([candidate.token]).collect();
                next.push(Beam { tokens, score: candidate.score, hypothesis: from.hypothesis.clone() });
            }
        }
        // Stable, so that of equal ones the first found stays.
        ended.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
        ended.truncate(width);
        let worst = ended.last().filter(|_| ended.len() == width).map(|found| found.log_probability);
        let hopeless = |beam: &Beam| worst.is_some_and(|worst| beam.score / searched as f32 <= worst);
        if next.first().is_none_or(hopeless) {
            break;
        }
        beams = next;
        if searched % CLEARING == 0 {
            let mut living: Vec<&mut Hypothesis> = beams.iter_mut().map(|beam| &mut beam.hypothesis).collect();
            decoding.retain(&mut living);
        }
        let fed: Vec<u32> = beams.iter().filter_map(|beam| beam.tokens.last().copied()).collect();
        let mut feeds: Vec<(&mut Hypothesis, &[u32])> = beams
            .iter_mut()
            .zip(&fed)
            .map(|(beam, token)| (&mut beam.hypothesis, std::slice::from_ref(token)))
            .collect();
        let states = decoding.feed(&mut feeds)?;
        logits = decoding.logits(&states)?;
    }
    let unended = || beams.into_iter().next().map(|beam| beam.tokens).unwrap_or_default();
    Ok(ended.into_iter().next().unwrap_or_else(|| Found { tokens: unended(), log_probability: 0.0 }))
}

/// The best `count` continuations of all beams, best first.
fn candidates(rules: &Rules<'_>, beams: &[Beam], logits: &mut [f32], count: usize) -> Vec<Candidate> {
    let vocabulary = logits.len() / beams.len();
    let mut all = Vec::new();
    for (index, (beam, scores)) in beams.iter().zip(logits.chunks_exact_mut(vocabulary)).enumerate() {
        let total = log_sum_exp(scores);
        scores.iter_mut().for_each(|score| *score -= total);
        rules.apply(&beam.tokens, scores);
        // Only this many of one beam can be among the best of all.
        let mut order: Vec<usize> = (0..vocabulary).filter(|&id| scores[id] > f32::NEG_INFINITY).collect();
        let better = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        if order.len() > count {
            order.select_nth_unstable_by(count, better);
            order.truncate(count);
        }
        all.extend(order.into_iter().map(|id| Candidate {
            beam: index,
            token: u32::try_from(id).expect("invariant: configs bound the vocabulary"),
            score: beam.score + scores[id],
        }));
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.beam, a.token).cmp(&(b.beam, b.token))));
    all.truncate(count);
    all
}
