//! LIMU-BERT as a graph: from a window of motion to its embedding and its states.

use super::LimuBert;
use crate::graph::{Graph, Op, Role, Value};
use crate::model::layer::{Activation, attention, mlp, placed, query_scale};

impl LimuBert {
    /// The whole of it. The layers share their weights, and the graph repeats them: they are small, and constants and factors
    /// of adapters stay with the node that reads them.
    pub(super) fn lower(&self, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("x", &[self.channels, self.steps()], Role::Data);
        let rows = graph.node("rows", Op::Transpose(vec![1, 0]), &[x]);
        let mut x = graph.linear("embed", &self.input, rows, 1.0, rank);
        if self.twice {
            x = self.embedding_norm.lower(&mut graph, "embed.first_norm", x);
        }
        let x = placed(&mut graph, "embed.placed", &[], x, &self.positions);
        let mut x = self.embedding_norm.lower(&mut graph, "embed.norm", x);
        for layer in 0..self.layers {
            x = self.lower_block(&mut graph, &format!("layers.{layer}"), x, rank);
        }
        let embedding = graph.node("mean", Op::Mean { axis: 0 }, &[x]);
        graph.output(embedding);
        graph.output(x);
        graph
    }

    fn lower_block(&self, graph: &mut Graph, name: &str, x: Value, rank: usize) -> Value {
        let path = |part: &str| format!("{name}.{part}");
        let [query, key, value] = &self.attention;
        let q = graph.linear(&path("query"), query, x, query_scale(self.heads), rank);
        let k = graph.linear(&path("key"), key, x, 1.0, rank);
        let v = graph.linear(&path("value"), value, x, 1.0, rank);
        let mixed = attention(graph, &path("attention"), self.heads, [q, k, v], None);
        let projected = graph.linear(&path("output"), &self.output, mixed, 1.0, rank);
        let sum = graph.node(path("attended"), Op::Add, &[mixed, projected]);
        let x = self.norms[0].lower(graph, &path("attention_norm"), sum);
        let outer = mlp(graph, name, self.mlp.each_ref(), Activation::Gelu, x, rank);
        let sum = graph.node(path("sum"), Op::Add, &[x, outer]);
        self.norms[1].lower(graph, &path("norm"), sum)
    }
}
