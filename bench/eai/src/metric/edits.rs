//! Levenshtein's distance, and of which edits it consists.

use crate::error::{Error, Result};

/// Cells of a table of two texts, 256 MiB: some 8,000 words beside as many.
pub(super) const MAX_CELLS: usize = 1 << 26;

/// What turns one sequence into another with the fewest edits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Pieces that stay.
    pub kept: usize,
    /// Pieces that are replaced.
    pub substituted: usize,
    /// Pieces of what is right that were left out.
    pub deleted: usize,
    /// Pieces that were put in.
    pub inserted: usize,
}

impl Edits {
    /// Edits in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.substituted + self.deleted + self.inserted
    }

    pub(super) fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.substituted += other.substituted;
        self.deleted += other.deleted;
        self.inserted += other.inserted;
    }
}

/// The fewest insertions, deletions and substitutions that turn `found` into `right`. Needs memory for one row.
#[must_use]
pub fn edit_distance<T: PartialEq>(found: &[T], right: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in found.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let best = (corner + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[right.len()]
}

/// [`edit_distance`] by the length of the longer one: 0 for equal, also empty, texts; 1 for texts without a common piece.
#[must_use]
pub fn normalised_distance<T: PartialEq>(found: &[T], right: &[T]) -> f64 {
    super::share(edit_distance(found, right) as f64, found.len().max(right.len()) as f64)
}

/// The edits of one of the shortest ways from `right` to `found`. Their sum is the distance; of ways that are equally short
/// one with the most pieces kept is taken.
///
/// # Errors
/// [`Error::Metric`] where the table would have more than 2^26 cells.
pub fn edits<T: PartialEq>(found: &[T], right: &[T]) -> Result<Edits> {
    let width = right.len() + 1;
    let cells = (found.len() + 1).checked_mul(width).filter(|cells| *cells <= MAX_CELLS);
    let cells = cells.ok_or_else(|| {
        Error::metric("edits", format!("{} pieces beside {}: more than {MAX_CELLS} cells", found.len(), right.len()))
    })?;
    let mut table = vec![0u32; cells];
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (0..width).for_each(|j| table[j] = count(j));
    for i in 1..=found.len() {
        table[i * width] = count(i);
        for j in 1..width {
            let same = found[i - 1] == right[j - 1];
            let corner = table[(i - 1) * width + j - 1] + u32::from(!same);
            table[i * width + j] = corner.min(table[(i - 1) * width + j] + 1).min(table[i * width + j - 1] + 1);
        }
    }
    let (mut i, mut j) = (found.len(), right.len());
    let mut edits = Edits::default();
    while i > 0 || j > 0 {
        let here = table[i * width + j];
        if i > 0 && j > 0 && found[i - 1] == right[j - 1] && table[(i - 1) * width + j - 1] == here {
            edits.kept += 1;
            (i, j) = (i - 1, j - 1);
        } else if i > 0 && table[(i - 1) * width + j] + 1 == here {
            edits.inserted += 1;
            i -= 1;
        } else if j > 0 && table[i * width + j - 1] + 1 == here {
            edits.deleted += 1;
            j -= 1;
        } else {
            edits.substituted += 1;
            (i, j) = (i - 1, j - 1);
        }
    }
    Ok(edits)
}
