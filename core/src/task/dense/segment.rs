//! Segmentation and matting: what each place of a picture belongs to.

use serde::{Deserialize, Serialize};

use super::{sigmoid, size};
use crate::adapter::{Adapter, DenseGives};
use crate::engine::{Engine, Trace};
use crate::error::Result;
use crate::input::Input;

/// What the places of a picture belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segmentation {
    /// The labels; one for what is cut out of its background.
    pub labels: Vec<String>,
    /// Probabilities, a plane per label, row by row: those of one place add up to 1 where there are several labels.
    pub probabilities: Vec<f32>,
    /// Rows of a plane.
    pub height: usize,
    /// Columns of a plane.
    pub width: usize,
    /// What ran.
    pub trace: Trace,
}

impl Segmentation {
    /// The most probable label of each place, as its number; of one label, 1 where it is more probable than not.
    #[must_use]
    pub fn classes(&self) -> Vec<usize> {
        let places = self.height * self.width;
        let at = |place: usize, label: usize| self.probabilities[label * places + place];
        let best = |place: usize| match self.labels.len() {
            1 => usize::from(at(place, 0) > 0.5),
            count => (0..count).rev().max_by(|a, b| at(place, *a).total_cmp(&at(place, *b))).unwrap_or(0),
        };
        (0..places).map(best).collect()
    }

    /// The plane of a label stretched over `height` rows and `width` columns, between the centres of places, as matting wants it.
    ///
    /// # Panics
    /// When there is no such label.
    #[must_use]
    pub fn stretched(&self, label: usize, height: usize, width: usize) -> Vec<f32> {
        let places = self.height * self.width;
        let plane = &self.probabilities[label * places..(label + 1) * places];
        // Positions of half pixels, as PyTorch's `interpolate` has them without `align_corners`.
        let axis = |to: usize, from: usize| -> Vec<(usize, usize, f32)> {
            let place = |i: usize| ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
            let around = |i: usize| (place(i) as usize, (place(i) as usize + 1).min(from - 1), place(i).fract());
            (0..to).map(around).collect()
        };
        let (rows, columns) = (axis(height, self.height), axis(width, self.width));
        let mut out = Vec::with_capacity(height * width);
        for (top, bottom, down) in rows {
            let (upper, lower) =
                (&plane[top * self.width..][..self.width], &plane[bottom * self.width..][..self.width]);
            for &(left, right, across) in &columns {
                let along = |row: &[f32]| row[left] + (row[right] - row[left]) * across;
                out.push(along(upper) + (along(lower) - along(upper)) * down);
            }
        }
        out
    }
}

impl Engine {
    /// Tells what each place of a picture belongs to, by the dense head of `adapter`. Path 3.
    ///
    /// # Errors
    /// [`crate::Error::Adapter`] for an adapter without a dense head that gives classes or a mask; [`crate::Error::Argument`] for an
    /// input that is no picture.
    pub fn segment(&self, input: impl Into<Input>, adapter: &Adapter) -> Result<Segmentation> {
        let input = input.into();
        size(&input)?;
        let mapped = self.map_picture(&input, adapter, &[DenseGives::Classes, DenseGives::Mask])?;
        let (mut values, places) = (mapped.planes.values, mapped.planes.height * mapped.planes.width);
        let mut labels = mapped.labels.to_vec();
        if values.len() == places {
            values.iter_mut().for_each(|value| *value = sigmoid(*value));
            labels.resize_with(1, || "foreground".to_owned());
        } else {
            (0..places).for_each(|place| softmax(&mut values, place, places));
        }
        let (height, width) = (mapped.planes.height, mapped.planes.width);
        Ok(Segmentation { labels, probabilities: values, height, width, trace: mapped.trace })
    }
}

/// Over the values at `place`, `step` apart.
fn softmax(values: &mut [f32], place: usize, step: usize) {
    let largest = values.iter().skip(place).step_by(step).copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in values.iter_mut().skip(place).step_by(step) {
        *value = (*value - largest).exp();
        sum += *value;
    }
    values.iter_mut().skip(place).step_by(step).for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: usize, probabilities: &[f32], height: usize, width: usize) -> Segmentation {
        let labels = (0..labels).map(|label| label.to_string()).collect();
        let trace = Trace::new(crate::adapter::DataPath::Encoder, Vec::new());
        Segmentation { labels, probabilities: probabilities.to_vec(), height, width, trace }
    }

    #[test]
    fn places_belong_to_the_most_probable_label_and_ties_to_the_first() {
        let segmentation = of(3, &[0.2, 0.4, 0.7, 0.4, 0.1, 0.2], 1, 2);
        assert_eq!(segmentation.classes(), [1, 0]);
        assert_eq!(of(1, &[0.5, 0.6], 1, 2).classes(), [0, 1]);
    }

    #[test]
    fn planes_stretch_between_centres() {
        let segmentation = of(1, &[0.0, 1.0], 1, 2);
        // torch.nn.functional.interpolate([[[0, 1]]], 4, mode="linear")
        assert_eq!(segmentation.stretched(0, 1, 4), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(segmentation.stretched(0, 2, 2), [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn softmax_is_over_labels_at_one_place() {
        let mut values = [0.0, 5.0, 0.0, 5.0];
        (0..2).for_each(|place| softmax(&mut values, place, 2));
        assert_eq!(values, [0.5; 4]);
    }
}
