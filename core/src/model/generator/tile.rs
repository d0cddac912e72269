//! A picture in tiles, so that the memory of a network which reads it does not grow with the picture.
//!
//! A convolution sees a bounded neighbourhood. A tile is computed with a rim as wide as that neighbourhood, which is thrown away:
//! what is left is what the whole picture would have given, so no border shows.

use std::ops::Range;

use crate::arena::Room;
use crate::model::layer::Grid;

/// Into which tiles a picture is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// As fits the network: about 100 MB at once.
    Fitting,
    /// Squares of that side, in pixels of what is read; 1 at least.
    Side(usize),
    /// One tile, however large.
    Whole,
}

/// A rectangle of rows and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Tile {
    /// All of a picture, cut into squares of `side`; those at the right and at the bottom may be smaller.
    pub(super) fn cut(whole: Grid, side: usize) -> impl Iterator<Item = Self> {
        let part = move |start: usize, end: usize| start..start.saturating_add(side).min(end);
        (0..whole.height).step_by(side).flat_map(move |top| {
            let rows = part(top, whole.height);
            (0..whole.width)
                .step_by(side)
                .map(move |left| Self { rows: rows.clone(), columns: part(left, whole.width) })
        })
    }

    /// With `rim` more at each side, as far as the picture goes.
    pub(super) fn widened(&self, rim: usize, whole: Grid) -> Self {
        let wide = |range: &Range<usize>, end: usize| range.start.saturating_sub(rim)..(range.end + rim).min(end);
        Self { rows: wide(&self.rows, whole.height), columns: wide(&self.columns, whole.width) }
    }

    /// Its extent.
    pub(super) fn grid(&self) -> Grid {
        Grid { height: self.rows.len(), width: self.columns.len() }
    }

    /// At `scale` times the size.
    pub(super) fn scaled(&self, scale: usize) -> Self {
        let times = |range: &Range<usize>| range.start * scale..range.end * scale;
        Self { rows: times(&self.rows), columns: times(&self.columns) }
    }

    /// Of `values` that are those of this tile, `channels` at each place: those of `inner`, which lies in it.
    pub(super) fn take(&self, values: &[f32], channels: usize, inner: &Self) -> Room {
        let (width, row) = (self.columns.len(), inner.columns.len() * channels);
        let mut out = Room::new(inner.rows.len() * row);
        for (y, to) in inner.rows.clone().zip(out.chunks_exact_mut(row)) {
            let start = ((y - self.rows.start) * width + inner.columns.start - self.columns.start) * channels;
            to.copy_from_slice(&values[start..start + row]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(rows: Range<usize>, columns: Range<usize>) -> Tile {
        Tile { rows, columns }
    }

    #[test]
    fn tiles_cover_a_picture_once() {
        let whole = Grid { height: 5, width: 7 };
        let mut seen = [0; 35];
        for part in Tile::cut(whole, 3) {
            part.rows.clone().for_each(|y| part.columns.clone().for_each(|x| seen[y * 7 + x] += 1));
        }
        assert_eq!(seen, [1; 35]);
        assert_eq!(Tile::cut(whole, usize::MAX).collect::<Vec<_>>(), [tile(0..5, 0..7)]);
    }

    #[test]
    fn rims_end_with_the_picture() {
        let whole = Grid { height: 9, width: 4 };
        assert_eq!(tile(3..6, 1..2).widened(2, whole), tile(1..8, 0..4));
        assert_eq!(tile(3..6, 1..2).scaled(2), tile(6..12, 2..4));
    }

    #[test]
    fn the_inner_part_is_taken_out() {
        // Two channels: place and its negative.
        let values: Vec<f32> = (0..12).flat_map(|place| [place as f32, -(place as f32)]).collect();
        let taken = tile(1..4, 2..6).take(&values, 2, &tile(2..4, 3..5));
        assert_eq!(&taken[..], [5.0, -5.0, 6.0, -6.0, 9.0, -9.0, 10.0, -10.0]);
    }
}
