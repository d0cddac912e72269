//! Locating: where points of a pose are, such as joints.

use serde::{Deserialize, Serialize};

use super::{sigmoid, size};
use crate::adapter::{Adapter, DenseGives};
use crate::engine::{Engine, Trace};
use crate::error::Result;
use crate::input::Input;

/// A point of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its name.
    pub label: String,
    /// From the left edge, in pixels.
    pub x: f32,
    /// From the top edge, in pixels.
    pub y: f32,
    /// Between 0 and 1: how sure it is that the point is there.
    pub score: f32,
}

/// The points of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// One per label, in their order.
    pub points: Vec<Point>,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Finds where the points that `adapter` knows are. Path 3.
    ///
    /// # Errors
    /// [`crate::Error::Adapter`] for an adapter without a dense head that gives points; [`crate::Error::Argument`] for an input that
    /// is no picture.
    pub fn locate(&self, input: impl Into<Input>, adapter: &Adapter) -> Result<Located> {
        let input = input.into();
        let [height, width] = size(&input)?;
        let mapped = self.map_picture(&input, adapter, &[DenseGives::Points])?;
        let (rows, columns) = (mapped.planes.height, mapped.planes.width);
        let point = |(plane, label): (&[f32], &String)| {
            let (row, column, peak) = peak(plane, columns);
            let (x, y) = (column / columns as f32 * width as f32, row / rows as f32 * height as f32);
            Point { label: label.clone(), x, y, score: sigmoid(peak) }
        };
        let points = mapped.planes.iter().zip(mapped.labels).map(point).collect();
        Ok(Located { points, trace: mapped.trace })
    }
}

/// Where a plane is largest, in places from its top left corner to a place's centre, between places as their neighbours pull it;
/// and the largest value.
fn peak(plane: &[f32], columns: usize) -> (f32, f32, f32) {
    let best = (0..plane.len()).rev().max_by(|a, b| plane[*a].total_cmp(&plane[*b])).unwrap_or(0);
    let (row, column) = (best / columns, best % columns);
    let rows = plane.len() / columns;
    let (mut sum, mut down, mut across) = (0.0, 0.0, 0.0);
    for r in row.saturating_sub(1)..(row + 2).min(rows) {
        for c in column.saturating_sub(1)..(column + 2).min(columns) {
            let weight = sigmoid(plane[r * columns + c]);
            sum += weight;
            down += weight * (r as f32 + 0.5);
            across += weight * (c as f32 + 0.5);
        }
    }
    match sum > 0.0 {
        true => (down / sum, across / sum, plane[best]),
        false => (row as f32 + 0.5, column as f32 + 0.5, plane[best]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_lies_between_places_as_its_neighbours_pull_it() {
        let mut plane = [-40.0; 16];
        plane[5] = 0.0;
        assert_eq!(peak(&plane, 4), (1.5, 1.5, 0.0));
        plane[6] = 0.0;
        let (row, column, _) = peak(&plane, 4);
        assert_eq!((row, column), (1.5, 2.0), "two places of one weight");
        let corner = [f32::MAX, -f32::MAX, -f32::MAX, -f32::MAX];
        assert_eq!(peak(&corner, 2), (0.5, 0.5, f32::MAX));
        assert_eq!(peak(&[-f32::MAX; 4], 2), (0.5, 0.5, -f32::MAX), "nothing is anywhere");
    }
}
