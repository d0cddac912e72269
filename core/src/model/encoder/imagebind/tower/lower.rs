//! A tower of ImageBind as a graph: from one clip to its embedding and its states.

use super::{Stem, Tower};
use crate::graph::{Graph, Op, Role, Value};
use crate::model::layer::{first_row, of_length, placed, position_rows};

impl Tower {
    /// The whole of it. The mean over the clips of an input stays outside.
    pub(super) fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let rows = self.stem.lower(&mut graph, rank);
        let mut x = placed(&mut graph, "embeddings", &self.class, rows, &self.positions);
        if let Some(norm) = &self.first_norm {
            x = norm.lower(&mut graph, "first_norm", x);
        }
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(&mut graph, &format!("blocks.{number}"), x, None, rank);
        }
        let class = first_row(&mut graph, "class", x);
        let normed = self.norm.lower(&mut graph, "norm", class);
        let projected = graph.linear("projection", &self.projection, normed, 1.0, rank);
        let embedding = of_length(&mut graph, "embedding", projected, self.scale);
        graph.output(embedding);
        graph.output(x);
        graph
    }
}

impl Stem {
    /// Its nodes, for adapters of rank `rank`: one row per patch of a clip, which is an input.
    fn lower(&self, graph: &mut Graph, rank: usize) -> Value {
        let (conv, grid) = (&self.conv, self.grid);
        let rows = if grid.height == 1 {
            self.lower_series(graph, rank)
        } else {
            let x = graph.input("x", &[1, conv.shape().inputs, grid.height, grid.width], Role::Data);
            let patches = conv.lower(graph, "stem", x, None);
            position_rows(graph, "stem.rows", patches)
        };
        self.norm.as_ref().map_or(rows, |norm| norm.lower(graph, "stem.norm", rows))
    }

    /// A series' patches lie side by side, and the checkpoint has a linear over each of them, which adapters act on.
    fn lower_series(&self, graph: &mut Graph, rank: usize) -> Value {
        let shape = self.conv.shape();
        let (channels, patch) = (shape.inputs, shape.kernel[1]);
        let count = self.grid.width / patch;
        let x = graph.input("x", &[channels, self.grid.width], Role::Data);
        let whole = graph.node("whole", Op::Slice { axis: 1, start: 0, end: count * patch }, &[x]);
        let split = graph.node("patches", Op::Reshape(vec![channels, count, patch]), &[whole]);
        let by_patch = graph.node("by_patch", Op::Transpose(vec![1, 0, 2]), &[split]);
        let rows = graph.node("rows", Op::Reshape(vec![count, channels * patch]), &[by_patch]);
        graph.linear("stem", self.conv.linear(), rows, 1.0, rank)
    }
}
