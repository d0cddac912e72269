//! How values lie: planes of channels, as preprocessing has them, and rows of positions, as layers have them.

use super::conv::Grid;
use crate::arena::Room;

/// `[planes, positions]` to `[positions, planes]`.
pub(crate) fn rows_of_planes(values: &[f32], planes: usize) -> Room {
    let (mut out, positions) = (Room::new(values.len()), values.len() / planes);
    for (at, row) in out.chunks_exact_mut(planes).enumerate() {
        for (value, plane) in row.iter_mut().zip(values.chunks_exact(positions)) {
            *value = plane[at];
        }
    }
    out
}

/// PyTorch's `PixelShuffle`: channel `c * factor * factor + y * factor + x` of a position becomes channel `c` of the position
/// `(y, x)` within it.
pub(crate) fn shuffled(factor: usize, x: &[f32], grid: Grid) -> (Room, Grid) {
    let to = Grid { height: grid.height * factor, width: grid.width * factor };
    let (channels, inner) = (x.len() / grid.count(), factor * factor);
    let mut out = Room::new(x.len());
    for (at, row) in out.chunks_exact_mut(channels / inner).enumerate() {
        let (down, across) = (at / to.width, at % to.width);
        let from = &x[(down / factor * grid.width + across / factor) * channels..][..channels];
        let tap = down % factor * factor + across % factor;
        row.iter_mut().enumerate().for_each(|(c, o)| *o = from[c * inner + tap]);
    }
    (out, to)
}
