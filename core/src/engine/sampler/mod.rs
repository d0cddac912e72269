//! Logits to a token.
//!
//! The order is that of Hugging Face's generation: penalties, temperature, top-k, top-p, min-p. A seed fixes the whole
//! sequence of choices on every machine, given equal logits. No choice sorts the vocabulary (`candidates.rs`).

mod candidates;
mod nucleus;
#[cfg(test)]
mod oracle;

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use candidates::{Candidates, best};

/// How tokens are chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy; 1 samples from the model's own distribution.
    pub temperature: f32,
    /// Keep the k most probable tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set of tokens with at least this probability together; 1 keeps all.
    pub top_p: f32,
    /// Drop tokens less probable than this share of the best one; 0 drops none.
    pub min_p: f32,
    /// Divides (or, where negative, multiplies) the logits of tokens that occurred, prompt included; 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted once from the logits of generated tokens; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from the logits of generated tokens for each occurrence; 0 is off.
    pub frequency_penalty: f32,
    /// Seed of the random choices.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Refuses values outside of their ranges.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the option, its value and its range.
    pub fn check(&self) -> Result<()> {
        for (name, value, low, high) in [
            ("temperature", self.temperature, 0.0, 100.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0),
            ("presence_penalty", self.presence_penalty, -100.0, 100.0),
            ("frequency_penalty", self.frequency_penalty, -100.0, 100.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(Error::argument(name, format!("{value}, expected {low} to {high}")));
            }
        }
        Ok(())
    }
}

/// The state of one sequence's choices.
#[derive(Debug)]
pub struct Sampler {
    options: Sampling,
    random: ChaCha8Rng,
    seen: HashMap<u32, Seen>,
    candidates: Candidates,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    generated: u32,
}

impl Sampler {
    /// A sampler for a sequence that begins with `prompt`.
    ///
    /// # Errors
    /// As [`Sampling::check`].
    pub fn new(options: Sampling, prompt: &[u32]) -> Result<Self> {
        options.check()?;
        let random = ChaCha8Rng::seed_from_u64(options.seed);
        let seen = prompt.iter().map(|&id| (id, Seen::default())).collect();
        Ok(Self { options, random, seen, candidates: Candidates::default() })
    }

    /// Chooses the next token and remembers it. Ties go to the lower id. Not-a-number logits are never chosen.
    ///
    /// Costs one pass over the logits when greedy, two and some work on likely tokens otherwise. Penalties touch only the
    /// tokens that occurred, in place.
    pub fn choose(&mut self, logits: &mut [f32]) -> u32 {
        self.penalise(logits);
        let id = if self.options.temperature == 0.0 { best(logits).0 } else { self.draw(logits) };
        self.seen.entry(id).or_default().generated += 1;
        id
    }

    fn penalise(&self, logits: &mut [f32]) {
        let options = &self.options;
        if (options.repetition_penalty, options.presence_penalty, options.frequency_penalty) == (1.0, 0.0, 0.0) {
            return;
        }
        for (&id, seen) in &self.seen {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit *= if *logit > 0.0 { 1.0 / options.repetition_penalty } else { options.repetition_penalty };
            if seen.generated > 0 {
                let count = seen.generated as f32;
                *logit -= options.presence_penalty + options.frequency_penalty * count;
            }
        }
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        // Where there is nothing to choose from, no random number is used up.
        if logits.iter().all(|logit| logit.is_nan()) {
            return 0;
        }
        let list = self.candidates.gather(logits, &self.options);
        let total: f32 = list.iter().map(|c| c.1).sum();
        let mut point = self.random.random::<f32>() * total;
        for &(id, weight) in list {
            point -= weight;
            if point < 0.0 {
                return id;
            }
        }
        list.iter().rev().find(|c| c.1 > 0.0).map_or(0, |c| c.0)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;

    use super::*;

    fn shares(options: Sampling, logits: &[f32]) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        let mut sampler = Sampler::new(options, &[]).expect("options");
        for _ in 0..20_000 {
            sampler.seen.clear();
            counts[sampler.choose(&mut logits.to_vec()) as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn near(found: &[f64], wanted: &[f64]) {
        for (f, w) in found.iter().zip(wanted) {
            assert!((f - w).abs() < 0.015, "{found:?} is not {wanted:?}");
        }
    }

    /// ln of 4, 2, 1, 1: probabilities 1/2, 1/4, 1/8, 1/8.
    const LOGITS: [f32; 4] = [2.0 * LN_2, LN_2, 0.0, 0.0];

    #[test]
    fn filters_keep_the_documented_sets() {
        let sampling = |f: fn(&mut Sampling)| {
            let mut options = Sampling { temperature: 1.0, ..Sampling::default() };
            f(&mut options);
            options
        };
        near(&shares(sampling(|_| {}), &LOGITS), &[0.5, 0.25, 0.125, 0.125]);
        near(&shares(sampling(|o| o.temperature = 0.5), &LOGITS), &[16.0 / 22.0, 4.0 / 22.0, 1.0 / 22.0, 1.0 / 22.0]);
        near(&shares(sampling(|o| o.top_k = 2), &LOGITS), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
        near(&shares(sampling(|o| o.top_p = 0.6), &LOGITS), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
        near(&shares(sampling(|o| o.top_p = 0.0), &LOGITS), &[1.0, 0.0, 0.0, 0.0]);
        near(&shares(sampling(|o| o.min_p = 0.4), &LOGITS), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
    }

    #[test]
    fn seeds_reproduce_and_differ() {
        let run = |seed| {
            let options = Sampling { temperature: 1.0, seed, ..Sampling::default() };
            let mut sampler = Sampler::new(options, &[]).expect("options");
            (0..50).map(|_| sampler.choose(&mut LOGITS.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn penalties_act_on_what_occurred() {
        let options = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(options, &[0]).expect("options");
        assert_eq!(sampler.choose(&mut [1.0, 0.9]), 1, "prompt tokens count for repetition");
        let options = Sampling { presence_penalty: 0.5, ..Sampling::default() };
        let mut sampler = Sampler::new(options, &[0]).expect("options");
        assert_eq!(sampler.choose(&mut [1.0, 0.9]), 0, "prompt tokens do not count for presence");
        assert_eq!(sampler.choose(&mut [1.0, 0.9]), 1);
    }

    #[test]
    fn greedy_ties_go_to_the_lower_id_and_nan_never_wins() {
        let mut sampler = Sampler::new(Sampling::default(), &[]).expect("options");
        assert_eq!(sampler.choose(&mut [1.0, 3.0, 3.0]), 1);
        assert_eq!(sampler.choose(&mut [f32::NAN, 0.0]), 1);
        let options = Sampling { temperature: 1.0, ..Sampling::default() };
        assert_eq!(Sampler::new(options, &[]).expect("options").choose(&mut [f32::NAN, 0.0]), 1);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for options in [
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { top_p: 1.5, ..Sampling::default() },
            Sampling { min_p: -0.1, ..Sampling::default() },
            Sampling { repetition_penalty: 0.0, ..Sampling::default() },
        ] {
            assert!(matches!(options.check(), Err(Error::Argument { .. })), "{options:?}");
        }
    }
}
