//! What a graph is given and what it gives, without its weights: all that is known of one that a delegate compiled earlier.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Graph, Role};
use crate::quant::{Deltas, LinearId, LowRank};

/// Inputs and outputs of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// In the order of [`Graph::inputs`].
    pub inputs: Vec<Entrance>,
    /// In the order of [`Graph::outputs`].
    pub outputs: Vec<Exit>,
}

/// An input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entrance {
    /// Its tensor's name.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// What it is filled with.
    pub role: Role,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Its tensor's name.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
}

/// Why an adapter cannot be given to a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rank { rank, most } => write!(f, "the adapter has rank {rank}, the graph takes {most}"),
            Self::Layer => f.write_str("the adapter acts on layers whose factors are no inputs of the graph"),
            Self::Replaced => f.write_str("the adapter replaces whole layers"),
        }
    }
}

impl Entrance {
    /// How many values it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an adapter fills it.
    #[must_use]
    pub fn is_factor(&self) -> bool {
        matches!(self.role, Role::Down(_) | Role::Up(..))
    }
}

impl Graph {
    /// What it is given and what it gives.
    #[must_use]
    pub fn signature(&self) -> Signature {
        let entrance = |(_, tensor, role): (_, &super::Tensor, &Role)| Entrance {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            role: role.clone(),
        };
        let exit = |&value| {
            let tensor = self.tensor(value);
            Exit { name: tensor.name.clone(), shape: tensor.shape.clone() }
        };
        Signature { inputs: self.inputs().map(entrance).collect(), outputs: self.outputs().iter().map(exit).collect() }
    }
}

impl Signature {
    /// Whether an adapter's factors of this linear are inputs.
    #[must_use]
    pub fn takes(&self, id: LinearId) -> bool {
        let is_of = |role: &Role| matches!(role, Role::Down(own) | Role::Up(own, _) if *own == id);
        self.inputs.iter().any(|input| is_of(&input.role))
    }

    /// What the inputs of an adapter's factors are filled with, in their order; zeros, which change nothing, where there is none.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn factors(&self, deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>, Misfit> {
        let mut known: BTreeSet<LinearId> = BTreeSet::new();
        let mut filled = Vec::new();
        for input in &self.inputs {
            let (Role::Down(id) | Role::Up(id, _)) = &input.role else { continue };
            known.insert(*id);
            let mut values = vec![0.0; input.count()];
            if let Some(delta) = deltas.and_then(|deltas| deltas.low_rank.get(id)) {
                fill(delta, input, &mut values)?;
            }
            filled.push(values);
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

/// One factor of `delta`.
fn fill(delta: &LowRank, input: &Entrance, values: &mut [f32]) -> Result<(), Misfit> {
    let most = input.shape[usize::from(matches!(input.role, Role::Down(_)))];
    if delta.rank() > most {
        return Err(Misfit::Rank { rank: delta.rank(), most });
    }
    let width = input.shape[1];
    // Both lie transposed in the graph.
    let (matrix, length, scale) = match input.role {
        Role::Up(_, scale) => (delta.up(), delta.rank(), scale * delta.scale()),
        _ => (delta.down(), input.shape[0], 1.0),
    };
    for (at, row) in matrix.chunks_exact(length).enumerate() {
        row.iter().enumerate().for_each(|(column, value)| values[column * width + at] = value * scale);
    }
    Ok(())
}
