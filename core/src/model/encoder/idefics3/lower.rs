//! The vision tower as a graph, for pictures of the largest extent: tiles of a divided picture have it.

use super::Idefics3Vision;
use crate::graph::{Graph, Role};
use crate::model::layer::{placed, position_rows};

impl Idefics3Vision {
    /// The tower for one picture of [`Idefics3Vision::side`] patches a side, with the factors of adapters of rank `rank` as
    /// inputs: from planes of pixels to the states `[side * side, state_width]`. Pictures of other extents read their
    /// positions from other rows of the table, and stay with [`Idefics3Vision::encode`].
    #[must_use]
    pub fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let edge = self.side * self.patch();
        let x = graph.input("x", &[1, self.patches.shape().inputs, edge, edge], Role::Data);
        let patches = self.patches.lower(&mut graph, "patches", x, None);
        let rows = position_rows(&mut graph, "patches.rows", patches);
        let mut x = placed(&mut graph, "embeddings", &[], rows, &self.positions.to_f32());
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(&mut graph, &format!("layers.{number}"), x, None, rank);
        }
        let states = self.norm.lower(&mut graph, "norm", x);
        graph.output(states);
        graph
    }
}
