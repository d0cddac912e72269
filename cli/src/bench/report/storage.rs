//! What one foundation and its adapters take beside one model a task, from one task to fifty.

use super::evidence::Evidence;
use crate::bench::baseline::{Pair, sizes};

/// Tasks of the benchmark's data sets.
pub const TASKS: usize = 50;

/// Bytes with so many tasks, from none on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The foundation and the adapters.
    pub shared: Vec<u64>,
    /// A model for each task.
    pub apart: Vec<u64>,
    /// Tasks that have both an adapter and a model of their own; those behind them are taken as the mean of these.
    pub known: usize,
    /// The most that a process of the runs held.
    pub peak: Option<u64>,
}

impl Storage {
    /// Of what was measured.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        let foundation = evidence.runs.iter().map(|run| run.settings.foundation.bytes).max().unwrap_or(0);
        let peak = evidence.runs.iter().filter_map(|run| run.peak_bytes).max();
        Self::of(foundation, &sizes(), peak)
    }

    fn of(foundation: u64, pairs: &[Pair], peak: Option<u64>) -> Self {
        let count = pairs.len().max(1) as u64;
        let mean = Pair {
            adapter: pairs.iter().map(|pair| pair.adapter).sum::<u64>() / count,
            model: pairs.iter().map(|pair| pair.model).sum::<u64>() / count,
        };
        let mut storage = Self { shared: vec![foundation], apart: vec![0], known: pairs.len(), peak };
        let (mut shared, mut apart) = (foundation, 0);
        for pair in pairs.iter().copied().chain(std::iter::repeat(mean)).take(TASKS) {
            shared += pair.adapter;
            apart += pair.model;
            storage.shared.push(shared);
            storage.apart.push(apart);
        }
        storage
    }

    /// The first number of tasks that takes less together than apart.
    #[must_use]
    pub fn breaks_even(&self) -> Option<usize> {
        (0..self.shared.len()).find(|tasks| self.shared[*tasks] < self.apart[*tasks])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foundation_is_there_from_the_first_task_on() {
        let pairs = [Pair { adapter: 1, model: 10 }, Pair { adapter: 3, model: 30 }];
        let storage = Storage::of(50, &pairs, None);
        assert_eq!(
            (storage.shared[..4].to_vec(), storage.apart[..4].to_vec()),
            (vec![50, 51, 54, 56], vec![0, 10, 40, 60])
        );
        assert_eq!((storage.shared.len(), storage.breaks_even()), (TASKS + 1, Some(3)));
        assert_eq!(Storage::of(50, &[], None).breaks_even(), None);
    }
}
