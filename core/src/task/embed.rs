//! Embeddings of any input, their similarity, and a small index over them.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::adapter::{Adapter, DataPath};
use crate::engine::{EncoderModel, Engine, Step, Trace};
use crate::error::{Error, Result};
use crate::foundation::ComponentKind;
use crate::input::Input;
use crate::model::Modality;

/// A vector in a shared space.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embedding {
    /// Unit length.
    pub vector: Vec<f32>,
    /// What ran.
    pub trace: Trace,
}

/// An input's vector as its encoder gives it.
pub(super) struct Embedded {
    /// Not normalised, but for texts.
    pub(super) vector: Vec<f32>,
    /// What made it, but for texts.
    pub(super) model: Option<Arc<EncoderModel>>,
    pub(super) step: Step,
}

impl Engine {
    /// Embeds one input with its own encoder, under `adapter` if given; the backbone is neither loaded nor run.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without an encoder for it; [`Error::Adapter`] for an adapter of another component.
    pub fn embed(&self, input: impl Into<Input>, adapter: Option<&Adapter>) -> Result<Embedding> {
        let embedded = self.embed_input(&input.into(), adapter)?;
        let mut vector = embedded.vector;
        crate::model::encoder::normalise(&mut vector);
        Ok(Embedding { vector, trace: Trace::new(DataPath::Encoder, vec![embedded.step]) })
    }

    pub(super) fn embed_input(&self, input: &Input, adapter: Option<&Adapter>) -> Result<Embedded> {
        let modality = match input {
            Input::Text(_) => Modality::TEXT,
            Input::Image(_) => Modality::IMAGE,
            Input::Sound(_) => Modality::SOUND,
            Input::Motion { .. } => Modality::IMU,
        };
        let component = self.foundation().component(ComponentKind::Encoder(modality))?.name();
        if let Some(adapter) = adapter.filter(|adapter| adapter.package.task().component != component) {
            let reason =
                format!("it acts on '{}', the input is read by '{component}'", adapter.package.task().component);
            return Err(Error::adapter(&adapter.alias, reason));
        }
        let deltas = adapter.map(|adapter| &adapter.bound.deltas);
        let missing = "invariant: one input gives one vector";
        if let Input::Text(text) = input {
            let model = self.text()?;
            let start = Instant::now();
            let vector = model.embed(&[text], deltas)?.pop().expect(missing);
            return Ok(Embedded { vector, step: model.part().step(start), model: None });
        }
        let model = self.encoder(modality)?;
        let start = Instant::now();
        let vector = model.encode(std::slice::from_ref(input), deltas)?.pop().expect(missing).embedding;
        Ok(Embedded { vector, step: model.part().step(start), model: Some(model) })
    }
}

/// Cosine of the angle between two vectors; 0 where one of them is zero.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn similarity(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "embeddings of one encoder have one length");
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { (dot(a, b) / norms) as f32 } else { 0.0 }
}
