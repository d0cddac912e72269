//! Average precision of boxes: of COCO, as pycocotools computes it, and of LVIS, as its own tool does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::matching::{
    AreaRange, Found, Group, Right, THRESHOLDS, Unmatched, average_precision as precision, mean_of, threshold,
};
use crate::error::{Error, Result};

const NAME: &str = "box AP";
/// Boxes of a category in an image that count in COCO.
const COCO_BOXES: usize = 100;
/// Boxes of an image that count in LVIS.
const LVIS_BOXES: usize = 300;

/// A right box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annotated {
    /// Number of its image.
    pub image: u64,
    /// Number of its category.
    pub category: u64,
    /// Left, top, width and height, in pixels.
    pub bounds: [f64; 4],
    /// Of the object itself, in square pixels.
    pub area: f64,
    /// Whether it is a crowd: any box within fits it, and none is wrong.
    pub crowd: bool,
}

/// A box that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detected {
    /// Number of its image.
    pub image: u64,
    /// Number of its category.
    pub category: u64,
    /// Left, top, width and height, in pixels.
    pub bounds: [f64; 4],
    /// How sure it is.
    pub score: f64,
}

/// What is known of categories in images.
#[derive(Clone, Copy, Debug)]
pub enum CategoryPolicy<'a> {
    /// All objects of all categories are there, as in COCO.
    Exhaustive,
    /// As in LVIS, by image: categories that are not in it, and those of which not all objects are there. What is found of
    /// any other category does not count.
    Federated {
        /// Not in the image.
        absent: &'a HashMap<u64, BTreeSet<u64>>,
        /// Not all of them are there.
        partial: &'a HashMap<u64, BTreeSet<u64>>,
    },
}

/// Means over categories that have right boxes. Sizes are below 32², up to 96², and above, in square pixels; a mean is
/// missing where no right box counts.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionScores {
    /// Over overlaps from 0.5 to 0.95.
    pub ap: f64,
    /// With an overlap of half.
    pub ap_50: f64,
    /// With an overlap of three quarters.
    pub ap_75: f64,
    /// Of small objects.
    pub small: Option<f64>,
    /// Of medium objects.
    pub medium: Option<f64>,
    /// Of large objects.
    pub large: Option<f64>,
    /// Of each category, over overlaps.
    pub per_category: BTreeMap<u64, f64>,
}

/// Of all images together.
///
/// # Errors
/// [`Error::Metric`] without a right box that counts, and for numbers that are not finite or sizes below 0.
pub fn average_precision(
    found: &[Detected],
    right: &[Annotated],
    policy: CategoryPolicy<'_>,
) -> Result<DetectionScores> {
    let check = |bounds: &[f64; 4], more: f64, what: &str, row: usize| {
        let sound = bounds.iter().all(|v| v.is_finite()) && more.is_finite() && bounds[2] >= 0.0 && bounds[3] >= 0.0;
        if sound { Ok(()) } else { Err(Error::metric(NAME, format!("{what} {row}: box {bounds:?} with {more}"))) }
    };
    found.iter().enumerate().try_for_each(|(row, one)| check(&one.bounds, one.score, "found box", row))?;
    right.iter().enumerate().try_for_each(|(row, one)| check(&one.bounds, one.area, "right box", row))?;
    let categories = groups(found, right, policy);
    let of = |thresholds: std::ops::Range<usize>, areas: AreaRange| {
        mean_of(
            categories.values().flat_map(|groups| thresholds.clone().map(|i| precision(groups, threshold(i), areas))),
        )
    };
    let none = || Error::metric(NAME, "no right box that counts");
    let per_category = categories.iter().filter_map(|(category, groups)| {
        let all = (0..THRESHOLDS).map(|i| precision(groups, threshold(i), AreaRange::ALL));
        Some((*category, mean_of(all)?))
    });
    Ok(DetectionScores {
        ap: of(0..THRESHOLDS, AreaRange::ALL).ok_or_else(none)?,
        ap_50: of(0..1, AreaRange::ALL).ok_or_else(none)?,
        ap_75: of(5..6, AreaRange::ALL).ok_or_else(none)?,
        small: of(0..THRESHOLDS, AreaRange::SMALL),
        medium: of(0..THRESHOLDS, AreaRange::MEDIUM),
        large: of(0..THRESHOLDS, AreaRange::LARGE),
        per_category: per_category.collect(),
    })
}

/// Images of each category, in the order of their numbers.
fn groups(found: &[Detected], right: &[Annotated], policy: CategoryPolicy<'_>) -> BTreeMap<u64, Vec<Group>> {
    let mut cells: BTreeMap<(u64, u64), (Vec<Detected>, Vec<Annotated>)> = BTreeMap::new();
    for one in right {
        cells.entry((one.category, one.image)).or_default().1.push(*one);
    }
    for one in limited(found, policy) {
        let place = (one.category, one.image);
        if counts(policy, cells.contains_key(&place), &one) {
            cells.entry(place).or_default().0.push(one);
        }
    }
    let mut categories: BTreeMap<u64, Vec<Group>> = BTreeMap::new();
    for ((category, image), (mut found, right)) in cells {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let crowds = matches!(policy, CategoryPolicy::Exhaustive);
        if crowds {
            found.truncate(COCO_BOXES);
        }
        let group = Group {
            overlaps: found.iter().map(|a| right.iter().map(|b| overlap(&a.bounds, b, crowds)).collect()).collect(),
            found: found.iter().map(|one| Found { score: one.score, area: one.bounds[2] * one.bounds[3] }).collect(),
            right: right
                .iter()
                .map(|one| {
                    let crowd = crowds && one.crowd;
                    Right { area: one.area, crowd, ignored: crowd }
                })
                .collect(),
            unmatched: unmatched(policy, image, category),
        };
        categories.entry(category).or_default().push(group);
    }
    categories
}

/// The surest boxes of each image, where a limit is set for all categories together.
fn limited(found: &[Detected], policy: CategoryPolicy<'_>) -> Vec<Detected> {
    if matches!(policy, CategoryPolicy::Exhaustive) {
        return found.to_vec();
    }
    let mut images: BTreeMap<u64, Vec<Detected>> = BTreeMap::new();
    found.iter().for_each(|one| images.entry(one.image).or_default().push(*one));
    for boxes in images.values_mut().filter(|boxes| boxes.len() > LVIS_BOXES) {
        boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
        boxes.truncate(LVIS_BOXES);
    }
    images.into_values().flatten().collect()
}

fn counts(policy: CategoryPolicy<'_>, present: bool, one: &Detected) -> bool {
    match policy {
        CategoryPolicy::Exhaustive => true,
        CategoryPolicy::Federated { absent, .. } => {
            present || absent.get(&one.image).is_some_and(|categories| categories.contains(&one.category))
        }
    }
}

fn unmatched(policy: CategoryPolicy<'_>, image: u64, category: u64) -> Unmatched {
    match policy {
        CategoryPolicy::Federated { partial, .. }
            if partial.get(&image).is_some_and(|categories| categories.contains(&category)) =>
        {
            Unmatched::Ignored
        }
        _ => Unmatched::Wrong,
    }
}

/// Intersection over union; over the found box alone where the right one is a crowd.
fn overlap(found: &[f64; 4], right: &Annotated, crowds: bool) -> f64 {
    let [x, y, w, h] = *found;
    let [u, v, s, t] = right.bounds;
    let across = (x + w).min(u + s) - x.max(u);
    let down = (y + h).min(v + t) - y.max(v);
    if across <= 0.0 || down <= 0.0 {
        return 0.0;
    }
    let both = across * down;
    let whole = if crowds && right.crowd { w * h } else { w * h + s * t - both };
    both / whole
}
