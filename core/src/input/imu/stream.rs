//! Windows of a running sensor.

use super::config::ImuConfig;
use super::rate::samples_for;
use super::repair::{Repair, check_times};
use super::window::{ImuSource, ImuWindow, MAX_STEPS, check_count, whole_steps};
use crate::error::{Error, Result};

/// Samples go in as they come, prepared windows come out every hop. Holds the samples of one window and what was pushed
/// since.
#[derive(Clone, Debug)]
pub struct ImuStream {
    config: ImuConfig,
    source: ImuSource,
    repair: Repair,
    hop: usize,
    samples: Vec<f32>,
    times: Vec<f64>,
    /// Samples before the first held one.
    dropped: usize,
    /// Windows that were taken.
    taken: usize,
    /// Time of the first sample, in seconds.
    origin: f64,
    clock: Clock,
}

/// Where times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Nothing was pushed.
    Unknown,
    /// Even spacing.
    Rate,
    /// The caller's timestamps.
    Timestamps,
}

impl ImuStream {
    /// Windows for `config` that begin every `hop` of its steps.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `1 <= hop <= steps`, and for a source or repair out of range; [`Error::Malformed`] for
    /// such a configuration.
    pub fn new(config: ImuConfig, source: ImuSource, repair: Repair, hop: usize) -> Result<Self> {
        config.check()?;
        source.check()?;
        repair.check()?;
        if !(1..=config.steps).contains(&hop) {
            return Err(Error::argument("hop", format!("{hop} steps, accepted are 1 to {}", config.steps)));
        }
        let samples = (config.steps as f64 * source.rate / config.rate).ceil();
        if samples > (MAX_STEPS / 2) as f64 {
            let reason = format!("a window has {samples} samples at {} Hz, at most {}", source.rate, MAX_STEPS / 2);
            return Err(Error::argument("sample rate", reason));
        }
        Ok(Self {
            config,
            source,
            repair,
            hop,
            samples: Vec::new(),
            times: Vec::new(),
            dropped: 0,
            taken: 0,
            origin: 0.0,
            clock: Clock::Unknown,
        })
    }

    /// Adds samples `[steps, channels]`, with seconds for all pushes or for none.
    ///
    /// # Errors
    /// [`Error::Argument`] as [`ImuWindow::new`]; for timestamps that do not rise or leave a gap longer than `repair`
    /// allows, naming the index in the stream; for more than 2^20 samples that wait to be taken. Nothing was added then;
    /// after a gap, [`ImuStream::restart`] and push again.
    pub fn push(&mut self, samples: &[f32], timestamps: Option<&[f64]>) -> Result<()> {
        let held = self.times.len();
        let start = self.dropped + held;
        let steps = whole_steps(&self.source, samples, start)?;
        check_count(timestamps, steps)?;
        if steps == 0 {
            return Ok(());
        }
        if held + steps > MAX_STEPS {
            return Err(Error::argument("imu stream", "too many samples wait; take the windows after each push"));
        }
        let clock = if timestamps.is_some() { Clock::Timestamps } else { Clock::Rate };
        if self.clock != Clock::Unknown && self.clock != clock {
            return Err(Error::argument("timestamps", "they come with all pushes or with none"));
        }
        if let Some(times) = timestamps {
            let gap = self.repair.gap(self.source.rate);
            check_times(times, gap, start)?;
            if let Some(&last) = self.times.last() {
                check_times(&[last, times[0]], gap, start - 1)?;
            }
        }
        self.clock = clock;
        let rate = self.source.rate;
        match timestamps {
            Some(times) => self.times.extend_from_slice(times),
            None => self.times.extend((start..start + steps).map(|step| step as f64 / rate)),
        }
        self.samples.extend_from_slice(samples);
        if start == 0 {
            self.origin = self.times[0];
        }
        Ok(())
    }

    /// The next prepared window, `[channels, steps]`, if its last sample has arrived. A window that cannot be prepared is an
    /// error once, and the next call goes on after it.
    pub fn take(&mut self) -> Option<Result<Vec<f32>>> {
        let window = self.next_window()?;
        Some(window.and_then(|window| self.config.prepare(&window, self.repair)))
    }

    /// As [`ImuStream::take`], the window as the sensor gave it: what [`ImuConfig::prepare`] makes a whole window of.
    pub fn next_window(&mut self) -> Option<Result<ImuWindow>> {
        let rate = self.source.rate;
        // Half a period of tolerance, as timestamps jitter; a little less, so that ties do not depend on rounding.
        let begin = self.origin + (self.taken * self.hop) as f64 / self.config.rate - 0.4999 / rate;
        let first = self.times.partition_point(|&time| time < begin);
        let length = samples_for(self.config.steps, rate, self.config.rate);
        let last = match self.clock {
            Clock::Timestamps => {
                // A little less, as the spacing of times is rounded.
                let end = self.times.get(first)? + ((length - 1) as f64 - 1e-6) / rate;
                self.times.partition_point(|&time| time < end) + 1
            }
            Clock::Rate | Clock::Unknown => first + length,
        };
        if last > self.times.len() {
            return None;
        }
        let width = self.source.layout.channels();
        let samples = self.samples[first * width..last * width].to_vec();
        let times = (self.clock == Clock::Timestamps).then(|| self.times[first..last].to_vec());
        self.taken += 1;
        // Rarely, so that small hops do not move the rest each time.
        if first >= length || first > self.times.len() / 2 {
            self.forget(first);
        }
        Some(ImuWindow::new(self.source, samples, times).map(ImuWindow::of_stream))
    }

    /// Forgets everything but the configuration.
    pub fn restart(&mut self) {
        self.samples.clear();
        self.times.clear();
        self.dropped = 0;
        self.taken = 0;
        self.clock = Clock::Unknown;
    }

    /// Samples in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.times.len()
    }

    fn forget(&mut self, count: usize) {
        self.times.drain(..count);
        self.samples.drain(..count * self.source.layout.channels());
        self.dropped += count;
    }
}
