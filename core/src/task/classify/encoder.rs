//! Classification by an encoder: through an adapter's head, the checkpoint's own classifier, or the labels' sentences.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::ranking::{check_labels, ranked};
use super::{
    Classification, ClassifyOptions, DEFAULT_TEMPLATE, IMAGE_TEMPLATE, MOTION_TEMPLATE, SOUND_TEMPLATE, ScoredBy,
    Scoring, check_head,
};
use crate::adapter::{Adapter, DataPath};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::model::encoder::{Encoder, Problem};
use crate::task::embed::{Encoded, similarity};

/// Sharpness of zero-shot probabilities: cosines of sentence encoders differ by a few hundredths.
const ZERO_SHOT_SCALE: f32 = 20.0;

impl Engine {
    /// Path 3: an encoder and a head, or an encoder and the labels' sentences.
    pub(super) fn classify_by_encoder(
        &self,
        input: &Input,
        options: &ClassifyOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Classification> {
        let own = adapter.map(|adapter| &adapter.package.task().labels).filter(|_| options.labels.is_empty());
        let labels = own.unwrap_or(&options.labels);
        let head = adapter.and_then(|adapter| adapter.bound.head.as_ref().map(|head| (adapter, head)));
        if head.is_none() && labels.is_empty() {
            return self.classify_by_checkpoint(input, options, adapter);
        }
        if let Some((adapter, head)) = head {
            check_head(adapter, head, labels)?;
            check_labels(labels)?;
            if options.template.is_some() {
                return Err(Error::argument("template", "the adapter's head decides, which reads no sentences"));
            }
            let encoded = self.encode_input(input, options.modality, Some(adapter))?;
            let logits: Vec<f64> = head.apply(&encoded.encoding).into_iter().map(f64::from).collect();
            let trace = Trace::new(DataPath::Encoder, vec![encoded.step]);
            return ranked(labels, &logits, ScoredBy::AdapterHead, Scoring::Softmax, trace);
        }
        check_labels(labels)?;
        let of_adapter = adapter.and_then(|adapter| adapter.package.task().template.as_deref());
        let template = options.template.as_deref().or(of_adapter).unwrap_or(default_template(input));
        if !template.contains("{}") {
            return Err(Error::argument("template", format!("'{template}' has no '{{}}' for the label")));
        }
        let encoded = self.encode_input(input, options.modality, adapter)?;
        self.classify_by_sentences(encoded, labels, template)
    }

    /// Without labels: the classifier of the checkpoint decides.
    fn classify_by_checkpoint(
        &self,
        input: &Input,
        options: &ClassifyOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Classification> {
        let (modality, component) = self.reader(input, options.modality, adapter)?;
        let missing = || {
            let reason = format!("none given, and component '{component}' has no classifier of its own");
            Error::argument("labels", reason)
        };
        if matches!(input, Input::Text(_)) {
            return Err(missing());
        }
        let model = self.encoder(modality)?;
        let head = model.encoder().head().ok_or_else(missing)?;
        let scoring = match head.problem() {
            Problem::SingleLabel => Scoring::Softmax,
            Problem::MultiLabel => Scoring::Sigmoid,
            Problem::Regression => {
                let reason = format!("the classifier of component '{component}' gives values; ask for them");
                return Err(Error::unsupported("classification", reason));
            }
        };
        let encoded = self.encode_input(input, options.modality, adapter)?;
        let logits: Vec<f64> = head.logits(&encoded.encoding)?.into_iter().map(f64::from).collect();
        let trace = Trace::new(DataPath::Encoder, vec![encoded.step]);
        ranked(head.labels(), &logits, ScoredBy::CheckpointHead, scoring, trace)
    }

    /// Zero-shot.
    fn classify_by_sentences(&self, encoded: Encoded, labels: &[String], template: &str) -> Result<Classification> {
        let sentences: Vec<String> = labels.iter().map(|label| template.replace("{}", label)).collect();
        let text = match &encoded.model {
            None => self.text()?,
            Some(model) => self.anchor(model.encoder().modality())?,
        };
        let start = Instant::now();
        let (anchors, ran) = text.anchors(&sentences)?;
        check_distinct(labels, &anchors, text.encoder().max_tokens())?;
        let steps = vec![encoded.step, text.part().step(start).on(ran)];
        let vector = &encoded.encoding.embedding;
        check_space(vector, &anchors)?;
        let encoder = encoded.model.as_ref().map(|model| model.encoder());
        let scale = encoder.and_then(Encoder::logit_scale).unwrap_or(ZERO_SHOT_SCALE);
        let bias = encoder.and_then(Encoder::logit_bias);
        let own = encoder.and_then(Encoder::anchor);
        let cosine = |anchor: &[f32]| match own {
            Some(own) => similarity(vector, &own.apply(anchor)),
            None => similarity(vector, anchor),
        };
        let logit = |anchor: &Arc<[f32]>| f64::from(cosine(anchor) * scale + bias.unwrap_or(0.0));
        let logits: Vec<f64> = anchors.iter().map(logit).collect();
        let scoring = if bias.is_some() { Scoring::Sigmoid } else { Scoring::Softmax };
        ranked(labels, &logits, ScoredBy::Labels, scoring, Trace::new(DataPath::Encoder, steps))
    }
}

fn default_template(input: &Input) -> &'static str {
    match input {
        Input::Text(_) => DEFAULT_TEMPLATE,
        Input::Image(_) => IMAGE_TEMPLATE,
        Input::Sound(_) => SOUND_TEMPLATE,
        Input::Motion { .. } => MOTION_TEMPLATE,
    }
}

/// Sentences that are cut before their labels, or whose labels the vocabulary does not know, are one and the same.
fn check_distinct(labels: &[String], anchors: &[Arc<[f32]>], limit: usize) -> Result<()> {
    let mut seen: HashMap<Vec<u32>, &str> = HashMap::new();
    for (label, anchor) in labels.iter().zip(anchors) {
        if let Some(other) = seen.insert(anchor.iter().map(|value| value.to_bits()).collect(), label) {
            let reason = format!(
                "'{other}' and '{label}' are the same to the text encoder, which reads {limit} tokens of a sentence"
            );
            return Err(Error::argument("labels", reason));
        }
    }
    Ok(())
}

/// Vectors of different widths come from different spaces.
fn check_space(vector: &[f32], anchors: &[Arc<[f32]>]) -> Result<()> {
    match anchors.iter().find(|anchor| anchor.len() != vector.len()) {
        None => Ok(()),
        Some(anchor) => Err(Error::unsupported(
            "zero-shot classification",
            format!("the input's encoder has {} dimensions, the text encoder {}", vector.len(), anchor.len()),
        )),
    }
}
