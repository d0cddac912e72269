//! A tower as a graph: from planes of features to states and their embedding.

use super::stage::Stage;
use super::{Tower, TowerPooling, Trunk};
use crate::graph::{Graph, Op, Role, Value};
use crate::model::layer::{Affine, placed, position_rows};

impl Trunk {
    /// Its nodes, for adapters of rank `rank`: states `[positions, width]` of features `[1, channels, height, width]`.
    fn lower(&self, graph: &mut Graph, rank: usize) -> Value {
        let grid = self.window();
        let x = graph.input("x", &[1, self.channels(), grid.height, grid.width], Role::Data);
        let x = lower_stages(graph, "stages", self.stages(), x, rank);
        position_rows(graph, "states", x)
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

fn lower_stages(graph: &mut Graph, path: &str, stages: &[Stage], mut x: Value, rank: usize) -> Value {
    let mut at = 0;
    while let Some(stage) = stages.get(at) {
        // A norm after a convolution becomes part of its weights.
        let norm: Option<&Affine> = match stages.get(at + 1) {
            Some(Stage::Norm(norm)) if matches!(stage, Stage::Conv(_)) => Some(norm),
            _ => None,
        };
        x = lower_stage(graph, &format!("{path}.{at}"), stage, norm, x, rank);
        at += 1 + usize::from(norm.is_some());
    }
    x
}

fn lower_stage(graph: &mut Graph, path: &str, stage: &Stage, norm: Option<&Affine>, x: Value, rank: usize) -> Value {
    match stage {
        Stage::Conv(conv) => conv.lower(graph, path, x, norm),
        Stage::Norm(norm) => norm.lower(graph, path, x),
        Stage::Activation(activation) => activation.lower(graph, path, x),
        Stage::MaxPool(window) => graph.node(path, Op::MaxPool(*window), &[x]),
        Stage::Residual { body, shortcut } => {
            let changed = lower_stages(graph, &format!("{path}.body"), body, x, rank);
            let kept = lower_stages(graph, &format!("{path}.shortcut"), shortcut, x, rank);
            graph.node(format!("{path}.sum"), Op::Add, &[changed, kept])
        }
        Stage::Transformer { positions, blocks, .. } => {
            let shape = graph.shape(x).to_vec();
            let rows = position_rows(graph, &format!("{path}.rows"), x);
            let mut x = placed(graph, &format!("{path}.placed"), &[], rows, positions);
            for (number, block) in blocks.iter().enumerate() {
                x = block.lower(graph, &format!("{path}.blocks.{number}"), x, None, rank);
            }
            let planes = graph.node(format!("{path}.planes"), Op::Transpose(vec![1, 0]), &[x]);
            graph.node(format!("{path}.grid"), Op::Reshape(shape), &[planes])
        }
    }
}
