//! Whisper's encoder as a graph.

use super::{EncoderStack, FRAMES_PER_STATE};
use crate::graph::{Graph, Role, Value};
use crate::model::layer::{Activation, placed, position_rows};

impl EncoderStack {
    /// Its nodes, for adapters of rank `rank`: states `[positions, width]` of a log-mel spectrogram, an input whose bins are
    /// channels, `[1, bins, 1, frames]`.
    pub(crate) fn lower(&self, graph: &mut Graph, rank: usize) -> Value {
        let frames = self.positions.len() / self.norm.weight.len() * FRAMES_PER_STATE;
        let mut x = graph.input("x", &[1, self.bins, 1, frames], Role::Data);
        for (number, conv) in self.convs.iter().enumerate() {
            x = conv.lower(graph, &format!("conv{}", number + 1), x, None);
            x = Activation::Gelu.lower(graph, &format!("conv{}.gelu", number + 1), x);
        }
        let rows = position_rows(graph, "rows", x);
        let mut x = placed(graph, "placed", &[], rows, &self.positions);
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.lower(graph, &format!("layers.{number}"), x, None, rank);
        }
        self.norm.lower(graph, "layer_norm", x)
    }
}
