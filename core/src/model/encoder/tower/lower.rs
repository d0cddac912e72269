//! A tower as a graph: from planes of features to states and their embedding, or from a spectrogram of up to some width to states.

use super::presence::{Presence, Widths};
use super::stage::Stage;
use super::{Tower, TowerPooling, Trunk};
use crate::graph::{Graph, Op, Role, Value};
use crate::model::layer::{Affine, Grid, placed, position_rows};

impl Trunk {
    /// Its nodes, for adapters of rank `rank`: states `[positions, width]` of features `[1, channels, height, width]`.
    fn lower(&self, graph: &mut Graph, rank: usize) -> Value {
        let grid = self.window();
        let x = graph.input("x", &[1, self.channels(), grid.height, grid.width], Role::Data);
        let x = Lowering { rank, presences: &[] }.stages(graph, "stages", self.stages(), (x, &Widths::default()));
        position_rows(graph, "states", x)
    }

    /// The whole of it for inputs of up to `width` positions along time, for adapters of rank `rank`.
    pub(crate) fn lower_within(&self, width: usize, rank: usize) -> Graph {
        let grid = Grid { width, ..self.window() };
        let mut graph = Graph::new();
        let x = graph.input("x", &[1, self.channels(), grid.height, grid.width], Role::Data);
        let number = |(at, presence): (usize, Presence)| {
            let value = graph.input(format!("presence.{at}"), &presence.shape(), presence.role.clone());
            (presence, value)
        };
        let presences: Vec<_> = Presence::all(self.stages(), grid).into_iter().enumerate().map(number).collect();
        let lowering = Lowering { rank, presences: &presences };
        let x = lowering.stages(&mut graph, "stages", self.stages(), (x, &Widths::of_input(grid)));
        let states = position_rows(&mut graph, "states", x);
        graph.output(states);
        graph
    }

    /// What the inputs of [`Trunk::lower_within`] are filled with, but for an adapter's factors: features of `columns` positions
    /// along time, no more than `width`.
    pub(crate) fn inputs_within(&self, width: usize, values: &[f32], columns: usize) -> Vec<Vec<f32>> {
        let grid = Grid { width, ..self.window() };
        let mut x = vec![0.0; self.channels() * grid.count()];
        for (x, values) in x.chunks_exact_mut(width).zip(values.chunks_exact(columns)) {
            x[..columns].copy_from_slice(values);
        }
        let presences = Presence::all(self.stages(), grid);
        std::iter::once(x).chain(presences.iter().map(|presence| presence.values(columns))).collect()
    }
}

impl Tower {
    /// The whole of it.
    pub(super) fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let states = self.trunk.lower(&mut graph, rank);
        let mut pooled = graph.node("mean", Op::Mean { axis: 0 }, &[states]);
        if self.config.pooling == TowerPooling::MeanMax {
            let largest = graph.node("max", Op::Max { axis: 0 }, &[states]);
            pooled = graph.node("pooled", Op::Concat { axis: 1 }, &[pooled, largest]);
        }
        let normed = self.output.norm.lower(&mut graph, "norm", pooled);
        let embedding = graph.linear("projection", &self.output.projection, normed, 1.0, rank);
        graph.output(embedding);
        graph.output(states);
        graph
    }
}

/// What all stages of a graph share.
struct Lowering<'a> {
    /// Of adapters.
    rank: usize,
    /// Inputs that say what is there; none for a graph whose inputs fill it.
    presences: &'a [(Presence, Value)],
}

impl Lowering<'_> {
    /// `x`, of positions `widths`.
    fn stages(&self, graph: &mut Graph, path: &str, stages: &[Stage], (mut x, widths): (Value, &Widths)) -> Value {
        let (mut at, mut widths) = (0, widths.clone());
        while let Some(stage) = stages.get(at) {
            // A norm after a convolution becomes part of its weights.
            let norm: Option<&Affine> = match stages.get(at + 1) {
                Some(Stage::Norm(norm)) if matches!(stage, Stage::Conv(_)) => Some(norm),
                _ => None,
            };
            let height = graph.shape(x)[2];
            x = self.stage(graph, &format!("{path}.{at}"), (stage, norm), (x, &widths));
            widths = widths.behind(stage, height);
            at += 1 + usize::from(norm.is_some());
        }
        x
    }

    fn stage(
        &self,
        graph: &mut Graph,
        path: &str,
        (stage, norm): (&Stage, Option<&Affine>),
        (x, widths): (Value, &Widths),
    ) -> Value {
        let needed = Presence::of(stage, widths, graph.shape(x)[2]);
        let presence = self.presences.iter().find(|(presence, _)| Some(presence) == needed.as_ref());
        let presence = presence.map(|(_, value)| *value);
        match stage {
            Stage::Conv(conv) => {
                let there = |value| graph.node(format!("{path}.there"), Op::Mul, &[x, value]);
                let x = presence.map_or(x, there);
                conv.lower(graph, path, x, norm)
            }
            Stage::Norm(norm) => norm.lower(graph, path, x),
            Stage::Activation(activation) => activation.lower(graph, path, x),
            Stage::MaxPool(window) => graph.node(path, Op::MaxPool(*window), &[x]),
            Stage::Residual { body, shortcut } => {
                let changed = self.stages(graph, &format!("{path}.body"), body, (x, widths));
                let kept = self.stages(graph, &format!("{path}.shortcut"), shortcut, (x, widths));
                graph.node(format!("{path}.sum"), Op::Add, &[changed, kept])
            }
            Stage::Upsample(factor) => upsample(graph, path, *factor, x),
            Stage::PixelShuffle(factor) => shuffle(graph, path, *factor, x),
            Stage::Transformer { positions, window, blocks } => {
                let shape = graph.shape(x).to_vec();
                let rows = position_rows(graph, &format!("{path}.rows"), x);
                // A grid that is narrower than the window has the first positions of each row.
                let (channels, width) = (shape[1], shape[3]);
                let own = positions.chunks_exact(window.width * channels).flat_map(|row| &row[..width * channels]);
                let own: Vec<f32> = own.copied().collect();
                let mut x = placed(graph, &format!("{path}.placed"), &[], rows, &own);
                for (number, block) in blocks.iter().enumerate() {
                    x = block.lower(graph, &format!("{path}.blocks.{number}"), x, presence, self.rank);
                }
                let planes = graph.node(format!("{path}.planes"), Op::Transpose(vec![1, 0]), &[x]);
                graph.node(format!("{path}.grid"), Op::Reshape(shape), &[planes])
            }
        }
    }
}

/// Channels, height and width of planes.
fn extents(graph: &Graph, x: Value) -> [usize; 3] {
    let shape = graph.shape(x);
    [shape[1], shape[2], shape[3]]
}

/// Each position `factor` times along both axes.
fn upsample(graph: &mut Graph, path: &str, factor: usize, x: Value) -> Value {
    let [channels, height, width] = extents(graph, x);
    let mut x = graph.node(format!("{path}.apart"), Op::Reshape(vec![channels, height, 1, width, 1]), &[x]);
    for (axis, name) in [(2, "down"), (4, "across")] {
        x = graph.node(format!("{path}.{name}"), Op::Concat { axis }, &vec![x; factor]);
    }
    graph.node(path, Op::Reshape(vec![1, channels, height * factor, width * factor]), &[x])
}

/// Squares of channels as positions.
fn shuffle(graph: &mut Graph, path: &str, factor: usize, x: Value) -> Value {
    let [channels, height, width] = extents(graph, x);
    let each = channels / (factor * factor);
    let apart = vec![each, factor, factor, height, width];
    let x = graph.node(format!("{path}.apart"), Op::Reshape(apart), &[x]);
    let x = graph.node(format!("{path}.order"), Op::Transpose(vec![0, 3, 1, 4, 2]), &[x]);
    graph.node(path, Op::Reshape(vec![1, each, height * factor, width * factor]), &[x])
}
