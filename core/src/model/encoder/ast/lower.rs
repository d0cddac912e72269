//! A spectrogram transformer as a graph: from a spectrogram to its embedding and its states.

use super::{SPECIAL, SpectrogramTransformer};
use crate::graph::{Graph, Op, Role};
use crate::model::layer::{placed, position_rows};

impl SpectrogramTransformer {
    /// The whole of it.
    pub(super) fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let (bins, frames) = (self.grid.height, self.grid.width);
        let x = graph.input("x", &[frames, bins], Role::Data);
        let by_bin = graph.node("by_bin", Op::Transpose(vec![1, 0]), &[x]);
        let plane = graph.node("plane", Op::Reshape(vec![1, 1, bins, frames]), &[by_bin]);
        let patches = self.patch.lower(&mut graph, "patches", plane, None);
        let rows = position_rows(&mut graph, "patches.rows", patches);
        let mut x = placed(&mut graph, "embeddings", &self.special, rows, &self.positions);
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(&mut graph, &format!("blocks.{number}"), x, None, rank);
        }
        let states = self.norm.lower(&mut graph, "norm", x);
        let special = graph.node("special", Op::Slice { axis: 0, start: 0, end: SPECIAL }, &[states]);
        let embedding = graph.node("embedding", Op::Mean { axis: 0 }, &[special]);
        graph.output(embedding);
        graph.output(states);
        graph
    }
}
