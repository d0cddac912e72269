//! Detection: things in a picture, with the boxes around them.

use serde::{Deserialize, Serialize};

use super::{sigmoid, size};
use crate::adapter::dense::Planes;
use crate::adapter::{Adapter, DenseGives};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;

/// Things that are looked at, the surest first, before those that overlap are left out.
const MAX_CANDIDATES: usize = 1000;

/// Which things are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectOptions {
    /// Least score, from 0 to 1.
    pub least: f32,
    /// Overlap, as the area of the intersection over that of the union, above which two things of one label are one.
    pub overlap: f32,
    /// Things at most.
    pub most: usize,
}

impl Default for DetectOptions {
    /// A score of 0.3, an overlap of a half, a hundred things.
    fn default() -> Self {
        Self { least: 0.3, overlap: 0.5, most: 100 }
    }
}

/// A thing in a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// What it is.
    pub label: String,
    /// Between 0 and 1.
    pub score: f32,
    /// Left edge, in pixels from the picture's.
    pub x: f32,
    /// Upper edge, in pixels from the picture's.
    pub y: f32,
    /// In pixels.
    pub width: f32,
    /// In pixels.
    pub height: f32,
}

/// The things of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detections {
    /// The surest first.
    pub things: Vec<Detection>,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Finds things that `adapter` knows in a picture. Path 3.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter without a dense head that gives boxes; [`Error::Argument`] for an input that is no picture,
    /// or for options out of range.
    pub fn detect(&self, input: impl Into<Input>, adapter: &Adapter, options: &DetectOptions) -> Result<Detections> {
        let input = input.into();
        let size = size(&input)?;
        for (what, value) in [("least", options.least), ("overlap", options.overlap)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::argument(what, format!("{value}, expected 0 to 1")));
            }
        }
        let mapped = self.map_picture(&input, adapter, &[DenseGives::Boxes])?;
        let found = candidates(&mapped.planes, mapped.labels.len(), size, options.least);
        let things = surest(found, options).into_iter().map(|candidate| {
            let [left, top, right, bottom] = candidate.edges;
            Detection {
                label: mapped.labels[candidate.label].clone(),
                score: candidate.score,
                x: left,
                y: top,
                width: right - left,
                height: bottom - top,
            }
        });
        Ok(Detections { things: things.collect(), trace: mapped.trace })
    }
}

/// What a place may show.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    label: usize,
    score: f32,
    /// Left, top, right and bottom, in pixels.
    edges: [f32; 4],
}

impl Candidate {
    fn overlap(&self, other: &Self) -> f32 {
        let area = |e: &[f32; 4]| (e[2] - e[0]).max(0.0) * (e[3] - e[1]).max(0.0);
        let (a, b) = (&self.edges, &other.edges);
        let both = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
        let either = area(a) + area(b) - both;
        if either > 0.0 { both / either } else { 0.0 }
    }
}

/// Distances are positive; as PyTorch's `softplus`.
fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// All places and labels whose score is at least `least`, the surest first.
fn candidates(planes: &Planes, labels: usize, [height, width]: [usize; 2], least: f32) -> Vec<Candidate> {
    let (rows, columns) = (planes.height, planes.width);
    let places = rows * columns;
    let plane = |number: usize| &planes.values[number * places..(number + 1) * places];
    let (down, across) = (height as f32 / rows as f32, width as f32 / columns as f32);
    let mut found = Vec::new();
    for label in 0..labels {
        for (at, logit) in plane(label).iter().enumerate() {
            let score = sigmoid(*logit);
            if score < least {
                continue;
            }
            let (x, y) = ((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|edge| softplus(plane(labels + edge)[at]));
            let inside = |value: f32, limit: usize| value.clamp(0.0, limit as f32);
            let edges = [
                inside((x - left) * across, width),
                inside((y - top) * down, height),
                inside((x + right) * across, width),
                inside((y + bottom) * down, height),
            ];
            found.push(Candidate { label, score, edges });
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    found
}

/// Those that no surer one of their label overlaps: greedy non-maximum suppression.
fn surest(found: Vec<Candidate>, options: &DetectOptions) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in found {
        if kept.len() == options.most {
            break;
        }
        let is_known = |one: &Candidate| one.label == candidate.label && one.overlap(&candidate) > options.overlap;
        if !kept.iter().any(is_known) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_distances_from_the_centre_of_a_place() {
        // Two labels and four edges on two rows of three places.
        let mut values = vec![-9.0; 6 * 6];
        values[6 + 4] = 2.0;
        // softplus(ln(e - 1)) = 1
        let one = (std::f32::consts::E - 1.0).ln();
        for edge in 2..6 {
            values[edge * 6 + 4] = one;
        }
        let planes = Planes { values, height: 2, width: 3 };
        let found = candidates(&planes, 2, [20, 60], 0.5);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].label, 1);
        let wanted = [10.0, 5.0, 50.0, 20.0];
        assert!(found[0].edges.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", found[0]);
    }

    #[test]
    fn one_thing_is_told_once_and_things_of_other_labels_stay() {
        let thing = |label, score, x: f32| Candidate { label, score, edges: [x, 0.0, x + 10.0, 10.0] };
        let found = vec![thing(0, 0.9, 0.0), thing(0, 0.8, 2.0), thing(1, 0.7, 2.0), thing(0, 0.6, 6.0)];
        let kept = surest(found.clone(), &DetectOptions::default());
        assert_eq!(kept, [found[0], found[2], found[3]]);
        assert_eq!(surest(found, &DetectOptions { most: 1, ..DetectOptions::default() }).len(), 1);
        assert!((thing(0, 1.0, 0.0).overlap(&thing(0, 1.0, 5.0)) - 1.0 / 3.0).abs() < 1e-6);
        let point = Candidate { label: 0, score: 1.0, edges: [3.0; 4] };
        assert_eq!(point.overlap(&point), 0.0, "it has no area");
    }
}
