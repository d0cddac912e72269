//! Rotary position embedding.

use super::config::{Rope, RopePairs, RopeScaling};
use crate::quant::kernels;

/// Frequencies of one kind of layer, in radians per token.
#[derive(Clone, Debug)]
pub(super) struct Frequencies(Vec<f32>);

impl Frequencies {
    /// `rotary_dim / 2` frequencies of a geometric series, scaled as `rope` says.
    pub(super) fn new(rope: &Rope, rotary_dim: usize) -> Self {
        let base = (0..rotary_dim / 2).map(|i| 1.0 / rope.theta.powf(2.0 * i as f64 / rotary_dim as f64));
        Self(match &rope.scaling {
            None => base.map(|f| f as f32).collect(),
            Some(RopeScaling::Linear(factor)) => base.map(|f| (f / factor) as f32).collect(),
            Some(RopeScaling::Divisors(divisors)) => {
                base.zip(divisors).map(|(f, &d)| (f / f64::from(d)) as f32).collect()
            }
            Some(RopeScaling::Llama3 { factor, low, high, original }) => {
                base.map(|f| llama3(f, *factor, *low, *high, *original) as f32).collect()
            }
        })
    }

    /// Cosines, then sines, of every frequency at `position`: `2 * frequencies` values appended to `out`.
    pub(super) fn angles(&self, position: usize, out: &mut Vec<f32>) {
        let angles = |f: &f32| position as f32 * f;
        out.extend(self.0.iter().map(|f| angles(f).cos()));
        out.extend(self.0.iter().map(|f| angles(f).sin()));
    }

    /// Values that [`Frequencies::angles`] appends.
    pub(super) fn width(&self) -> usize {
        self.0.len() * 2
    }
}

/// Llama 3.1's rule: keep short wavelengths, divide long ones, blend between.
fn llama3(frequency: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wavelength = std::f64::consts::TAU / frequency;
    if wavelength < original / high {
        frequency
    } else if wavelength > original / low {
        frequency / factor
    } else {
        let blend = (original / wavelength - low) / (high - low);
        (1.0 - blend) * frequency / factor + blend * frequency
    }
}

/// Turns the first `angles.len()` elements of every head in `heads`.
pub(super) fn rotate(heads: &mut [f32], head_dim: usize, pairs: RopePairs, angles: &[f32]) {
    let half = angles.len() / 2;
    let ((cos, sin), rows) = (angles.split_at(half), kernels().rows);
    for head in heads.chunks_exact_mut(head_dim) {
        match pairs {
            RopePairs::Halves => {
                let (first, second) = head[..2 * half].split_at_mut(half);
                (rows.rotate_halves)(first, second, cos, sin);
            }
            RopePairs::Neighbours => (rows.rotate_neighbours)(&mut head[..2 * half], cos, sin),
        }
    }
}
