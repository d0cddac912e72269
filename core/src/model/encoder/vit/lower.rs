//! An image tower as a graph: from the planes of a picture to its embedding and its states.

use super::{Pooling, VisionTransformer};
use crate::graph::{Graph, Op, Role, Value};
use crate::model::layer::{first_row, placed, position_rows};

impl VisionTransformer {
    /// The whole of it.
    pub(super) fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let side = self.config.image;
        let x = graph.input("x", &[1, self.config.channels, side, side], Role::Data);
        let patches = self.patch.lower(&mut graph, "patches", x, None);
        let rows = position_rows(&mut graph, "patches.rows", patches);
        let mut x = placed(&mut graph, "embeddings", &self.special, rows, &self.positions);
        if let Some(norm) = &self.first_norm {
            x = norm.lower(&mut graph, "first_norm", x);
        }
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(&mut graph, &format!("blocks.{number}"), x, None, rank);
        }
        if let Some(norm) = &self.norm {
            x = norm.lower(&mut graph, "norm", x);
        }
        let embedding = self.lower_pooling(&mut graph, x, rank);
        graph.output(embedding);
        graph.output(x);
        graph
    }

    fn lower_pooling(&self, graph: &mut Graph, states: Value, rank: usize) -> Value {
        match &self.pooling {
            Pooling::Class { norm, projection } => {
                let class = first_row(graph, "class", states);
                let class = norm.lower(graph, "class.norm", class);
                let Some(projection) = projection else { return class };
                graph.linear("projection", projection, class, 1.0, rank)
            }
            Pooling::Attention(pool) => pool.lower(graph, "pool", states, rank),
            Pooling::Mean => graph.node("mean", Op::Mean { axis: 0 }, &[states]),
            Pooling::Pooler(None) => first_row(graph, "class", states),
            Pooling::Pooler(Some(pooler)) => {
                // tanh(x) = 2 sigmoid(2 x) - 1: no operator beside those that all networks share.
                let class = first_row(graph, "class", states);
                let doubled = graph.linear("pooler", pooler, class, 2.0, rank);
                let gate = graph.node("pooler.gate", Op::Sigmoid, &[doubled]);
                let (two, less) = (graph.constant("two", &[1], vec![2.0]), graph.constant("less", &[1], vec![-1.0]));
                let wide = graph.node("pooler.wide", Op::Mul, &[gate, two]);
                graph.node("pooler.tanh", Op::Add, &[wide, less])
            }
        }
    }
}
