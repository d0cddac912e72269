//! A sentence encoder as a graph: from sums of embeddings to the embedding of a text.

use super::super::bert::Sequence;
use super::super::text::check_extent;
use super::{Pooling, SentenceEncoder};
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Role};
use crate::model::layer::of_length;
use crate::quant::Deltas;

impl SentenceEncoder {
    pub(super) fn lower_text(&self, tokens: usize, rank: usize) -> Result<Graph> {
        check_extent(tokens, self.config().max_position_embeddings)?;
        let mut graph = Graph::new();
        let states = self.bert.lower_states(&mut graph, tokens, rank);
        let pooling = graph.input("pooling", &[1, tokens], Role::Pooling);
        let pooled = graph.node("pooled", Op::MatMul, &[pooling, states]);
        let embedding = of_length(&mut graph, "embedding", pooled, 1.0);
        graph.output(embedding);
        Ok(graph)
    }

    /// Sums of embeddings, a mask, and how much each state counts.
    pub(super) fn text_inputs(&self, text: &[u32], deltas: Option<&Deltas>, tokens: usize) -> Result<Vec<Vec<f32>>> {
        let sequence = Sequence { tokens: text, deltas };
        self.bert.check(&[sequence])?;
        let full = Error::ContextFull { tokens: text.len(), limit: tokens };
        let [x, mask] = self.bert.graph_inputs(&sequence, tokens).ok_or(full)?;
        let mut pooling = vec![0.0; tokens];
        match self.pooling {
            Pooling::Mean => pooling[..text.len()].fill(1.0 / text.len() as f32),
            Pooling::Cls => pooling[0] = 1.0,
        }
        Ok(vec![x, mask, pooling])
    }
}
