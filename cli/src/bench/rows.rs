//! The rows of a run: all of a split, or a part that chance chose.

use std::path::Path;

use loam_bench::loader::{Example, Format, Split};

use super::chance::Chance;
use super::plan::Plan;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// Rows of a split.
#[derive(Debug)]
pub struct Rows {
    /// Names of classes.
    pub labels: Vec<String>,
    /// Numbers of classes in the files, where they have some.
    pub numbers: Vec<u64>,
    /// Those that are taken, in their order.
    pub examples: Vec<Example>,
    /// How many there are.
    pub of: usize,
}

impl Rows {
    /// Those that a plan takes.
    ///
    /// # Errors
    /// [`Error::Bench`] for files that are not there or not of their format, and for a split without rows.
    pub fn open(plan: &Plan) -> Result<Self> {
        let (format, folder) = plan.files();
        let mut rows = Self::read(format, &folder, plan.split())?;
        rows.take(plan.limit, plan.seed);
        Ok(rows)
    }

    /// All of a split.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn read(format: Format, folder: &Path, split: Split) -> Result<Self> {
        let opened = format.open(folder, split)?;
        let (labels, numbers) = (opened.labels().to_vec(), opened.numbers().to_vec());
        let examples = opened.collect::<loam_bench::Result<Vec<Example>>>()?;
        if examples.is_empty() {
            let what = format!("{}, {}", folder.display(), split.name());
            return Err(Error::malformed(what, "data set", "it has no rows"));
        }
        Ok(Self { labels, numbers, of: examples.len(), examples })
    }

    /// Keeps at most `limit` rows, which `seed` chooses.
    fn take(&mut self, limit: usize, seed: u64) {
        let chosen = Chance::new(seed).choose(self.examples.len(), limit);
        let all = std::mem::take(&mut self.examples);
        self.examples = all.into_iter().enumerate().filter(|(at, _)| chosen.contains(at)).map(|(_, row)| row).collect();
    }

    /// Differs where other rows were taken, or what is right about them changed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        for example in &self.examples {
            hasher.update(format!("{}\u{0}{:?}\n", example.id, example.target).as_bytes());
        }
        hasher.finish()
    }
}
