//! Overlap of classes of pixels: mean intersection over union, and the share of pixels that are right.

use super::{mean, paired, share};
use crate::error::{Error, Result};

const NAME: &str = "mIoU";
const MAX_CLASSES: usize = 65_536;

/// Scores over all images together.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationScores {
    /// Mean over classes that occur, found or right.
    pub mean_iou: f64,
    /// Share of pixels whose class was found.
    pub pixel_accuracy: f64,
    /// Mean over classes that are right somewhere of the share of their pixels that was found.
    pub mean_accuracy: f64,
    /// Intersection over union of each class; none where it does not occur.
    pub per_class: Vec<Option<f64>>,
}

/// Of images as classes of their pixels, row after row. Pixels whose right class is `ignored` do not count.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, images of unlike size, classes that are not below `classes`, and
/// where no pixel counts.
pub fn segmentation(
    found: &[Vec<u16>],
    right: &[Vec<u16>],
    classes: usize,
    ignored: Option<u16>,
) -> Result<SegmentationScores> {
    paired(NAME, found.len(), right.len())?;
    if classes == 0 || classes > MAX_CLASSES {
        return Err(Error::metric(NAME, format!("{classes} classes, expected 1 to {MAX_CLASSES}")));
    }
    let (mut both, mut ours, mut theirs) = (vec![0u64; classes], vec![0u64; classes], vec![0u64; classes]);
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        if found.len() != right.len() {
            let reason = format!("image {row}: {} pixels beside {}", found.len(), right.len());
            return Err(Error::metric(NAME, reason));
        }
        for (a, b) in found.iter().zip(right).filter(|(_, b)| Some(**b) != ignored) {
            let (a, b) = (usize::from(*a), usize::from(*b));
            if a.max(b) >= classes {
                return Err(Error::metric(NAME, format!("image {row}: class {} of {classes}", a.max(b))));
            }
            ours[a] += 1;
            theirs[b] += 1;
            both[a] += u64::from(a == b);
        }
    }
    let pixels: u64 = theirs.iter().sum();
    if pixels == 0 {
        return Err(Error::metric(NAME, "no pixel that counts"));
    }
    let union = |class: usize| ours[class] + theirs[class] - both[class];
    let per_class: Vec<Option<f64>> =
        (0..classes).map(|c| (union(c) > 0).then(|| both[c] as f64 / union(c) as f64)).collect();
    let present = (0..classes).filter(|c| theirs[*c] > 0);
    let accuracies: Vec<f64> = present.map(|c| both[c] as f64 / theirs[c] as f64).collect();
    Ok(SegmentationScores {
        mean_iou: mean(&per_class.iter().flatten().copied().collect::<Vec<_>>()),
        pixel_accuracy: share(both.iter().sum::<u64>() as f64, pixels as f64),
        mean_accuracy: mean(&accuracies),
        per_class,
    })
}
