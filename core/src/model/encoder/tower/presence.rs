//! Which positions of a graph there is sound for, where the sound is shorter than the graph: what lies behind it counts as the
//! zeros that a convolution puts behind its input, and no query sees it. The result is that of the sound alone.

use super::stage::Stage;
use crate::graph::{MASKED, Role};
use crate::model::layer::Grid;

/// For each number of the input's positions along time, the positions of a stage's that it gives. Stages of equal tables have
/// their gaps in the same places. Empty where nobody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Widths(Vec<usize>);

/// An input of a graph that says which of some stages' positions are there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Presence {
    /// Positions of each number of the input's.
    pub(super) widths: Widths,
    /// Positions that the graph has.
    pub(super) grid: Grid,
    /// Of keys, or of what a convolution reads.
    pub(super) role: Role,
}

impl Widths {
    /// Those of the input itself.
    pub(super) fn of_input(grid: Grid) -> Self {
        Self((0..=grid.width).collect())
    }

    /// Those behind `stage`, which reads rows of this many.
    pub(super) fn behind(&self, stage: &Stage, height: usize) -> Self {
        let behind = |&width: &usize| match width {
            0 => 0,
            width => stage.output(Grid { height, width }).map_or(0, |grid| grid.width),
        };
        Self(self.0.iter().map(behind).collect())
    }

    /// Those of the whole graph.
    fn full(&self) -> usize {
        self.0.last().copied().unwrap_or(0)
    }
}

impl Presence {
    /// What a stage needs to know of its input.
    pub(super) fn of(stage: &Stage, widths: &Widths, height: usize) -> Option<Self> {
        let role = match stage {
            Stage::Conv(conv) if conv.shape().padding[1] > 0 => Role::Presence,
            Stage::Transformer { .. } => Role::Mask,
            _ => return None,
        };
        Some(Self { widths: widths.clone(), grid: Grid { height, width: widths.full() }, role })
    }

    /// All that `stages` need, each once, from an input of this grid on.
    pub(super) fn all(stages: &[Stage], grid: Grid) -> Vec<Self> {
        let mut found = Vec::new();
        collect(stages, Widths::of_input(grid), grid.height, &mut found);
        found
    }

    /// Its shape.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self.role {
            Role::Mask => vec![1, 1, self.grid.count()],
            _ => vec![1, 1, 1, self.grid.width],
        }
    }

    /// Its values for an input of `width` positions.
    pub(super) fn values(&self, width: usize) -> Vec<f32> {
        let present = self.widths.0.get(width).copied().unwrap_or(0);
        let (there, absent, rows) = match self.role {
            Role::Mask => (0.0, MASKED, self.grid.height),
            _ => (1.0, 0.0, 1),
        };
        let row = |at: usize| if at % self.grid.width < present { there } else { absent };
        (0..rows * self.grid.width).map(row).collect()
    }
}

fn collect(stages: &[Stage], mut widths: Widths, mut height: usize, found: &mut Vec<Presence>) {
    for stage in stages {
        if let Some(needed) = Presence::of(stage, &widths, height).filter(|needed| !found.contains(needed)) {
            found.push(needed);
        }
        if let Stage::Residual { body, shortcut } = stage {
            for stages in [body, shortcut] {
                collect(stages, widths.clone(), height, found);
            }
        }
        let full = Grid { height, width: widths.full() };
        widths = widths.behind(stage, height);
        height = stage.output(full).map_or(height, |grid| grid.height);
    }
}
