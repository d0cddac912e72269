//! A projector ready for what encoders give: soft tokens of one component.

use std::path::Path;

use super::trace::Part;
use crate::error::{Error, Result};
use crate::model::encoder::{Encoding, normalise};
use crate::model::projector::{Projector, ProjectorKind, ProjectorSource, States};
use crate::quant::Deltas;

/// A loaded projector. Immutable and shared.
#[derive(Debug)]
pub struct ProjectorModel {
    part: Part,
    projector: Projector,
}

impl ProjectorModel {
    /// Opens a directory with a projector.
    ///
    /// # Errors
    /// As [`Projector::open`].
    pub fn open(part: Part, path: &Path) -> Result<Self> {
        Ok(Self { part, projector: Projector::open(path)? })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn projector(&self) -> &Projector {
        &self.projector
    }

    /// Soft tokens `[tokens, outputs]` of an input that an encoder with states of `state_width` has encoded.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the encoder's vectors have another width than the projector reads, or when it joins
    /// squares of states that are no square; as [`Projector::project`] otherwise.
    pub fn project(&self, encoding: &Encoding, state_width: usize, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        let config = self.projector.config();
        let (values, width) = match config.source {
            ProjectorSource::Embedding => {
                let mut embedding = encoding.embedding.clone();
                normalise(&mut embedding);
                let width = embedding.len();
                (embedding, width)
            }
            ProjectorSource::States => (encoding.states.clone(), state_width),
        };
        if width != config.inputs {
            let reason = format!("its encoder gives vectors of {width} values, it reads {}", config.inputs);
            return Err(Error::unsupported(format!("projector '{}'", self.part.name), reason));
        }
        let count = values.len() / width.max(1);
        let grid = match config.kind {
            ProjectorKind::PixelShuffle { .. } => {
                let side = count.isqrt();
                if side * side != count {
                    let reason = format!("it joins squares of states, and {count} states are no square");
                    return Err(Error::unsupported(format!("projector '{}'", self.part.name), reason));
                }
                [side; 2]
            }
            ProjectorKind::Linear { .. } | ProjectorKind::Mlp { .. } => [1, count],
        };
        self.projector.project(&States { values: &values, grid }, deltas)
    }
}
