//! From one clip to tokens: a convolution whose patches become rows, and a norm.

use std::borrow::Cow;

use super::super::contract::Features;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::model::layer::{Conv, Grid, LayerNorm, rows_of_planes};
use crate::quant::Deltas;

/// Norms of stems have PyTorch's default.
pub(super) const STEM_EPS: f64 = 1e-5;

/// How a tower reads one clip.
#[derive(Debug)]
pub(super) struct Stem {
    /// Shape of a clip: planes, then the extent of each.
    pub(super) shape: Vec<usize>,
    /// Extent of a plane.
    pub(super) grid: Grid,
    /// Patches to rows.
    pub(super) conv: Conv,
    /// Over each row.
    pub(super) norm: Option<LayerNorm>,
    /// A tower that reads clips of several pictures takes a single one too, of the shape without that axis.
    pub(super) frames: Option<usize>,
}

impl Stem {
    /// Rows of a clip, `None` when the clip is smaller than a patch.
    pub(super) fn patches(&self) -> Option<usize> {
        self.conv.shape().output(self.grid).map(Grid::count)
    }

    /// The clips of an input: of the clip's shape, or of one axis more over several clips.
    ///
    /// # Errors
    /// [`Error::Argument`] naming both shapes.
    pub(super) fn clips<'a>(&self, features: &'a Features) -> Result<Vec<Cow<'a, [f32]>>> {
        let found = &features.shape[..];
        let size = self.shape.iter().product::<usize>();
        if found == self.shape || found.len() == self.shape.len() + 1 && found[1..] == self.shape {
            return Ok(features.values.chunks_exact(size).map(Cow::Borrowed).collect());
        }
        if let Some(frames) = self.frames {
            let still = [&self.shape[..1], &self.shape[2..]].concat();
            if found == still {
                let planes = features.values.chunks_exact(self.grid.count());
                return Ok(vec![planes.flat_map(|plane| plane.repeat(frames)).collect::<Vec<f32>>().into()]);
            }
        }
        let reason = format!("shape {found:?}, the encoder reads {:?}, or several of them", self.shape);
        Err(Error::argument("features", reason))
    }

    /// One row per patch of a clip.
    pub(super) fn rows(&self, clip: &[f32], deltas: Option<&Deltas>) -> Room {
        let positions = rows_of_planes(clip, self.conv.shape().inputs);
        let (mut rows, _) = self.conv.forward(&positions, self.grid, deltas);
        if let Some(norm) = &self.norm {
            norm.apply(&mut rows);
        }
        rows
    }
}
