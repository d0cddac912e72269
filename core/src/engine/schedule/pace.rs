//! What a pass costs by its rows, as measured: the number of rows that double it.

/// What is left of an earlier measurement after the next one: about the last hundred passes count.
const DECAY: f64 = 0.99;
/// Rows up to which the time grows evenly with them.
const EVEN_ROWS: usize = 48;
/// Rows that double a pass, before anything was measured and at most.
const MOST: usize = 16;
/// Variance of the number of rows below which no slope is to be seen.
const SPREAD: f64 = 2.0;

/// A line through the times of passes over their rows, of decaying weights.
#[derive(Debug, Default)]
pub(super) struct Pace {
    weight: f64,
    rows: f64,
    ms: f64,
    rows_rows: f64,
    rows_ms: f64,
    doubling: Option<f64>,
}

impl Pace {
    /// A pass over `rows` rows took `ms`.
    pub(super) fn note(&mut self, rows: usize, ms: f64) {
        if rows == 0 || rows > EVEN_ROWS || !ms.is_finite() {
            return;
        }
        let x = rows as f64;
        let sums = [
            (&mut self.weight, 1.0),
            (&mut self.rows, x),
            (&mut self.ms, ms),
            (&mut self.rows_rows, x * x),
            (&mut self.rows_ms, x * ms),
        ];
        for (sum, value) in sums {
            *sum = *sum * DECAY + value;
        }
        let (mean_x, mean_y) = (self.rows / self.weight, self.ms / self.weight);
        let variance = self.rows_rows / self.weight - mean_x * mean_x;
        if variance < SPREAD {
            return;
        }
        let slope = (self.rows_ms / self.weight - mean_x * mean_y) / variance;
        // A pass of one row takes `one`; each further one `slope`.
        let one = mean_y - slope * (mean_x - 1.0);
        self.doubling = (slope > 0.0 && one > 0.0).then(|| one / slope);
    }

    /// Rows that make a pass over one row take about twice as long: at least one, at most 16.
    pub(super) fn doubling(&self) -> usize {
        // A conversion of a float saturates.
        self.doubling.map_or(MOST, |rows| (rows as usize).clamp(1, MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that double a pass that takes `fixed + each * rows`, measured with some noise.
    fn learned(fixed: f64, each: f64) -> usize {
        let mut pace = Pace::default();
        for turn in 0..200_usize {
            let rows = 1 + turn * 7 % 13;
            let noise = if turn % 2 == 0 { 1.02 } else { 0.98 };
            pace.note(rows, (fixed + each * rows as f64) * noise);
        }
        pace.doubling()
    }

    #[test]
    fn rows_that_double_a_pass_are_learned() {
        assert_eq!(Pace::default().doubling(), 16, "nothing is known");
        assert!((3..=5).contains(&learned(3.0, 1.0)), "{}", learned(3.0, 1.0));
        assert!((9..=11).contains(&learned(9.0, 1.0)), "{}", learned(9.0, 1.0));
        assert_eq!(learned(100.0, 1.0), 16, "bounded");
        assert_eq!(learned(0.1, 5.0), 1, "a row costs what a pass costs");
    }

    #[test]
    fn passes_that_tell_nothing_change_nothing() {
        let mut pace = Pace::default();
        (0..50).for_each(|_| pace.note(4, 10.0));
        [(0, 1.0), (128, 1.0), (2, f64::NAN)].iter().for_each(|&(rows, ms)| pace.note(rows, ms));
        assert_eq!(pace.doubling(), 16, "all had the same rows");
        // Fewer rows that take longer: noise.
        (0..50).for_each(|turn| pace.note(1 + turn % 16, 20.0 - (turn % 16) as f64));
        assert_eq!(pace.doubling(), 16);
    }
}
