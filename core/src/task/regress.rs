//! Regression: named values of an input, by an adapter's head or by the head of the encoder's own checkpoint.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::read::read;
use crate::adapter::{Adapter, AdapterHead, DataPath, HeadSpec, OutputSpec};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::model::Modality;
use crate::model::encoder::Problem;

/// How values are found.
#[derive(Clone, Debug, Default)]
pub struct RegressOptions {
    /// An adapter with a regression head, of the component that reads the input or of the backbone; `None` for the head of the
    /// encoder's own checkpoint.
    pub adapter: Option<Arc<Adapter>>,
    /// What the input shows where its kind does not tell; see [`super::ClassifyOptions::modality`].
    pub modality: Option<Modality>,
}

/// One value of an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What it is the value of.
    pub name: String,
    /// Its unit, where the head states one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The value.
    pub value: f32,
}

/// The result of a regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// The values, in the head's order.
    pub values: Vec<Estimate>,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Finds the values of `input` by a regression head. Path 3, or path 2 for an adapter of the backbone.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter with another head or none; [`Error::Unsupported`] without an adapter when the
    /// checkpoint has no regression head; as [`Engine::embed`] otherwise.
    pub fn regress(&self, input: impl Into<Input>, options: &RegressOptions) -> Result<Regression> {
        let input = input.into();
        let Some(adapter) = options.adapter.as_deref() else {
            return self.regress_by_checkpoint(&input, options.modality);
        };
        let (head, outputs) = regression_head(adapter)?;
        let named = |value: (&OutputSpec, f32)| Estimate {
            name: value.0.name.clone(),
            unit: value.0.unit.clone(),
            value: value.1,
        };
        let (values, trace) = match &input {
            Input::Text(text) if adapter.package.task().path == DataPath::Backbone => {
                super::classify::check_text(options.modality)?;
                let model = self.language()?;
                let start = Instant::now();
                let values = head.logits(&read(&model, text, adapter, head)?);
                (values, Trace::new(DataPath::Backbone, vec![model.part().step(start)]))
            }
            _ => {
                let encoded = self.encode_input(&input, options.modality, Some(adapter))?;
                (head.apply(&encoded.encoding), Trace::new(DataPath::Encoder, vec![encoded.step]))
            }
        };
        finished(outputs.iter().zip(values).map(named).collect(), trace)
    }

    fn regress_by_checkpoint(&self, input: &Input, modality: Option<Modality>) -> Result<Regression> {
        let (modality, component) = self.reader(input, modality, None)?;
        let without = || {
            let reason = format!("component '{component}' has no regression head; name an adapter that brings one");
            Error::unsupported("regression", reason)
        };
        if modality == Modality::TEXT {
            return Err(without());
        }
        let model = self.encoder(modality)?;
        let head = model.encoder().head().filter(|head| head.problem() == Problem::Regression).ok_or_else(without)?;
        let encoded = self.encode_input(input, Some(modality), None)?;
        let values = head.labels().iter().zip(head.logits(&encoded.encoding)?);
        let values = values.map(|(name, value)| Estimate { name: name.clone(), unit: None, value }).collect();
        finished(values, Trace::new(DataPath::Encoder, vec![encoded.step]))
    }
}

/// # Errors
/// [`Error::Malformed`] for weights of a head that make values which are not finite.
fn finished(values: Vec<Estimate>, trace: Trace) -> Result<Regression> {
    match values.iter().find(|estimate| !estimate.value.is_finite()) {
        None => Ok(Regression { values, trace }),
        Some(Estimate { name, value, .. }) => {
            Err(Error::malformed("regression head", "weights", format!("they give '{name}' the value {value}")))
        }
    }
}

fn regression_head(adapter: &Adapter) -> Result<(&AdapterHead, &[OutputSpec])> {
    match adapter.bound.head.as_ref().map(|head| (head, head.spec())) {
        Some((head, HeadSpec::Regression { outputs, .. })) => Ok((head, outputs)),
        Some((_, other)) => Err(Error::adapter(&adapter.alias, format!("its {} head gives no values", other.kind()))),
        None => Err(Error::adapter(&adapter.alias, "it brings no regression head")),
    }
}
