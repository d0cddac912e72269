//! Where the chance in speech comes from.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};

/// A source of normally distributed values.
#[derive(Clone, Debug, PartialEq)]
pub enum Noise {
    /// Values that a seed fixes, on every machine.
    Seed(u64),
    /// Values from elsewhere, before scaling; what is left over is not used.
    Given {
        /// Two values per token.
        durations: Vec<f32>,
        /// A row of latents per frame.
        latents: Vec<f32>,
    },
}

/// A [`Noise`] in use.
pub(super) enum Source {
    Random(Box<ChaCha8Rng>),
    Given { durations: Vec<f32>, latents: Vec<f32> },
}

impl Noise {
    pub(super) fn source(self) -> Source {
        match self {
            Self::Seed(seed) => Source::Random(Box::new(ChaCha8Rng::seed_from_u64(seed))),
            Self::Given { durations, latents } => Source::Given { durations, latents },
        }
    }
}

impl Source {
    /// `[tokens, 2]`.
    pub(super) fn durations(&mut self, tokens: usize, scale: f32) -> Result<Vec<f32>> {
        match self {
            Self::Random(random) => Ok(normal(random, tokens * 2, scale)),
            Self::Given { durations, .. } => given("durations", durations, tokens * 2, scale),
        }
    }

    /// `[frames, width]`.
    pub(super) fn latents(&mut self, frames: usize, width: usize, scale: f32) -> Result<Vec<f32>> {
        match self {
            Self::Random(random) => Ok(normal(random, frames * width, scale)),
            Self::Given { latents, .. } => given("latents", latents, frames * width, scale),
        }
    }
}

fn given(name: &str, values: &[f32], count: usize, scale: f32) -> Result<Vec<f32>> {
    if scale == 0.0 {
        return Ok(vec![0.0; count]);
    }
    let values = values
        .get(..count)
        .ok_or_else(|| Error::argument("noise", format!("{} values for {name}, {count} are needed", values.len())))?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::argument("noise", format!("value {at} of {name} is {}", values[at])));
    }
    Ok(values.iter().map(|value| value * scale).collect())
}

/// Normally distributed values by the Box-Muller transform, two at a time.
fn normal(random: &mut ChaCha8Rng, count: usize, scale: f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let (u, v): (f64, f64) = (random.random(), random.random());
        let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
        values.extend([(radius * angle.cos()) as f32 * scale, (radius * angle.sin()) as f32 * scale]);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_standard_normal_values() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let values = normal(&mut random, 20_001, 1.0);
        let mean = values.iter().sum::<f32>() / 20_001.0;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 20_001.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        assert_eq!(values, normal(&mut ChaCha8Rng::seed_from_u64(7), 20_001, 1.0));
    }
}
