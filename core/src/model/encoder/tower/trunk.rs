//! The stages of a tower, one after another.

use super::config::{StageConfig, TowerConfig};
use super::stage::{Extent, Stage};
use crate::arena::Room;
use crate::error::Result;
use crate::model::encoder::registry::Source;
use crate::model::layer::{Grid, Loader, Prefix, rows_of_planes};
use crate::quant::Deltas;

/// Stages one after another, each named `stages.N`.
pub(crate) struct Stages(Vec<Stage>);

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stages({})", self.0.len())
    }
}

impl Stages {
    /// Loads what `specs` describe for an input of extent `from`, and says what comes out.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] naming the stage; [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(crate) fn load(loader: &mut Loader<'_>, specs: &[StageConfig], from: Extent) -> Result<(Self, Extent)> {
        let mut extent = from;
        let mut stages = Vec::with_capacity(specs.len());
        for (i, spec) in specs.iter().enumerate() {
            let (stage, after) = Stage::load(loader, &format!("stages.{i}"), spec, extent)?;
            stages.push(stage);
            extent = after;
        }
        Ok((Self(stages), extent))
    }

    /// What comes out of a grid, `None` for one that is too small or has no place for a stage's positions.
    pub(crate) fn output(&self, grid: Grid) -> Option<Grid> {
        self.0.iter().try_fold(grid, |grid, stage| stage.output(grid))
    }

    /// Runs all of them on `[positions, channels]`. The caller has checked that the grid has an output.
    pub(crate) fn forward(&self, x: Room, grid: Grid, deltas: Option<&Deltas>) -> (Room, Grid) {
        self.0.iter().fold((x, grid), |(x, grid), stage| stage.forward(x, grid, deltas))
    }
}

/// From features to states.
pub(crate) struct Trunk {
    stages: Stages,
    channels: usize,
    window: Grid,
    state_width: usize,
}

impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trunk({:?}, {:?})", self.stages, self.window)
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
        let (stages, to) = Stages::load(&mut loader, &config.stages, Extent { channels, grid: window })?;
        Ok((Self { stages, channels, window, state_width: to.channels }, loader))
    }

    /// Channels of the features.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// What it does, in order.
    pub(super) fn stages(&self) -> &[Stage] {
        &self.stages.0
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
        self.stages().iter().map(Stage::stride).product()
    }

    /// States of a grid no wider than the window, `None` for one that is too narrow.
    pub(crate) fn output(&self, grid: Grid) -> Option<Grid> {
        self.stages.output(grid)
    }

    /// Runs all stages on `values`, one plane per channel, to one row per position. The caller has checked that the grid has
    /// an output.
    pub(crate) fn forward(&self, values: &[f32], grid: Grid, deltas: Option<&Deltas>) -> (Room, Grid) {
        self.stages.forward(rows_of_planes(values, self.channels), grid, deltas)
    }
}
