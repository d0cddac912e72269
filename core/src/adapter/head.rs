//! Heads that adapters bring: from what a component gives to labels, characters or values.
//!
//! `task.json` declares the kind; the tensors are `base_model.model.classifier.*` (or `score.*`, as PEFT names them too):
//!
//! | `head` | `weight` | others | gives |
//! |---|---|---|---|
//! | `{"kind": "linear"}` | `[labels, width]` | `bias` `[labels]`, optional | logits `W x + b` |
//! | `{"kind": "cosine", "scale": 30.0}` | `[labels, width]`, class vectors | instead of the field `scale`, a learned tensor `scale` of one value | logits `scale * cos(W_i, x)` |
//! | `{"kind": "ctc", "vocabulary": ["", "a", ..], "blank": 0}` | `[vocabulary, width]` | `bias`, optional; the module may be `lm_head` | logits of each frame |
//! | `{"kind": "tags", "sentence": ["PlayMusic", ..]}` | `[labels + sentence, width]` | `bias`, optional | see [`super::tags`] |
//! | `{"kind": "dense", ..}` | see [`super::dense`] | | planes over a picture |
//! | `{"kind": "regression", "outputs": [{"name": "pulse", "unit": "1/min"}]}` | `[outputs, width]` | `bias`, optional | values `W x + b` |
//!
//! `"reads"` says what `x` is: `"embedding"` (the default) or `"mean-state"`. A CTC head reads each frame's
//! state, one of tags each word's. On the
//! backbone `"layers": N` lets a head read the state after block N, and the blocks above it are not run.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dense::DenseSpec;
use super::tags::TagsSpec;
use super::task::AdapterTask;
use crate::error::{Error, Result};
use crate::model::encoder::Encoding;
use crate::model::ops::mean_rows;
use crate::model::recognizer::ctc::CtcVocabulary;
use crate::quant::Matrix;
use crate::weights::TensorView;

/// Characters of a CTC head, and outputs of a regression.
const MAX_VOCABULARY: usize = 1 << 16;
const MAX_OUTPUTS: usize = 4096;
/// Largest factor of cosines.
const MAX_SCALE: f64 = 1e4;
/// Norms below this count as zero, as in torch's `normalize`.
const SMALLEST_NORM: f64 = 1e-12;

/// What of a component's output a head reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadReads {
    /// The vector for the whole input: an encoder's embedding as it gives it, a backbone's state of the last token.
    #[default]
    Embedding,
    /// The average of the hidden states: an encoder's last ones, a backbone's over all tokens.
    MeanState,
    /// Each of an encoder's last hidden states.
    Frames,
    /// All of an encoder's last hidden states, as they lie in a picture.
    Grid,
    /// A text encoder's last hidden state of each word's first token, and their average over all tokens.
    Tokens,
}

/// A value that a regression gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Its name, unique within the head.
    pub name: String,
    /// Its unit, such as `1/min` or `kg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A head as `task.json` declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeadSpec {
    /// `W x + b`, logits of labels.
    Linear {
        /// What `x` is.
        #[serde(default)]
        reads: HeadReads,
        /// Blocks of a backbone that are run, at least 1; all where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers: Option<usize>,
    },
    /// Cosines with class vectors times a scale, logits of labels.
    Cosine {
        /// What `x` is.
        #[serde(default)]
        reads: HeadReads,
        /// Above 0, at most 10000; `None` where it is a learned tensor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f64>,
        /// Blocks of a backbone that are run, at least 1; all where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers: Option<usize>,
    },
    /// `W x + b` of each frame, logits of characters.
    Ctc {
        /// The characters, or pieces of words, by output, as they are written: `|` or a space parts words.
        vocabulary: Vec<String>,
        /// The output that stands for nothing.
        #[serde(default)]
        blank: usize,
    },
    /// `W x + b`, values.
    Regression {
        /// What `x` is.
        #[serde(default)]
        reads: HeadReads,
        /// Blocks of a backbone that are run, at least 1; all where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers: Option<usize>,
        /// The values.
        outputs: Vec<OutputSpec>,
    },
    /// `W x + b` of each word's first token, logits of tags; and of the average of all tokens' states, logits of what the
    /// sentence is.
    Tags(TagsSpec),
    /// Stages of convolutions over the states of a picture.
    Dense(DenseSpec),
}

impl HeadSpec {
    /// Its kind, as `task.json` names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Cosine { .. } => "cosine",
            Self::Ctc { .. } => "ctc",
            Self::Regression { .. } => "regression",
            Self::Tags(_) => "tags",
            Self::Dense(_) => "dense",
        }
    }

    /// What it reads.
    #[must_use]
    pub fn reads(&self) -> HeadReads {
        match self {
            Self::Linear { reads, .. } | Self::Cosine { reads, .. } | Self::Regression { reads, .. } => *reads,
            Self::Ctc { .. } => HeadReads::Frames,
            Self::Tags(_) => HeadReads::Tokens,
            Self::Dense(_) => HeadReads::Grid,
        }
    }

    /// How many blocks of a backbone it lets run; `None` for all.
    #[must_use]
    pub fn layers(&self) -> Option<usize> {
        match self {
            Self::Linear { layers, .. } | Self::Cosine { layers, .. } | Self::Regression { layers, .. } => *layers,
            Self::Ctc { .. } | Self::Tags(_) | Self::Dense(_) => None,
        }
    }

    /// How many outputs the description implies, and what they are; `None` where it leaves that to the tensors.
    fn outputs(&self, labels: &[String]) -> Option<(usize, &'static str)> {
        match self {
            Self::Linear { .. } | Self::Cosine { .. } if labels.is_empty() => None,
            Self::Linear { .. } | Self::Cosine { .. } => Some((labels.len(), "labels")),
            Self::Ctc { vocabulary, .. } => Some((vocabulary.len(), "pieces of the vocabulary")),
            Self::Regression { outputs, .. } => Some((outputs.len(), "outputs")),
            Self::Tags(spec) => Some((labels.len() + spec.sentence.len(), "tags and labels of the sentence")),
            Self::Dense(spec) => Some((spec.channels(labels.len()), "planes")),
        }
    }

    /// Succeeds when its values are in their ranges.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the value.
    pub(super) fn check(&self, adapter: &str, labels: &[String]) -> Result<()> {
        let refuse =
            |reason: String| Err(Error::adapter(adapter, format!("task.json: {} head: {reason}", self.kind())));
        match (self.reads(), self) {
            (HeadReads::Frames, Self::Ctc { .. })
            | (HeadReads::Grid, Self::Dense(_))
            | (HeadReads::Tokens, Self::Tags(_)) => {}
            (HeadReads::Frames, _) => return refuse("it reads 'frames', which only a ctc head does".into()),
            (HeadReads::Grid, _) => return refuse("it reads 'grid', which only a dense head does".into()),
            (HeadReads::Tokens, _) => return refuse("it reads 'tokens', which only a tags head does".into()),
            (HeadReads::Embedding | HeadReads::MeanState, _) => {}
        }
        if self.layers() == Some(0) {
            return refuse("it reads after 0 layers, expected at least 1".into());
        }
        if !labels.is_empty() && matches!(self, Self::Ctc { .. } | Self::Regression { .. }) {
            return refuse(format!("{} labels are given, it has none", labels.len()));
        }
        match self {
            Self::Dense(spec) => spec.check(labels).or_else(refuse),
            Self::Tags(spec) => spec.check(labels).or_else(refuse),
            Self::Linear { .. } | Self::Cosine { scale: None, .. } => Ok(()),
            Self::Cosine { scale: Some(scale), .. } => check_scale(*scale).or_else(refuse),
            Self::Ctc { vocabulary, blank } => {
                if !(2..=MAX_VOCABULARY).contains(&vocabulary.len()) {
                    return refuse(format!("vocabulary of {}, expected 2 to {MAX_VOCABULARY}", vocabulary.len()));
                }
                if *blank >= vocabulary.len() {
                    return refuse(format!("blank is {blank}, the vocabulary has {}", vocabulary.len()));
                }
                CtcVocabulary::new(vocabulary.clone(), *blank).map(|_| ()).or_else(|error| refuse(error.to_string()))
            }
            Self::Regression { outputs, .. } => {
                if !(1..=MAX_OUTPUTS).contains(&outputs.len()) {
                    return refuse(format!("{} outputs, expected 1 to {MAX_OUTPUTS}", outputs.len()));
                }
                let repeated = |i: usize| outputs[..i].iter().any(|other| other.name == outputs[i].name);
                match (0..outputs.len()).find(|&i| outputs[i].name.trim().is_empty() || repeated(i)) {
                    None => Ok(()),
                    Some(i) => refuse(format!("output '{}' is empty or given twice", outputs[i].name)),
                }
            }
        }
    }
}

fn check_scale(scale: f64) -> std::result::Result<(), String> {
    if scale > 0.0 && scale <= MAX_SCALE {
        return Ok(());
    }
    Err(format!("scale is {scale}, expected more than 0 and at most {MAX_SCALE}"))
}

/// Widths of what a component gives to heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadWidths {
    /// Of the vector for the whole input.
    pub embedding: usize,
    /// Of a hidden state, where the component gives them.
    pub states: Option<usize>,
    /// Of a token's hidden state, where the component reads texts and gives them.
    pub tokens: Option<usize>,
}

/// A head with its tensors.
#[derive(Debug)]
pub struct AdapterHead {
    spec: HeadSpec,
    /// Of its weight, for messages.
    name: String,
    /// `[outputs, width]`; rows of unit length for cosines.
    weight: Matrix,
    bias: Option<Vec<f32>>,
    /// Factor of cosines.
    scale: f32,
}

impl AdapterHead {
    /// Builds the head that `task` declares from `tensors`, by the last part of their names; `None` without both.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor that is missing, superfluous or of a wrong shape. That values are finite was checked
    /// of all tensors of the adapter.
    pub(super) fn take(
        adapter: &str,
        mut tensors: BTreeMap<String, TensorView>,
        task: &AdapterTask,
    ) -> Result<Option<Self>> {
        let refuse = |reason: String| Error::adapter(adapter, reason);
        let spec = task.head.clone().unwrap_or(HeadSpec::Linear { reads: HeadReads::Embedding, layers: None });
        let Some(weight) = tensors.remove("weight") else {
            return match (tensors.into_values().next(), &task.head) {
                (Some(other), _) => Err(refuse(format!("tensor '{}' has no matching weight", other.name))),
                (None, Some(head)) => {
                    Err(refuse(format!("tensor 'classifier.weight' is missing, its {} head needs it", head.kind())))
                }
                (None, None) => Ok(None),
            };
        };
        let name = weight.name.clone();
        let [outputs, width] = weight.shape[..] else {
            return Err(refuse(format!("tensor '{name}' has shape {:?}, expected two dimensions", weight.shape)));
        };
        if let Some((count, what)) = spec.outputs(&task.labels).filter(|(count, _)| *count != outputs) {
            return Err(refuse(format!("tensor '{name}' has {outputs} rows for {count} {what}")));
        }
        let bias = match tensors.remove("bias") {
            None => None,
            Some(bias) if matches!(spec, HeadSpec::Cosine { .. }) => {
                return Err(refuse(format!("tensor '{}': a cosine head has none", bias.name)));
            }
            Some(bias) if bias.shape == [outputs] => Some(bias.to_f32()),
            Some(bias) => return Err(refuse(format!("tensor '{}' has shape {:?}", bias.name, bias.shape))),
        };
        let scale = match (&spec, tensors.remove("scale")) {
            (HeadSpec::Cosine { scale: Some(scale), .. }, None) => *scale as f32,
            (HeadSpec::Cosine { scale: None, .. }, Some(tensor)) => learned_scale(adapter, &tensor)?,
            (HeadSpec::Cosine { .. }, None) => {
                return Err(refuse("tensor 'classifier.scale' is missing, and task.json gives no scale".into()));
            }
            (HeadSpec::Cosine { .. }, Some(tensor)) => {
                return Err(refuse(format!("tensor '{}': task.json gives a scale already", tensor.name)));
            }
            (_, Some(tensor)) => {
                return Err(refuse(format!("tensor '{}': a {} head has none", tensor.name, spec.kind())));
            }
            (_, None) => 1.0,
        };
        let weight = match spec {
            HeadSpec::Cosine { .. } => Matrix::from_f32(&units(weight.to_f32(), width), outputs, width),
            _ => Matrix::new(weight, outputs, width)?,
        };
        Ok(Some(Self { spec, name, weight, bias, scale }))
    }

    /// What it was declared as.
    #[must_use]
    pub fn spec(&self) -> &HeadSpec {
        &self.spec
    }

    /// Its outputs: labels, pieces of a vocabulary, or values.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// Bytes of its matrix.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weight.bytes().0
    }

    /// Succeeds when the component gives what it reads.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor and both widths.
    pub fn check_widths(&self, adapter: &str, widths: &HeadWidths) -> Result<()> {
        let (what, width) = match self.spec.reads() {
            HeadReads::Embedding => ("embedding", Some(widths.embedding)),
            HeadReads::MeanState | HeadReads::Frames | HeadReads::Grid => ("states", widths.states),
            HeadReads::Tokens => ("states of tokens", widths.tokens),
        };
        let shape = [self.weight.rows(), self.weight.cols()];
        match width {
            Some(width) if width == self.weight.cols() => Ok(()),
            Some(width) => {
                let reason =
                    format!("tensor '{}' has shape {shape:?}, the component's {what} {width} values", self.name);
                Err(Error::adapter(adapter, reason))
            }
            None => {
                let reason = format!("its {} head reads {what}, which the component does not give", self.spec.kind());
                Err(Error::adapter(adapter, reason))
            }
        }
    }

    /// Outputs of what an encoder made of one input: `[outputs]`, or `[frames, outputs]` of a CTC head.
    ///
    /// # Panics
    /// When the widths differ, which [`AdapterHead::check_widths`] tells.
    #[must_use]
    pub fn apply(&self, encoding: &Encoding) -> Vec<f32> {
        let rows: Cow<'_, [f32]> = match self.spec.reads() {
            HeadReads::Embedding => (&encoding.embedding).into(),
            HeadReads::Frames | HeadReads::Grid | HeadReads::Tokens => (&encoding.states).into(),
            HeadReads::MeanState => mean_rows(&encoding.states, self.weight.cols()).into(),
        };
        self.logits(&rows)
    }

    /// Outputs of rows of hidden states, `[rows, width]` to `[rows, outputs]`.
    ///
    /// # Panics
    /// When `hidden` is not a whole number of rows.
    #[must_use]
    pub fn logits(&self, hidden: &[f32]) -> Vec<f32> {
        let (outputs, width) = (self.weight.rows(), self.weight.cols());
        assert!(hidden.len().is_multiple_of(width), "{} values in rows of {width}", hidden.len());
        let cosine = matches!(self.spec, HeadSpec::Cosine { .. });
        let hidden: Cow<'_, [f32]> = if cosine { units(hidden.to_vec(), width).into() } else { hidden.into() };
        let rows = hidden.len() / width;
        let mut out = vec![0.0; rows * outputs];
        self.weight.multiply(&hidden, rows, &mut out);
        if cosine {
            out.iter_mut().for_each(|y| *y *= self.scale);
        }
        if let Some(bias) = &self.bias {
            out.chunks_exact_mut(outputs).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
        }
        out
    }
}

fn learned_scale(adapter: &str, tensor: &TensorView) -> Result<f32> {
    if tensor.elements() != 1 {
        let reason = format!("tensor '{}' has shape {:?}, expected one value", tensor.name, tensor.shape);
        return Err(Error::adapter(adapter, reason));
    }
    let scale = tensor.to_f32()[0];
    check_scale(f64::from(scale))
        .map_err(|reason| Error::adapter(adapter, format!("tensor '{}': {reason}", tensor.name)))?;
    Ok(scale)
}

/// Rows of `width` values, scaled to unit length.
fn units(mut rows: Vec<f32>, width: usize) -> Vec<f32> {
    for row in rows.chunks_exact_mut(width) {
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(SMALLEST_NORM);
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
    rows
}
