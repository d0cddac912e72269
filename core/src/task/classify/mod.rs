//! Classification: zero-shot from label names (encoders alone), by the classifier that a checkpoint brings, or with an
//! adapter on an encoder or on the backbone.

mod backbone;
mod encoder;
mod ranking;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use backbone::AnswerLabels;
pub(super) use ranking::by_probability;

use crate::adapter::{Adapter, AdapterHead, DataPath, HeadSpec};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::model::Modality;

/// How a label becomes a sentence that the text encoder compares with.
pub const DEFAULT_TEMPLATE: &str = "This text is about {}.";
/// As [`DEFAULT_TEMPLATE`], for pictures; CLIP's own.
pub const IMAGE_TEMPLATE: &str = "a photo of a {}.";
/// As [`DEFAULT_TEMPLATE`], for sound.
pub const SOUND_TEMPLATE: &str = "the sound of {}.";
/// As [`DEFAULT_TEMPLATE`], for motion; labels are activities such as "walking".
pub const MOTION_TEMPLATE: &str = "a person is {}.";

/// What to compare an input with.
#[derive(Clone, Debug, Default)]
pub struct ClassifyOptions {
    /// Label names; may be empty when the adapter brings its own, or for the classifier that a checkpoint brings.
    pub labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, `{}` standing for it; the adapter's or the input's own if `None`:
    /// [`DEFAULT_TEMPLATE`] for texts, [`IMAGE_TEMPLATE`] for pictures, [`SOUND_TEMPLATE`], [`MOTION_TEMPLATE`].
    pub template: Option<String>,
    /// An adapter of the component that reads the input, or of the backbone; `None` is the bare base.
    pub adapter: Option<Arc<Adapter>>,
    /// What the input shows where its kind does not tell, such as a depth map in a picture or speech in a sound: the encoder
    /// of that modality reads it. By default the adapter's component decides, else the kind of input.
    pub modality: Option<Modality>,
}

/// What gave each label its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredBy {
    /// The cosine between the input and the label's sentence.
    Labels,
    /// The adapter's head.
    AdapterHead,
    /// The classifier of the encoder's own checkpoint.
    CheckpointHead,
    /// The likelihood of the label as the backbone's answer.
    Answers,
}

/// How scores became probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// Over all labels, whose probabilities add up to 1.
    Softmax,
    /// Each label on its own: none or several may be probable.
    Sigmoid,
}

/// A label with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Its probability, among the labels or on its own; [`Classification::scoring`] says which.
    pub probability: f32,
}

/// The result of a classification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The most probable label.
    pub label: String,
    /// All labels, most probable first.
    pub scores: Vec<LabelScore>,
    /// What gave each label its score.
    pub scored_by: ScoredBy,
    /// How scores became probabilities.
    pub scoring: Scoring,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Finds the label that fits `input`.
    ///
    /// In this order: an adapter's head decides, where it brings one; where neither caller nor adapter names a label, the
    /// classifier of the encoder's own checkpoint; else the text encoder embeds each label's sentence, the input's own encoder
    /// embeds the input, and cosines decide, by a softmax over all labels, or by sigmoids where the checkpoint has a bias for
    /// them (SigLIP). An adapter's deltas act on the encoder in each case. The backbone is neither loaded nor run, unless the
    /// adapter is one of the backbone: then its head decides, or the likelihood of each label as the answer.
    ///
    /// # Errors
    /// [`Error::Argument`] for missing, too many or repeated labels, a template without `{}`, a modality that is not the
    /// input's, or an input that the component does not read; [`Error::Adapter`] for an adapter of another component;
    /// [`Error::Unsupported`] when the encoders do not share a space, or for a checkpoint whose classifier gives values.
    pub fn classify(&self, input: impl Into<Input>, options: &ClassifyOptions) -> Result<Classification> {
        let input = input.into();
        match (&input, options.adapter.as_deref()) {
            (Input::Text(text), Some(adapter)) if adapter.package.task().path == DataPath::Backbone => {
                self.classify_by_backbone(text, options, adapter)
            }
            (_, adapter) => self.classify_by_encoder(&input, options, adapter),
        }
    }
}

/// A head gives one logit per label.
fn check_head(adapter: &Adapter, head: &AdapterHead, labels: &[String]) -> Result<()> {
    if !matches!(head.spec(), HeadSpec::Linear { .. } | HeadSpec::Cosine { .. }) {
        let reason = format!("its {} head gives no labels", head.spec().kind());
        return Err(Error::adapter(&adapter.alias, reason));
    }
    if head.outputs() == labels.len() {
        return Ok(());
    }
    let reason = format!("{} given, the adapter's head has {}", labels.len(), head.outputs());
    Err(Error::argument("labels", reason))
}

/// Text on the backbone is read as text.
///
/// # Errors
/// [`Error::Argument`] for another modality.
pub(super) fn check_text(modality: Option<Modality>) -> Result<()> {
    match modality.filter(|modality| *modality != Modality::TEXT) {
        None => Ok(()),
        Some(modality) => Err(Error::argument("input", format!("text, which is not read as {modality}"))),
    }
}
