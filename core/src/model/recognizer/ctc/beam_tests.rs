//! Prefix beam search against the definition: the sum over all alignments.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::recognizer::ctc::Greedy;

/// Random log-probabilities `[frames, vocabulary]`; larger `contrast` makes them surer.
fn random(seed: u64, frames: usize, vocabulary: usize, contrast: f32) -> Vec<f32> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    (0..frames)
        .flat_map(|_| {
            let logits: Vec<f32> = (0..vocabulary).map(|_| chance.random_range(-1.0..1.0) * contrast).collect();
            let sum: f32 = logits.iter().map(|l| l.exp()).sum();
            logits.into_iter().map(move |l| l - sum.ln())
        })
        .collect()
}

/// The probability of every text, each alignment on its own.
fn oracle(frames: &[f32], vocabulary: usize, blank: u32) -> HashMap<Vec<u32>, f64> {
    let length = frames.len() / vocabulary;
    let mut texts = HashMap::new();
    for alignment in 0..vocabulary.pow(u32::try_from(length).expect("short")) {
        let (mut text, mut last, mut probability, mut rest) = (Vec::new(), blank, 0.0, alignment);
        for frame in frames.chunks_exact(vocabulary) {
            let id = u32::try_from(rest % vocabulary).expect("small");
            rest /= vocabulary;
            probability += f64::from(frame[id as usize]);
            if id != blank && id != last {
                text.push(id);
            }
            last = id;
        }
        *texts.entry(text).or_insert(0.0) += probability.exp();
    }
    texts
}

#[test]
fn probabilities_are_sums_over_all_alignments() {
    for (seed, blank) in (0..20).zip([0, 1, 2].into_iter().cycle()) {
        // At most 31 texts, so the beam holds them all.
        let frames = random(seed, 4, 3, 1.5);
        let mut search = PrefixBeam::new(3, blank, MAX_BEAM);
        assert!(search.push(&frames).is_empty(), "nothing is certain here");
        let expected = oracle(&frames, 3, blank);
        let found = search.hypotheses();
        assert_eq!(found.len(), expected.len());
        for (text, probability) in found {
            let difference = (probability.exp() / expected[&text] - 1.0).abs();
            assert!(difference < 1e-9, "{text:?}: {} instead of {}", probability.exp(), expected[&text]);
        }
    }
}

#[test]
fn the_best_text_wins_however_frames_are_cut() {
    let (mut exact, mut better) = (0, 0);
    for seed in 0..40 {
        let frames = random(100 + seed, 9, 4, 2.5);
        let expected = oracle(&frames, 4, 0);
        let best = expected.values().copied().fold(0.0, f64::max);
        let mut search = PrefixBeam::new(4, 0, MAX_BEAM);
        let mut whole = search.push(&frames);
        whole.extend(search.finish());
        let found: Vec<u32> = whole.iter().map(|token| token.id).collect();
        // A beam is narrower than all texts, so that a close second may win.
        assert!(expected[&found] >= 0.9 * best, "seed {seed}: {found:?} of {} instead of {best}", expected[&found]);
        exact += usize::from(expected[&found] == best);
        assert!(whole.is_sorted_by_key(|token| token.frame), "seed {seed}: {whole:?}");
        let mut search = PrefixBeam::new(4, 0, MAX_BEAM);
        let mut parts: Vec<CtcToken> = frames.chunks(4).flat_map(|frame| search.push(frame)).collect();
        parts.extend(search.finish());
        assert_eq!(parts, whole, "seed {seed}");
        let greedy: Vec<u32> = Greedy::new(4, 0).push(&frames).iter().map(|token| token.id).collect();
        better += usize::from(expected[&found] > 1.05 * expected[&greedy]);
    }
    assert!(exact >= 36, "only {exact} of 40 texts are the best ones");
    assert!(better > 3, "greedy search is worse in {better} of 40 only, so this proves little");
}

/// Alternatives that no later frame tells apart stay open for the horizon and no longer.
#[test]
fn open_choices_take_bounded_memory() {
    let open = [0.3f32, 0.35, 0.349_9, 0.000_1].map(f32::ln);
    let blank = [0.97f32, 0.01, 0.01, 0.01].map(f32::ln);
    let mut search = PrefixBeam::new(4, 0, 8);
    let mut tokens = search.push(&open);
    for _ in 0..20 {
        tokens.extend((0..HORIZON / 2).flat_map(|_| search.push(&blank)));
        assert!(search.nodes.len() < 100, "{} nodes", search.nodes.len());
        assert!(search.settled() + HORIZON + 1 >= search.frames);
    }
    assert_eq!(tokens.first().map(|token| (token.id, token.frame)), Some((1, 0)));
    // Nothing but infinities keeps one text.
    search.push(&[f32::NEG_INFINITY; 4]);
    assert_eq!(search.beam.len(), 1);
}
