//! The plain sampler, which lists, weighs and sorts the whole vocabulary: what [`Sampler`] must agree with token by token.

use std::collections::HashMap;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Sampler, Sampling};

struct Plain {
    options: Sampling,
    random: ChaCha8Rng,
    /// How often each token that occurred was generated.
    seen: HashMap<u32, u32>,
}

impl Plain {
    fn new(options: Sampling, prompt: &[u32]) -> Self {
        let random = ChaCha8Rng::seed_from_u64(options.seed);
        Self { options, random, seen: prompt.iter().map(|&id| (id, 0)).collect() }
    }

    fn choose(&mut self, logits: &mut [f32]) -> u32 {
        let options = &self.options;
        for (&id, &generated) in &self.seen {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit *= if *logit > 0.0 { 1.0 / options.repetition_penalty } else { options.repetition_penalty };
            if generated > 0 {
                *logit -= options.presence_penalty + options.frequency_penalty * generated as f32;
            }
        }
        let id = if self.options.temperature == 0.0 { greedy(logits) } else { self.draw(logits) };
        *self.seen.entry(id).or_default() += 1;
        id
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let inverse = 1.0 / self.options.temperature;
        let mut list: Vec<(u32, f32)> =
            (0..).zip(logits).filter(|(_, v)| !v.is_nan()).map(|(id, v)| (id, v * inverse)).collect();
        if list.is_empty() {
            return greedy(logits);
        }
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        list.sort_by(order);
        list.truncate(if self.options.top_k == 0 { list.len() } else { self.options.top_k });
        let max = list.iter().map(|c| c.1).fold(f32::NEG_INFINITY, f32::max);
        list.iter_mut().for_each(|c| c.1 = (c.1 - max).exp());
        if self.options.top_p < 1.0 {
            list.sort_by(order);
            let total: f32 = list.iter().map(|c| c.1).sum();
            let mut reached = 0.0;
            let kept = list.iter().take_while(|c| {
                let before = reached;
                reached += c.1;
                before < self.options.top_p * total
            });
            let kept = kept.count().max(1);
            list.truncate(kept);
        }
        list.retain(|c| c.1 >= self.options.min_p);
        list.sort_by_key(|c| c.0);
        let total: f32 = list.iter().map(|c| c.1).sum();
        let mut point = self.random.random::<f32>() * total;
        for &(id, weight) in &list {
            point -= weight;
            if point < 0.0 {
                return id;
            }
        }
        list.iter().rev().find(|c| c.1 > 0.0).map_or(0, |c| c.0)
    }
}

fn greedy(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    best.0
}

/// Both choose from the same rows of logits in turn.
fn compare(options: &Sampling, prompt: &[u32], rows: &[Vec<f32>]) {
    let mut plain = Plain::new(options.clone(), prompt);
    let mut sampler = Sampler::new(options.clone(), prompt).expect("options");
    for (step, row) in rows.iter().enumerate() {
        let (mut expected, mut found) = (row.clone(), row.clone());
        let ids = (plain.choose(&mut expected), sampler.choose(&mut found));
        assert_eq!(ids.0, ids.1, "step {step} of {options:?} on {} logits", row.len());
    }
}

/// Filters on and off, at their ends and between them.
fn options() -> impl Strategy<Value = Sampling> {
    let temperature =
        prop_oneof![2 => Just(0.0f32), 4 => Just(1.0), 4 => 0.05f32..4.0, 1 => Just(1e-40), 1 => Just(1e-6)];
    let top_k = prop_oneof![3 => Just(0usize), 3 => 1usize..8, 3 => 8usize..400, 1 => Just(usize::MAX)];
    let top_p = prop_oneof![3 => Just(1.0f32), 1 => Just(0.0), 4 => 0.01f32..0.999, 1 => Just(0.999_999_94)];
    let min_p = prop_oneof![3 => Just(0.0f32), 3 => 0.0001f32..0.9, 1 => Just(1.0), 1 => Just(1e-45), 1 => Just(1e-38)];
    let penalties = prop_oneof![Just((1.0f32, 0.0f32, 0.0f32)), (0.5f32..2.0, -1.0f32..1.0, -1.0f32..1.0)];
    (temperature, top_k, top_p, min_p, penalties, any::<u64>()).prop_map(
        |(temperature, top_k, top_p, min_p, (repetition_penalty, presence_penalty, frequency_penalty), seed)| {
            Sampling { temperature, top_k, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty, seed }
        },
    )
}

/// Logits of one kind: spread out, with many ties, crowded in one block, or none that is usual.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    let usual = -40.0f32..40.0;
    let tied = (-3i8..4).prop_map(f32::from);
    let near = 0.0f32..1e-3;
    let odd = prop_oneof![
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::NAN),
        Just(0.0f32),
        Just(-0.0f32),
        Just(1e-45f32),
        Just(f32::MAX),
        -2.0f32..2.0
    ];
    let masked = prop_oneof![9 => Just(f32::NEG_INFINITY), 1 => -5.0f32..5.0];
    let size = || prop_oneof![0usize..4, 0usize..70, 120usize..700];
    prop_oneof![
        size().prop_flat_map(move |n| prop::collection::vec(usual.clone(), n)),
        size().prop_flat_map(move |n| prop::collection::vec(tied.clone(), n)),
        size().prop_flat_map(move |n| prop::collection::vec(near.clone(), n)),
        size().prop_flat_map(move |n| prop::collection::vec(odd.clone(), n)),
        size().prop_flat_map(move |n| prop::collection::vec(masked.clone(), n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_choice_is_that_of_the_plain_sampler(
        options in options(),
        prompt in prop::collection::vec(0u32..300, 0..20),
        rows in prop::collection::vec(logits(), 1..6),
    ) {
        compare(&options, &prompt, &rows);
    }
}

/// Sums of tens of thousands of weights must agree to the last bit, or some draw ends up one token further.
#[test]
fn whole_vocabularies_are_sampled_as_plainly() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for (size, spread) in [(49_152, 3.0), (49_152, 12.0), (151_936, 0.5), (151_936, 6.0)] {
        let mut row = |_| {
            let normal = |random: &mut ChaCha8Rng| (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
            (0..size).map(|_| normal(&mut random) * spread).collect::<Vec<f32>>()
        };
        let rows: Vec<Vec<f32>> = (0..3).map(&mut row).collect();
        for (top_k, top_p, min_p) in
            [(0, 1.0, 0.0), (40, 1.0, 0.0), (0, 0.95, 0.0), (0, 0.5, 0.02), (0, 1.0, 0.05), (40_000, 0.999, 0.0)]
        {
            for temperature in [0.0, 0.7, 1.0] {
                let options = Sampling { temperature, top_k, top_p, min_p, seed: 11, ..Sampling::default() };
                compare(&options, &[], &rows);
            }
        }
    }
}

/// The worst order for a bounded list of the best: each logit is better than all before it.
#[test]
fn rising_logits_are_sampled_as_plainly() {
    let rising: Vec<f32> = (0..5000).map(|i| i as f32 * 1e-3).collect();
    for top_k in [1, 2, 40, 63, 64, 65, 4999, 5000, 5001] {
        let options = Sampling { temperature: 1.0, top_k, ..Sampling::default() };
        compare(&options, &[], &vec![rising.clone(); 20]);
    }
}
