//! How long examples take.

use serde::Serialize;

/// Times of single examples in ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half take less.
    pub median: f64,
    /// 95 of 100 take less.
    pub p95: f64,
    /// Their average.
    pub mean: f64,
}

impl Latency {
    /// Of times in ms, at least one; percentiles are the nearest rank's.
    ///
    /// # Panics
    /// Without a time.
    #[must_use]
    pub fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let rank = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
        Self { median: rank(0.5), p95: rank(0.95), mean: times.iter().sum::<f64>() / times.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let times: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(Latency::new(times), Latency { median: 10.0, p95: 19.0, mean: 10.5 });
        assert_eq!(Latency::new(vec![3.0]), Latency { median: 3.0, p95: 3.0, mean: 3.0 });
    }
}
