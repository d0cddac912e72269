//! Triangular filters on the mel scale.

use super::mel_config::MelScale;

/// Filters, each a run of weights: most frequencies have no weight in most filters.
#[derive(Clone, Debug)]
pub(super) struct MelBank {
    filters: Vec<(usize, Vec<f32>)>,
}

impl MelBank {
    /// Triangles that are linear in Hz between points that are even on the mel scale, over `size / 2 + 1` frequencies
    /// from 0 to half the rate, as librosa and transformers build them.
    pub(super) fn in_hertz(bins: usize, size: usize, rate: f64, [low, high]: [f64; 2], scale: MelScale) -> Self {
        let [first, last] = [low, high].map(|hertz| mel(hertz, scale));
        let point = |i: usize| hertz(first + (last - first) * i as f64 / (bins + 1) as f64, scale);
        let weight = |bin: usize, frequency: f64| {
            let [left, centre, right] = [point(bin), point(bin + 1), point(bin + 2)];
            let height = (frequency - left) / (centre - left);
            let height = height.min((right - frequency) / (right - centre)).max(0.0);
            match scale {
                // Equal area instead of equal height.
                MelScale::Slaney => height * 2.0 / (right - left),
                MelScale::Htk => height,
            }
        };
        Self::sparse(bins, size / 2 + 1, |bin, k| weight(bin, k as f64 * rate / size as f64))
    }

    /// Kaldi's: linear on the mel scale itself, without the last frequency.
    pub(super) fn in_mel(bins: usize, size: usize, rate: f64, [low, high]: [f64; 2]) -> Self {
        let [first, last] = [low, high].map(kaldi_mel);
        let step = (last - first) / (bins + 1) as f64;
        let weight = |bin: usize, k: usize| {
            let offset = (kaldi_mel(k as f64 * rate / size as f64) - first) / step - bin as f64;
            offset.min(2.0 - offset).max(0.0)
        };
        Self::sparse(bins, size / 2, weight)
    }

    fn sparse(bins: usize, frequencies: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let filter = |bin: usize| {
            let all: Vec<f32> = (0..frequencies).map(|k| weight(bin, k) as f32).collect();
            let start = all.iter().position(|&w| w > 0.0).unwrap_or(0);
            let end = all.iter().rposition(|&w| w > 0.0).map_or(start, |last| last + 1);
            (start, all[start..end].to_vec())
        };
        Self { filters: (0..bins).map(filter).collect() }
    }

    /// The energy in each filter.
    pub(super) fn apply<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.filters.iter().map(|(start, weights)| power[*start..].iter().zip(weights).map(|(p, w)| p * w).sum())
    }
}

/// Above this many Hz, Slaney's scale is logarithmic (Auditory Toolbox, 1998).
const SLANEY_CORNER: f64 = 1000.0;
/// Slaney's scale at the corner: 15 steps of 200/3 Hz.
const SLANEY_CORNER_MEL: f64 = 15.0;

/// 27 steps of Slaney's scale are a factor of 6.4.
fn slaney_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn mel(hertz: f64, scale: MelScale) -> f64 {
    match scale {
        MelScale::Slaney if hertz < SLANEY_CORNER => hertz * 3.0 / 200.0,
        MelScale::Slaney => SLANEY_CORNER_MEL + (hertz / SLANEY_CORNER).ln() / slaney_step(),
        MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
    }
}

fn hertz(mel: f64, scale: MelScale) -> f64 {
    match scale {
        MelScale::Slaney if mel < SLANEY_CORNER_MEL => mel * 200.0 / 3.0,
        MelScale::Slaney => SLANEY_CORNER * ((mel - SLANEY_CORNER_MEL) * slaney_step()).exp(),
        MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
    }
}

/// Kaldi's constant: HTK's scale with natural logarithms.
fn kaldi_mel(hertz: f64) -> f64 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_that_whisper_ships() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/expected.safetensors");
        let file = crate::weights::Safetensors::open(path).expect("fixture");
        for bins in [80, 128] {
            let expected = file.tensor(&format!("filters.{bins}")).expect("readable").expect("present").to_f32();
            let bank = MelBank::in_hertz(bins, 400, 16000.0, [0.0, 8000.0], MelScale::Slaney);
            let mut worst = 0f32;
            for k in 0..201 {
                let mut one = vec![0.0; 201];
                one[k] = 1.0;
                for (bin, weight) in bank.apply(&one).enumerate() {
                    worst = worst.max((weight - expected[bin * 201 + k]).abs());
                }
            }
            // The largest weight is 0.026.
            assert!(worst < 1e-8, "{bins} filters differ by {worst:e}");
        }
    }
}
