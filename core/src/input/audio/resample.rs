//! Another sample rate.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::pcm::{SampleRate, check};
use crate::error::{Error, Result};

/// Least filter length, in samples of the slower side. The pass band then reaches 98.6 % of the lower Nyquist frequency
/// (rubato's fit for this window: `1 / (1 + 13.7/n + ...)`), and the filter delays by half of it: 32 ms at 16 kHz.
const FILTER: usize = 1024;

/// Changes the sample rate of a stream: overlap-add of Fourier transforms with a sinc filter under a squared
/// Blackman-Harris window, by the `rubato` crate.
///
/// The filter's delay is compensated: output sample `k` lies at the time of input sample `k * from / to`. Samples come
/// out in the same order and with the same values however the input is cut into pushes, and the whole output has
/// `round(n * to / from)` samples. Cost: two transforms per block, the memory of a few blocks. A block is about 1024
/// samples of the slower side for common pairs of rates; rates without a common divisor need a block of two seconds.
pub struct Resampler {
    filter: Option<Fft<f32>>,
    from: SampleRate,
    to: SampleRate,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Output samples to drop: the filter's delay.
    skip: usize,
    received: usize,
    sent: usize,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} Hz to {} Hz)", self.from.hertz(), self.to.hertz())
    }
}

/// `round(count * to / from)`, at least 1 for input that is not empty.
pub(super) fn output_length(count: usize, from: SampleRate, to: SampleRate) -> usize {
    let (count, from, to) = (count as u128, u128::from(from.hertz()), u128::from(to.hertz()));
    let length = (count * to + from / 2) / from;
    usize::try_from(length.max(count.min(1))).unwrap_or(usize::MAX)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Resampler {
    /// A resampler at the begin of a stream.
    ///
    /// # Errors
    /// [`Error::Argument`] when the library refuses the rates.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self> {
        if from == to {
            let empty = Vec::new();
            return Ok(Self {
                filter: None,
                from,
                to,
                pending: empty.clone(),
                block: empty,
                skip: 0,
                received: 0,
                sent: 0,
            });
        }
        let divisor = greatest_common_divisor(from.hertz(), to.hertz());
        let [step_in, step_out] = [from, to].map(|rate| (rate.hertz() / divisor) as usize);
        // Even, so that the filter's centre falls on a sample of either side and its delay is exact.
        let repeat = FILTER.div_ceil(step_in.min(step_out)).next_multiple_of(2);
        let filter = Fft::new_custom(
            from.hertz() as usize,
            to.hertz() as usize,
            repeat * step_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(refused)?;
        let block = vec![0.0; filter.output_frames_next()];
        let skip = filter.output_delay();
        Ok(Self { filter: Some(filter), from, to, pending: Vec::new(), block, skip, received: 0, sent: 0 })
    }

    /// Appends what is certain so far to `out`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a sample that is not finite or beyond 8, naming its index in the stream; nothing was read
    /// then.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        check(samples, self.received)?;
        let received = self.received.checked_add(samples.len());
        self.received = received.ok_or_else(|| Error::argument("audio", "the stream is too long to count"))?;
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(samples);
            return Ok(());
        };
        let size = filter.input_frames_next();
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, after) = rest.split_at(rest.len().min(size - self.pending.len()));
            self.pending.extend_from_slice(taken);
            rest = after;
            if self.pending.len() == size {
                run(filter, &self.pending, &mut self.block)?;
                self.pending.clear();
                let late = self.skip.min(self.block.len());
                self.skip -= late;
                self.sent += self.block.len() - late;
                out.extend_from_slice(&self.block[late..]);
            }
        }
        Ok(())
    }

    /// Appends the rest to `out` and begins a new stream.
    ///
    /// # Errors
    /// As [`Resampler::new`].
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let total = output_length(self.received, self.from, self.to);
        if let Some(filter) = &mut self.filter {
            self.pending.resize(filter.input_frames_next(), 0.0);
            while self.sent < total {
                run(filter, &self.pending, &mut self.block)?;
                self.pending.fill(0.0);
                let late = self.skip.min(self.block.len());
                self.skip -= late;
                let count = (self.block.len() - late).min(total - self.sent);
                self.sent += count;
                out.extend_from_slice(&self.block[late..late + count]);
            }
            filter.reset();
            self.skip = filter.output_delay();
        }
        self.pending.clear();
        self.received = 0;
        self.sent = 0;
        Ok(())
    }
}

fn run(filter: &mut Fft<f32>, input: &[f32], output: &mut [f32]) -> Result<()> {
    let frames = output.len();
    let input = InterleavedSlice::new(input, 1, input.len()).map_err(refused)?;
    let mut output = InterleavedSlice::new_mut(output, 1, frames).map_err(refused)?;
    filter.process_into_buffer(&input, &mut output, None).map_err(refused)?;
    Ok(())
}

fn refused(reason: impl std::fmt::Display) -> Error {
    Error::argument("sample rate", reason.to_string())
}
