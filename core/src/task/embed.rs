//! Embeddings of any input, their similarity, and a small index over them.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, DataPath};
use crate::engine::{EncoderModel, Engine, Step, Trace};
use crate::error::{Error, Result};
use crate::foundation::ComponentKind;
use crate::input::Input;
use crate::model::Modality;
use crate::model::encoder::Encoding;

/// A vector in a shared space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Unit length.
    pub vector: Vec<f32>,
    /// What ran.
    pub trace: Trace,
}

/// How an input is embedded.
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// An adapter of the component that reads the input; `None` is the bare base.
    pub adapter: Option<Arc<Adapter>>,
    /// What the input shows where its kind does not tell, such as a depth map in a picture or speech in a sound: the encoder
    /// of that modality reads it. By default the adapter's component decides, else the kind of input.
    pub modality: Option<Modality>,
}

/// An input as its encoder gives it.
pub(super) struct Encoded {
    /// Without states of texts. The embedding is not normalised, but for texts.
    pub(super) encoding: Encoding,
    /// What made it, but for texts.
    pub(super) model: Option<Arc<EncoderModel>>,
    pub(super) step: Step,
}

impl Engine {
    /// Embeds one input with its own encoder; the backbone is neither loaded nor run.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without an encoder for it; [`Error::Argument`] for a modality that is not the input's;
    /// [`Error::Adapter`] for an adapter of another component.
    pub fn embed(&self, input: impl Into<Input>, options: &EmbedOptions) -> Result<Embedding> {
        let encoded = self.encode_input(&input.into(), options.modality, options.adapter.as_deref())?;
        let mut vector = encoded.encoding.embedding;
        crate::model::encoder::normalise(&mut vector);
        Ok(Embedding { vector, trace: Trace::new(DataPath::Encoder, vec![encoded.step]) })
    }

    /// The modality that `input` is read as, and the component that reads it.
    pub(super) fn reader(
        &self,
        input: &Input,
        modality: Option<Modality>,
        adapter: Option<&Adapter>,
    ) -> Result<(Modality, &str)> {
        let of_adapter = adapter.and_then(|adapter| self.modality_of(&adapter.package.task().component));
        let modality = modality.or(of_adapter).unwrap_or(match input {
            Input::Text(_) => Modality::TEXT,
            Input::Image(_) => Modality::IMAGE,
            Input::Sound(_) => Modality::SOUND,
            Input::Motion { .. } => Modality::IMU,
        });
        if matches!(input, Input::Text(_)) != (modality == Modality::TEXT) {
            return Err(Error::argument("input", format!("{}, which is not read as {modality}", input.kind())));
        }
        let component = self.foundation().component(ComponentKind::Encoder(modality))?.name();
        if let Some(adapter) = adapter.filter(|adapter| adapter.package.task().component != component) {
            let reason =
                format!("it acts on '{}', the input is read by '{component}'", adapter.package.task().component);
            return Err(Error::adapter(&adapter.alias, reason));
        }
        Ok((modality, component))
    }

    /// What the encoder of that name reads.
    fn modality_of(&self, component: &str) -> Option<Modality> {
        match self.foundation().named(component).ok()?.kind() {
            ComponentKind::Encoder(modality) => Some(modality),
            _ => None,
        }
    }

    pub(super) fn encode_input(
        &self,
        input: &Input,
        modality: Option<Modality>,
        adapter: Option<&Adapter>,
    ) -> Result<Encoded> {
        let (modality, _) = self.reader(input, modality, adapter)?;
        if let Some(adapter) = adapter.filter(|adapter| adapter.bound.dense.is_some()) {
            return Err(Error::adapter(&adapter.alias, "its dense head reads a picture by places, not as a whole"));
        }
        let missing = "invariant: one input gives one vector";
        if let Input::Text(text) = input {
            let model = self.text()?;
            let start = Instant::now();
            let deltas = adapter.map(|adapter| &adapter.bound.deltas);
            let (mut embeddings, ran) = model.embed(&[text], deltas)?;
            let encoding = Encoding { embedding: embeddings.pop().expect(missing), states: Vec::new() };
            return Ok(Encoded { encoding, step: model.part().step(start).on(ran), model: None });
        }
        let model = self.encoder(modality)?;
        let start = Instant::now();
        let inputs = std::slice::from_ref(input);
        let (mut encodings, ran) = match adapter {
            None => model.encode(inputs, None)?,
            Some(adapter) => model.encode_adapted(inputs, &adapter.bound)?,
        };
        let encoding = encodings.pop().expect(missing);
        Ok(Encoded { encoding, step: model.part().step(start).on(ran), model: Some(model) })
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
