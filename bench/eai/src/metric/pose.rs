//! Average precision of poses by the likeness of their keypoints (OKS), as pycocotools computes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matching::{AreaRange, Found, Group, Right, THRESHOLDS, Unmatched, average_precision, mean_of, threshold};
use crate::error::{Error, Result};

const NAME: &str = "OKS AP";
/// Poses of an image that count.
const MOST: usize = 20;
/// Keypoints of a pose; whole-body poses have 133.
const MAX_KEYPOINTS: usize = 1024;

/// A right pose.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotatedPose {
    /// Number of its image.
    pub image: u64,
    /// Left, top, width and height of the body, in pixels.
    pub bounds: [f64; 4],
    /// Of the body, in square pixels.
    pub area: f64,
    /// Across, down, and above 0 where the point is annotated.
    pub points: Vec<[f64; 3]>,
    /// Whether it is a crowd: finding it is neither right nor wrong.
    pub crowd: bool,
}

/// A pose that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectedPose {
    /// Number of its image.
    pub image: u64,
    /// Across and down.
    pub points: Vec<[f64; 2]>,
    /// How sure it is.
    pub score: f64,
}

/// Means over likenesses from 0.5 to 0.95, and at two of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseScores {
    /// Over all likenesses.
    pub ap: f64,
    /// From a likeness of half on.
    pub ap_50: f64,
    /// From three quarters on.
    pub ap_75: f64,
    /// Of bodies up to 96² square pixels; missing where there is none.
    pub medium: Option<f64>,
    /// Of larger bodies; missing where there is none.
    pub large: Option<f64>,
}

/// Of all images together; `sigmas` tells how far apart people set each keypoint, as a share of the body's size.
///
/// # Errors
/// [`Error::Metric`] without a right pose that counts, for poses without one point for each sigma, more than 1024 of them,
/// sigmas that are not above 0 and numbers that are not finite.
pub fn pose_average_precision(found: &[DetectedPose], right: &[AnnotatedPose], sigmas: &[f64]) -> Result<PoseScores> {
    if sigmas.is_empty() || sigmas.len() > MAX_KEYPOINTS || sigmas.iter().any(|s| !s.is_finite() || *s <= 0.0) {
        return Err(Error::metric(NAME, format!("{} sigmas, expected 1 to {MAX_KEYPOINTS} above 0", sigmas.len())));
    }
    for (row, pose) in found.iter().enumerate() {
        let sound = pose.points.iter().flatten().chain([&pose.score]).all(|v| v.is_finite());
        check("found pose", row, pose.points.len(), sigmas.len(), sound)?;
    }
    for (row, pose) in right.iter().enumerate() {
        let numbers = pose.points.iter().flatten().chain(&pose.bounds).chain([&pose.area]);
        check("right pose", row, pose.points.len(), sigmas.len(), numbers.into_iter().all(|v| v.is_finite()))?;
    }
    let mut images: BTreeMap<u64, (Vec<&DetectedPose>, Vec<&AnnotatedPose>)> = BTreeMap::new();
    found.iter().for_each(|pose| images.entry(pose.image).or_default().0.push(pose));
    right.iter().for_each(|pose| images.entry(pose.image).or_default().1.push(pose));
    let groups: Vec<Group> = images.into_values().map(|(found, right)| group(found, &right, sigmas)).collect();
    let of = |thresholds: std::ops::Range<usize>, areas| {
        mean_of(thresholds.map(|i| average_precision(&groups, threshold(i), areas)))
    };
    let none = || Error::metric(NAME, "no right pose that counts");
    Ok(PoseScores {
        ap: of(0..THRESHOLDS, AreaRange::ALL).ok_or_else(none)?,
        ap_50: of(0..1, AreaRange::ALL).ok_or_else(none)?,
        ap_75: of(5..6, AreaRange::ALL).ok_or_else(none)?,
        medium: of(0..THRESHOLDS, AreaRange::MEDIUM),
        large: of(0..THRESHOLDS, AreaRange::LARGE),
    })
}

fn check(what: &str, row: usize, points: usize, expected: usize, sound: bool) -> Result<()> {
    if points != expected {
        return Err(Error::metric(NAME, format!("{what} {row}: {points} points for {expected} sigmas")));
    }
    if !sound {
        return Err(Error::metric(NAME, format!("{what} {row}: a number is not finite")));
    }
    Ok(())
}

fn group(mut found: Vec<&DetectedPose>, right: &[&AnnotatedPose], sigmas: &[f64]) -> Group {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    let ignored = |pose: &AnnotatedPose| pose.crowd || pose.points.iter().all(|point| point[2] <= 0.0);
    Group {
        overlaps: found.iter().map(|a| right.iter().map(|b| likeness(a, b, sigmas)).collect()).collect(),
        found: found.iter().map(|pose| Found { score: pose.score, area: extent(&pose.points) }).collect(),
        right: right.iter().map(|pose| Right { area: pose.area, crowd: pose.crowd, ignored: ignored(pose) }).collect(),
        unmatched: Unmatched::Wrong,
    }
}

/// Area of the upright box around the points.
fn extent(points: &[[f64; 2]]) -> f64 {
    let range = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
    };
    range(0) * range(1)
}

/// Mean over the annotated keypoints; without any, by how far points are outside of twice the body's box.
fn likeness(found: &DetectedPose, right: &AnnotatedPose, sigmas: &[f64]) -> f64 {
    let seen = right.points.iter().any(|point| point[2] > 0.0);
    let [x, y, w, h] = right.bounds;
    let outside =
        |value: f64, low: f64, size: f64| (low - size - value).max(0.0) + (value - (low + 2.0 * size)).max(0.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for ((point, own), sigma) in found.points.iter().zip(&right.points).zip(sigmas) {
        if seen && own[2] <= 0.0 {
            continue;
        }
        let (across, down) = if seen {
            (point[0] - own[0], point[1] - own[1])
        } else {
            (outside(point[0], x, w), outside(point[1], y, h))
        };
        let spread = (2.0 * sigma).powi(2);
        sum += (-(across * across + down * down) / spread / (right.area + f64::EPSILON) / 2.0).exp();
        count += 1.0;
    }
    sum / count
}
