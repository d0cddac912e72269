//! An adapter as inputs of a graph.

use std::collections::BTreeSet;

use super::{Graph, Role, Value};
use crate::quant::{Deltas, LinearId, LowRank};

/// Why an adapter cannot be given to a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Its rank on a linear is above the one that the graph was made for.
    Rank {
        /// The adapter's.
        rank: usize,
        /// The graph's.
        most: usize,
    },
    /// It acts on layers whose factors are no inputs: convolutions, embeddings, or layers that the graph does not have.
    Layer,
    /// It replaces layers as a whole.
    Replaced,
    /// Its factors are kept as codes, for a quantized base.
    Codes,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rank { rank, most } => write!(f, "the adapter has rank {rank}, the graph takes {most}"),
            Self::Layer => f.write_str("the adapter acts on layers whose factors are no inputs of the graph"),
            Self::Replaced => f.write_str("the adapter replaces whole layers"),
            Self::Codes => f.write_str("the adapter's factors are kept as codes"),
        }
    }
}

impl Graph {
    /// Whether an adapter's factors of this linear are inputs.
    #[must_use]
    pub fn takes(&self, id: LinearId) -> bool {
        self.inputs().any(|(_, _, role)| matches!(role, Role::Down(own) | Role::Up(own, _) if *own == id))
    }

    /// What the inputs of an adapter's factors are filled with; zeros, which change nothing, where there is none.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn factors(&self, deltas: Option<&Deltas>) -> Result<Vec<(Value, Vec<f32>)>, Misfit> {
        let mut known: BTreeSet<LinearId> = BTreeSet::new();
        let mut filled = Vec::new();
        for (value, tensor, role) in self.inputs() {
            let (Role::Down(id) | Role::Up(id, _)) = role else { continue };
            known.insert(*id);
            let mut values = vec![0.0; tensor.shape.iter().product()];
            if let Some(delta) = deltas.and_then(|deltas| deltas.low_rank.get(id)) {
                let LowRank::Floats(pair) = delta else { return Err(Misfit::Codes) };
                let most = tensor.shape[usize::from(matches!(role, Role::Down(_)))];
                if pair.a.rows() > most {
                    return Err(Misfit::Rank { rank: pair.a.rows(), most });
                }
                let (matrix, width, scale) = match role {
                    Role::Up(_, scale) => (&pair.b, tensor.shape[1], scale * pair.scale),
                    _ => (&pair.a, tensor.shape[1], 1.0),
                };
                // Both lie transposed in the graph.
                let mut row = vec![0.0; matrix.cols()];
                for at in 0..matrix.rows() {
                    matrix.row(at, &mut row);
                    row.iter().enumerate().for_each(|(column, value)| values[column * width + at] = value * scale);
                }
            }
            filled.push((value, values));
        }
        if let Some(deltas) = deltas {
            if !deltas.replaced.is_empty() {
                return Err(Misfit::Replaced);
            }
            if !deltas.embedding.is_empty() || !deltas.low_rank.keys().all(|id| known.contains(id)) {
                return Err(Misfit::Layer);
            }
        }
        Ok(filled)
    }
}
