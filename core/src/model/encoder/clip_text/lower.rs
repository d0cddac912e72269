//! A text tower as a graph: from rows of its token table to the embedding of a text.

use super::super::text::check_extent;
use super::{ClipText, Pooled};
use crate::error::{Error, Result};
use crate::graph::{Graph, MASKED, Op, Role};
use crate::model::layer::of_length;
use crate::quant::Deltas;

impl ClipText {
    /// Where tokens see those before them only, what is behind a text changes nothing, and there is no mask to give.
    pub(super) fn lower_text(&self, tokens: usize, rank: usize) -> Result<Graph> {
        check_extent(tokens, self.max_tokens)?;
        let mut graph = Graph::new();
        let mut x = graph.input("x", &[tokens, self.block.width], Role::Data);
        let causal = (self.pooled != Pooled::Last).then(|| {
            let seen = |at: usize| if at % tokens <= at / tokens { 0.0 } else { MASKED };
            let mask: Vec<f32> = (0..tokens * tokens).map(seen).collect();
            graph.constant("causal", &[1, tokens, tokens], mask)
        });
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(&mut graph, &format!("layers.{number}"), x, causal, rank);
        }
        let pooling = graph.input("pooling", &[1, tokens], Role::Pooling);
        let pooled = graph.node("pooled", Op::MatMul, &[pooling, x]);
        let mut state = self.norm.lower(&mut graph, "norm", pooled);
        if let Some(projection) = &self.projection {
            state = graph.linear("projection", projection, state, 1.0, rank);
        }
        let embedding = of_length(&mut graph, "embedding", state, 1.0);
        graph.output(embedding);
        Ok(graph)
    }

    /// Rows of the token table with their positions, zeros behind them, and which state stands for the text. Where all tokens
    /// see each other, a text has to fill the graph.
    pub(super) fn text_inputs(&self, text: &[u32], deltas: Option<&Deltas>, tokens: usize) -> Result<Vec<Vec<f32>>> {
        let texts = [text.to_vec()];
        self.check(&texts)?;
        if text.len() > tokens {
            return Err(Error::ContextFull { tokens: text.len(), limit: tokens });
        }
        if self.pooled == Pooled::Last && text.len() < tokens {
            let reason = format!("{} tokens, the graph reads {tokens} with those of padding", text.len());
            return Err(Error::argument("text", reason));
        }
        let mut x = self.embed_words(&texts, deltas);
        x.resize(tokens * self.block.width, 0.0);
        let mut pooling = vec![0.0; tokens];
        pooling[self.pooled_of(text).expect("invariant: the text was checked to have such a token")] = 1.0;
        Ok(vec![x, pooling])
    }
}
