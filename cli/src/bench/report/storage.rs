//! What one foundation and its adapters take beside one model a task, from one task to fifty.

use std::collections::BTreeSet;

use super::evidence::{Evidence, SetEvidence};

/// Tasks of the benchmark's data sets.
pub const TASKS: usize = 50;

/// Bytes of an adapter and of the model of its own, of a task that has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Of the adapter's file; none where another task has it already.
    pub adapter: u64,
    /// Of the other model's.
    pub model: u64,
}

/// Bytes with so many tasks, from none on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The foundation and the adapters.
    pub shared: Vec<u64>,
    /// A model for each task.
    pub apart: Vec<u64>,
    /// Tasks that have both an adapter and a model of their own; those behind them are taken as the mean of these.
    pub known: usize,
    /// The most that the process held by the time so many tasks had run with their adapters, from one task on; none where the
    /// system does not tell. Behind those that ran there are the mean bytes of an adapter more for each task.
    pub memory: Vec<u64>,
}

impl Storage {
    /// Of what was measured.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        let foundation = evidence.runs.iter().map(|run| run.settings.foundation.bytes).max().unwrap_or(0);
        let mut held = Vec::new();
        let mut seen = BTreeSet::new();
        for run in &evidence.runs {
            let (Some(adapter), Some(bytes)) = (&run.settings.adapter, run.peak_bytes) else { continue };
            if seen.insert(&adapter.name) {
                held.push(held.last().copied().unwrap_or(0).max(bytes));
            }
        }
        Self::of(foundation, &pairs(evidence), held)
    }

    fn of(foundation: u64, pairs: &[Pair], mut memory: Vec<u64>) -> Self {
        let count = pairs.len().max(1) as u64;
        let mean = Pair {
            adapter: pairs.iter().map(|pair| pair.adapter).sum::<u64>() / count,
            model: pairs.iter().map(|pair| pair.model).sum::<u64>() / count,
        };
        while let Some(last) = memory.last().copied().filter(|_| memory.len() < TASKS) {
            memory.push(last + mean.adapter);
        }
        let mut storage = Self { shared: vec![foundation], apart: vec![0], known: pairs.len(), memory };
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

    /// The first number of tasks with which the process holds less than the weights of a model for each.
    #[must_use]
    pub fn memory_breaks_even(&self) -> Option<usize> {
        (1..=self.memory.len()).find(|tasks| self.memory[tasks - 1] < self.apart[*tasks])
    }
}

/// Of all sets that have both, in the order of ids, each once however many ids it stands in for.
fn pairs(evidence: &Evidence) -> Vec<Pair> {
    let mut known = BTreeSet::new();
    let pair = |set: &SetEvidence| {
        let adapter = set.adapter.as_ref()?.settings.adapter.clone()?;
        let model = set.baseline.as_ref().filter(|model| model.bytes > 0)?.bytes;
        Some(Pair { adapter: if known.insert(adapter.digest) { adapter.bytes } else { 0 }, model })
    };
    evidence.distinct().into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foundation_is_there_from_the_first_task_on() {
        let pairs = [Pair { adapter: 1, model: 10 }, Pair { adapter: 3, model: 30 }];
        let storage = Storage::of(50, &pairs, vec![70, 72]);
        assert_eq!(
            (storage.shared[..4].to_vec(), storage.apart[..4].to_vec()),
            (vec![50, 51, 54, 56], vec![0, 10, 40, 60])
        );
        assert_eq!((storage.shared.len(), storage.breaks_even()), (TASKS + 1, Some(3)));
        // Two adapters of two bytes each on average: 70, 72, 74 beside 10, 40, 60, and 76 beside 80.
        assert_eq!((storage.memory[..4].to_vec(), storage.memory.len()), (vec![70, 72, 74, 76], TASKS));
        assert_eq!(storage.memory_breaks_even(), Some(4));
        let nothing = Storage::of(50, &[], Vec::new());
        assert_eq!((nothing.breaks_even(), nothing.memory_breaks_even()), (None, None));
    }
}
