//! The classifier that a checkpoint itself brings, such as one of ImageNet's classes.

use std::ops::Range;

use serde_json::Value;

use super::contract::Encoding;
use super::fields::{Fields, MAX_TABLE};
use crate::error::{Error, Result};
use crate::model::layer::{LayerNorm, Loader};
use crate::quant::Matrix;

/// Which of an input's hidden states are averaged for a linear.
#[derive(Clone, Debug)]
pub(super) enum HeadInput {
    /// Those of some tokens.
    Tokens(Range<usize>),
    /// Those of all tokens from one on.
    Rest(usize),
}

/// Where a checkpoint keeps a classifier, or one of two.
#[derive(Clone, Debug)]
pub(super) struct HeadLayers<'a> {
    /// A layer norm before the linear: its module and what it adds to the variance.
    pub(super) norm: Option<(&'a str, f64)>,
    /// The linear's module, `[labels, width]` with a bias.
    pub(super) linear: &'a str,
    /// What it reads.
    pub(super) input: HeadInput,
}

impl<'a> HeadLayers<'a> {
    /// A linear without a norm.
    pub(super) fn linear(linear: &'a str, input: HeadInput) -> Self {
        Self { norm: None, linear, input }
    }
}

/// What a checkpoint's classifier was trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One label of several: a softmax over the logits.
    SingleLabel,
    /// Any number of labels: a sigmoid of each logit.
    MultiLabel,
    /// Values: the logits themselves.
    Regression,
}

impl Problem {
    /// `problem_type` of `config.json`; where it is missing, one output is a value, as in transformers.
    fn parse(config: &Fields<'_>, outputs: usize) -> Result<Self> {
        match config.text_or("problem_type", "")? {
            "" if outputs == 1 => Ok(Self::Regression),
            "" | "single_label_classification" => Ok(Self::SingleLabel),
            "multi_label_classification" => Ok(Self::MultiLabel),
            "regression" => Ok(Self::Regression),
            _ => Err(config.wrong("problem_type", "one of transformers' problem types")),
        }
    }
}

/// A classification head over the last hidden states; where a checkpoint has two, their logits are averaged.
#[derive(Debug)]
pub struct Head {
    labels: Vec<String>,
    problem: Problem,
    width: usize,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    input: HeadInput,
    norm: Option<LayerNorm>,
    /// `[labels, width]`.
    weight: Matrix,
    bias: Vec<f32>,
}

impl Head {
    /// Loads a head of `parts`, `None` where the checkpoint lacks the first one's weight. Names of the labels come from
    /// `id2label`; without it they are `LABEL_0`, `LABEL_1` and so on, as transformers names them.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Malformed`] for names that do not fit the weight.
    pub(super) fn load_if_present(
        loader: &Loader<'_>,
        config: &Fields<'_>,
        width: usize,
        parts: &[HeadLayers<'_>],
    ) -> Result<Option<Self>> {
        if !parts.first().is_some_and(|part| loader.has(&format!("{}.weight", part.linear))) {
            return Ok(None);
        }
        let mut labels = labels(config)?;
        let mut loaded = Vec::with_capacity(parts.len());
        for HeadLayers { norm, linear, input } in parts {
            let weight = loader.tensor(&format!("{linear}.weight"))?;
            let labels = labels.get_or_insert_with(|| {
                (0..weight.shape.first().copied().unwrap_or(0)).map(|i| format!("LABEL_{i}")).collect()
            });
            let weight = Matrix::new(weight, labels.len(), width)?;
            let bias = loader.values(&format!("{linear}.bias"), &[labels.len()])?;
            let norm = norm.map(|(module, eps)| loader.layer_norm(module, width, eps)).transpose()?;
            loaded.push(Part { input: input.clone(), norm, weight, bias });
        }
        let labels = labels.unwrap_or_default();
        Ok(Some(Self { problem: Problem::parse(config, labels.len())?, labels, width, parts: loaded }))
    }

    /// What it was trained for.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// Class names, in the order of the logits.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Logits `[labels]` of an input that this head's encoder has encoded.
    ///
    /// # Errors
    /// [`Error::Argument`] for an encoding of another encoder.
    pub fn logits(&self, encoding: &Encoding) -> Result<Vec<f32>> {
        let rows: Vec<&[f32]> = encoding.states.chunks_exact(self.width).collect();
        let whole = rows.len() * self.width == encoding.states.len();
        let mut logits = vec![0.0; self.labels.len()];
        for part in &self.parts {
            let read = match &part.input {
                HeadInput::Tokens(range) => rows.get(range.clone()),
                HeadInput::Rest(from) => rows.get(*from..),
            };
            let Some(read) = read.filter(|rows| whole && !rows.is_empty()) else {
                let found = encoding.states.len();
                return Err(Error::argument("encoding", format!("{found} values of states, {} wide", self.width)));
            };
            let mut input = vec![0.0; self.width];
            for row in read {
                input.iter_mut().zip(*row).for_each(|(x, v)| *x += v);
            }
            input.iter_mut().for_each(|x| *x /= read.len() as f32);
            if let Some(norm) = &part.norm {
                norm.apply(&mut input);
            }
            let mut out = vec![0.0; self.labels.len()];
            part.weight.multiply(&input, 1, &mut out);
            for ((sum, y), b) in logits.iter_mut().zip(&out).zip(&part.bias) {
                *sum += (y + b) / self.parts.len() as f32;
            }
        }
        Ok(logits)
    }
}

/// The names in `id2label`, which is keyed by the numbers from 0 on.
fn labels(config: &Fields<'_>) -> Result<Option<Vec<String>>> {
    let Some(names) = config.get("id2label") else { return Ok(None) };
    let wrong = || config.wrong("id2label", "a name for each number from 0 on");
    let names = names.as_object().filter(|names| (1..=MAX_TABLE).contains(&names.len())).ok_or_else(wrong)?;
    let name = |i: usize| names.get(&i.to_string()).and_then(Value::as_str).map(str::to_owned);
    (0..names.len()).map(name).collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
}
