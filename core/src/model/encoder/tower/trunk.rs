//! The stages of a tower, one after another.

use super::config::TowerConfig;
use super::stage::{Extent, Stage};
use crate::arena::Room;
use crate::error::Result;
use crate::model::encoder::registry::Source;
use crate::model::layer::{Grid, Loader, Prefix, rows_of_planes};
use crate::quant::Deltas;

/// From features to states.
pub(crate) struct Trunk {
    stages: Vec<Stage>,
    channels: usize,
    window: Grid,
    state_width: usize,
}

impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trunk({} stages, {:?})", self.stages.len(), self.window)
    }
}

impl Trunk {
    /// Loads the stages, and hands back the loader for what follows them.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] naming the stage; [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load<'a>(source: &Source<'a>, config: &TowerConfig) -> Result<(Self, Loader<'a>)> {
        let mut loader = Loader::new(source.checkpoint, Prefix::default());
        let (channels, window) = (config.input[0], config.grid());
        let mut extent = Extent { channels, grid: window };
        let mut stages = Vec::with_capacity(config.stages.len());
        for (i, spec) in config.stages.iter().enumerate() {
            let (stage, after) = Stage::load(&mut loader, &format!("stages.{i}"), spec, extent)?;
            stages.push(stage);
            extent = after;
        }
        Ok((Self { stages, channels, window, state_width: extent.channels }, loader))
    }

    /// Channels of the features.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// What it does, in order.
    pub(super) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Positions that the configuration says.
    pub(crate) fn window(&self) -> Grid {
        self.window
    }

    /// Width of a state.
    pub(crate) fn state_width(&self) -> usize {
        self.state_width
    }

    /// Positions along time from one state to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stages.iter().map(Stage::stride).product()
    }

    /// States of a grid no wider than the window, `None` for one that is too narrow.
    pub(crate) fn output(&self, grid: Grid) -> Option<Grid> {
        self.stages.iter().try_fold(grid, |grid, stage| stage.output(grid))
    }

    /// Runs all stages on `values`, one plane per channel, to one row per position. The caller has checked that the grid has
    /// an output.
    pub(crate) fn forward(&self, values: &[f32], grid: Grid, deltas: Option<&Deltas>) -> (Room, Grid) {
        let x = rows_of_planes(values, self.channels);
        self.stages.iter().fold((x, grid), |(x, grid), stage| stage.forward(x, grid, deltas))
    }
}
