//! Even spacing and another rate.

/// Zero crossings of the kernel on either side.
const CROSSINGS: f64 = 8.0;
/// Share of the lower Nyquist frequency at which the filter is down by half; above it lies the transition.
const CUTOFF: f64 = 0.85;
/// Rates that differ by less than this are the same: a drift of one sample in 10000.
const SAME_RATE: f64 = 1e-4;

/// Values of one channel at even spacing: linear interpolation at `rate` from the first time to the last.
pub(super) fn regular(values: &[f32], times: &[f64], rate: f64) -> Vec<f32> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return Vec::new() };
    // The last time may lie a rounding error below its place.
    let steps = ((last - first) * rate + 1e-6).floor() as usize + 1;
    let mut left = 0;
    let value = |step: usize| {
        let time = first + step as f64 / rate;
        while left + 2 < times.len() && times[left + 1] <= time {
            left += 1;
        }
        let (begin, end) = (times[left], times[left + 1]);
        let share = ((time - begin) / (end - begin)).clamp(0.0, 1.0) as f32;
        values[left] + (values[left + 1] - values[left]) * share
    };
    (0..steps).map(value).collect()
}

/// Steps after [`resampled`]: those within the time of the input.
pub(super) fn steps_at(count: usize, from: f64, to: f64) -> usize {
    if same(from, to) {
        return count;
    }
    (count.saturating_sub(1) as f64 * to / from + 1e-6).floor() as usize + 1
}

/// Fewest samples that give `steps` at another rate: the inverse of [`steps_at`].
pub(super) fn samples_for(steps: usize, from: f64, to: f64) -> usize {
    if same(from, to) {
        return steps;
    }
    ((steps.saturating_sub(1)) as f64 * from / to - 1e-6).ceil().max(0.0) as usize + 1
}

fn same(from: f64, to: f64) -> bool {
    (from / to - 1.0).abs() < SAME_RATE
}

/// Evenly spaced values at another rate. Each output is a weighted mean of its neighbours under a sinc with a Hann window,
/// 8 zero crossings to either side, whose cutoff lies at 0.85 of the lower Nyquist frequency: what the new rate cannot
/// hold is removed before sampling. Weights sum to 1, so constants stay, also at the ends where neighbours are missing.
pub(super) fn resampled(values: &[f32], from: f64, to: f64) -> Vec<f32> {
    if same(from, to) {
        return values.to_vec();
    }
    let cutoff = CUTOFF * (to / from).min(1.0);
    let reach = CROSSINGS / cutoff;
    let value = |step: usize| {
        let centre = step as f64 * from / to;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(values.len() - 1);
        let (mut sum, mut total) = (0.0, 0.0);
        for (index, &value) in values.iter().enumerate().take(last + 1).skip(first) {
            let weight = kernel((index as f64 - centre) * cutoff);
            sum += weight * f64::from(value);
            total += weight;
        }
        (sum / total) as f32
    };
    (0..steps_at(values.len(), from, to)).map(value).collect()
}

fn kernel(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    let sinc = if x == 0.0 { 1.0 } else { angle.sin() / angle };
    sinc * (0.5 + 0.5 * (angle / CROSSINGS).cos())
}
