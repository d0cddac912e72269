//! Precision, recall and F1 from counts, and how those of several classes become one.

use super::{mean, share};

/// How scores of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Of all counts together.
    Micro,
    /// The mean over classes.
    Macro,
    /// The mean over classes, each as often as it is right.
    Weighted,
}

/// Precision, recall and F1; 0 where one is undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Share of what was found that is right.
    pub precision: f64,
    /// Share of what is right that was found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// What was found and is right, what was found and is not, what is right and was not found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub hits: f64,
    pub wrong: f64,
    pub missed: f64,
}

impl Counts {
    pub fn scores(self) -> Scores {
        let precision = share(self.hits, self.hits + self.wrong);
        let recall = share(self.hits, self.hits + self.missed);
        Scores { precision, recall, f1: share(2.0 * self.hits, 2.0 * self.hits + self.wrong + self.missed) }
    }

    pub fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.wrong += other.wrong;
        self.missed += other.missed;
    }
}

impl Average {
    /// Of at least one class.
    pub(super) fn of(self, classes: &[Counts]) -> Scores {
        let each: Vec<Scores> = classes.iter().map(|counts| counts.scores()).collect();
        let all = |pick: &dyn Fn(&Scores) -> f64| each.iter().map(pick).collect::<Vec<f64>>();
        let (precisions, recalls, f1s) = (all(&|s| s.precision), all(&|s| s.recall), all(&|s| s.f1));
        match self {
            Self::Micro => {
                let mut sum = Counts::default();
                classes.iter().for_each(|counts| sum.add(*counts));
                sum.scores()
            }
            Self::Macro => Scores { precision: mean(&precisions), recall: mean(&recalls), f1: mean(&f1s) },
            Self::Weighted => {
                let weights: Vec<f64> = classes.iter().map(|counts| counts.hits + counts.missed).collect();
                let total: f64 = weights.iter().sum();
                let weigh = |values: &[f64]| share(values.iter().zip(&weights).map(|(a, b)| a * b).sum(), total);
                Scores { precision: weigh(&precisions), recall: weigh(&recalls), f1: weigh(&f1s) }
            }
        }
    }
}
