//! The encoder as a graph. Embedding rows are looked up outside of it: tables are large, and a row is no work.

use super::{Bert, Layer};
use crate::graph::{Graph, MASKED, Op, Role, Value};
use crate::model::layer::{Heads, attention, mlp, query_scale};
use crate::quant::RowAdapters;

impl Bert {
    /// The encoder for sequences of up to `tokens` tokens and adapters of up to rank `rank`: from sums of embeddings and a mask
    /// to hidden states.
    #[must_use]
    pub fn lower(&self, tokens: usize, rank: usize) -> Graph {
        let mut graph = Graph::new();
        let states = self.lower_states(&mut graph, tokens, rank);
        graph.output(states);
        graph
    }

    /// Its nodes: hidden states `[tokens, hidden_size]`.
    pub(in super::super) fn lower_states(&self, graph: &mut Graph, tokens: usize, rank: usize) -> Value {
        let width = self.config.hidden_size;
        let x = graph.input("x", &[tokens, width], Role::Data);
        let mask = graph.input("mask", &[1, 1, tokens], Role::Mask);
        let mut x = self.norm.lower(graph, "embeddings.LayerNorm", x);
        for (number, layer) in self.layers.iter().enumerate() {
            x = self.lower_layer(graph, &format!("encoder.layer.{number}"), layer, x, mask, rank);
        }
        x
    }

    fn lower_layer(&self, graph: &mut Graph, name: &str, layer: &Layer, x: Value, mask: Value, rank: usize) -> Value {
        let count = self.config.num_attention_heads;
        let heads = Heads { count, dim: self.config.hidden_size / count };
        let path = |part: &str| format!("{name}.{part}");
        let q = graph.linear(&path("query"), &layer.query, x, query_scale(heads), rank);
        let k = graph.linear(&path("key"), &layer.key, x, 1.0, rank);
        let v = graph.linear(&path("value"), &layer.value, x, 1.0, rank);
        let mixed = attention(graph, &path("attention"), heads, [q, k, v], Some(mask));
        let attended = graph.linear(&path("output"), &layer.output, mixed, 1.0, rank);
        let sum = graph.node(path("attended"), Op::Add, &[attended, x]);
        let x = layer.attention_norm.lower(graph, &path("attention_norm"), sum);
        let outer = mlp(graph, name, [&layer.up, &layer.down], self.config.activation, x, rank);
        let sum = graph.node(path("sum"), Op::Add, &[outer, x]);
        layer.norm.lower(graph, &path("norm"), sum)
    }

    /// What the inputs of [`Bert::lower`] are filled with for one sequence: sums of embeddings, zeros behind them, and the mask.
    /// `None` for a sequence of more than `tokens` tokens.
    #[must_use]
    pub fn graph_inputs(&self, sequence: &super::Sequence<'_>, tokens: usize) -> Option<[Vec<f32>; 2]> {
        let count = sequence.tokens.len();
        let adapters = RowAdapters::same(count, sequence.deltas);
        let mut x = if count <= tokens { self.sums(&[*sequence], &adapters) } else { return None };
        x.resize(tokens * self.config.hidden_size, 0.0);
        let mask = (0..tokens).map(|at| if at < count { 0.0 } else { MASKED }).collect();
        Some([x, mask])
    }
}
