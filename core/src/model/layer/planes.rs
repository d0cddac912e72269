//! From one plane per channel, as preprocessing has it, to one row per position, as layers have it.

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
