//! Power spectra of frames.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// A transform of one length under a window, in double precision: beside a loud tone, single precision leaves more noise in
/// the quiet bands than the references' tolerance allows. It comes with its scratch memory. A clone shares the plan.
#[derive(Clone)]
pub(super) struct PowerSpectrum {
    window: Vec<f64>,
    transform: Arc<dyn RealToComplex<f64>>,
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f32>,
}

impl PowerSpectrum {
    /// Transforms of `size` samples. A window shorter than that leaves zeros after itself.
    pub(super) fn new(window: Vec<f64>, size: usize) -> Self {
        let transform = RealFftPlanner::<f64>::new().plan_fft_forward(size);
        let (input, spectrum, scratch) =
            (transform.make_input_vec(), transform.make_output_vec(), transform.make_scratch_vec());
        let power = vec![0.0; size / 2 + 1];
        Self { window, transform, input, spectrum, scratch, power }
    }

    /// Samples of a frame.
    pub(super) fn frame(&self) -> usize {
        self.window.len()
    }

    /// Squared magnitudes at `size / 2 + 1` frequencies of a frame of [`PowerSpectrum::frame`] samples.
    pub(super) fn run(&mut self, frame: &[f64]) -> &[f32] {
        let (used, rest) = self.input.split_at_mut(self.window.len());
        for ((to, sample), weight) in used.iter_mut().zip(frame).zip(&self.window) {
            *to = sample * weight;
        }
        rest.fill(0.0);
        self.transform
            .process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch)
            .expect("invariant: all buffers have the transform's own lengths");
        for (power, value) in self.power.iter_mut().zip(&self.spectrum) {
            *power = value.norm_sqr() as f32;
        }
        &self.power
    }
}

/// A raised cosine of `count` samples that would begin again after `period`.
pub(super) fn hann(count: usize, period: usize) -> Vec<f64> {
    let angle = |i: usize| std::f64::consts::TAU * i as f64 / period as f64;
    (0..count).map(|i| 0.5 - 0.5 * angle(i).cos()).collect()
}
