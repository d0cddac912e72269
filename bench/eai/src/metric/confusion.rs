//! Scores of classes, as scikit-learn's `precision_recall_fscore_support` counts them, with 0 for what is undefined.

use super::average::{Average, Counts, Scores};
use super::paired;
use crate::error::{Error, Result};

const NAME: &str = "class scores";
/// Of a set; ImageNet-21k has no more.
const MAX_CLASSES: usize = 100_000;

/// Scores of a classification.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScores {
    /// Share of rows whose class was found.
    pub accuracy: f64,
    /// Of each class.
    pub per_class: Vec<Scores>,
    /// Rows of each class.
    pub support: Vec<usize>,
    counts: Vec<Counts>,
}

impl ClassScores {
    /// Over the classes that occur, found or right, as scikit-learn does without `labels`.
    #[must_use]
    pub fn average(&self, average: Average) -> Scores {
        let occurs = |counts: &&Counts| counts.hits + counts.wrong + counts.missed > 0.0;
        average.of(&self.counts.iter().filter(occurs).copied().collect::<Vec<_>>())
    }
}

/// Of rows with one class each, below `classes`.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and a class that is not below `classes`.
pub fn class_scores(found: &[usize], right: &[usize], classes: usize) -> Result<ClassScores> {
    paired(NAME, found.len(), right.len())?;
    bounded(classes)?;
    let mut counts = vec![Counts::default(); classes];
    let mut support = vec![0usize; classes];
    let mut hits = 0usize;
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        for class in [found, right] {
            within(row, *class, classes)?;
        }
        support[*right] += 1;
        if found == right {
            hits += 1;
            counts[*right].hits += 1.0;
        } else {
            counts[*found].wrong += 1.0;
            counts[*right].missed += 1.0;
        }
    }
    Ok(ClassScores {
        accuracy: hits as f64 / right.len() as f64,
        per_class: counts.iter().map(|counts| counts.scores()).collect(),
        support,
        counts,
    })
}

/// Of rows with any number of classes each; every class below `classes` counts in the macro average.
///
/// # Errors
/// As [`class_scores`], and for a class that stands twice in a row.
pub fn multi_label_f1(found: &[Vec<usize>], right: &[Vec<usize>], classes: usize, average: Average) -> Result<Scores> {
    paired(NAME, found.len(), right.len())?;
    bounded(classes)?;
    let mut counts = vec![Counts::default(); classes];
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        for side in [found, right] {
            for (i, class) in side.iter().enumerate() {
                within(row, *class, classes)?;
                if side[..i].contains(class) {
                    return Err(Error::metric(NAME, format!("row {row}: class {class} stands twice")));
                }
            }
        }
        for class in found {
            if right.contains(class) { counts[*class].hits += 1.0 } else { counts[*class].wrong += 1.0 }
        }
        right.iter().filter(|class| !found.contains(class)).for_each(|class| counts[*class].missed += 1.0);
    }
    Ok(average.of(&counts))
}

fn bounded(classes: usize) -> Result<()> {
    if classes == 0 || classes > MAX_CLASSES {
        return Err(Error::metric(NAME, format!("{classes} classes, expected 1 to {MAX_CLASSES}")));
    }
    Ok(())
}

fn within(row: usize, class: usize, classes: usize) -> Result<()> {
    if class >= classes {
        return Err(Error::metric(NAME, format!("row {row}: class {class} of {classes}")));
    }
    Ok(())
}
