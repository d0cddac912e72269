//! Classification: zero-shot from label names (encoders alone), or with an adapter on an encoder or on the backbone.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::adapter::{Adapter, AdapterHead, DataPath};
use crate::engine::{Engine, LanguageModel, Trace};
use crate::error::{Error, Result};
use crate::input::{Affixes, Input, Message, Special};
use crate::model::KvCache;
use crate::model::backbone::{Want, Workspace, token_rows};
use crate::quant::Deltas;
use crate::task::embed::similarity;

/// How a label becomes a sentence that the text encoder compares with.
pub const DEFAULT_TEMPLATE: &str = "This text is about {}.";
/// As [`DEFAULT_TEMPLATE`], for pictures; CLIP's own.
pub const IMAGE_TEMPLATE: &str = "a photo of a {}.";
/// As [`DEFAULT_TEMPLATE`], for sound.
pub const SOUND_TEMPLATE: &str = "the sound of {}.";
/// As [`DEFAULT_TEMPLATE`], for motion; labels are activities such as "walking".
pub const MOTION_TEMPLATE: &str = "a person is {}.";
/// Sharpness of zero-shot probabilities: cosines of sentence encoders differ by a few hundredths.
const ZERO_SHOT_SCALE: f32 = 20.0;
const MAX_LABELS: usize = 4096;

/// What to compare an input with.
#[derive(Clone, Debug, Default)]
pub struct ClassifyOptions {
    /// Label names; may be empty when the adapter brings its own.
    pub labels: Vec<String>,
    /// Sentence around a label for zero-shot classification, `{}` standing for it; the modality's own if `None`:
    /// [`DEFAULT_TEMPLATE`] for texts, [`IMAGE_TEMPLATE`] for pictures, [`SOUND_TEMPLATE`], [`MOTION_TEMPLATE`].
    pub template: Option<String>,
    /// An adapter of the component that reads the input, or of the backbone; `None` is zero-shot.
    pub adapter: Option<Arc<Adapter>>,
}

/// A label with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Its probability among the labels.
    pub probability: f32,
}

/// The result of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable label.
    pub label: String,
    /// All labels, most probable first.
    pub scores: Vec<LabelScore>,
    /// What ran.
    pub trace: Trace,
}

impl Engine {
    /// Finds the label that fits `input`.
    ///
    /// Without an adapter the text encoder embeds each label's sentence, the input's own encoder embeds the input, and
    /// cosines decide; the backbone is neither loaded nor run. An adapter of an encoder does the same on the adapted
    /// encoder, or decides by its head; one of the backbone decides by its head, or by the likelihood of each label as
    /// the answer.
    ///
    /// # Errors
    /// [`Error::Argument`] for missing, too many or repeated labels, a template without `{}`, or an input that the
    /// adapter's component does not read; [`Error::Unsupported`] when the encoders do not share a space.
    pub fn classify(&self, input: impl Into<Input>, options: &ClassifyOptions) -> Result<Classification> {
        let input = input.into();
        match (&input, options.adapter.as_deref()) {
            (Input::Text(text), Some(adapter)) if adapter.package.task().path == DataPath::Backbone => {
                self.classify_by_backbone(text, options, adapter)
            }
            (_, adapter) => self.classify_by_encoder(&input, options, adapter),
        }
    }

    /// Path 3: an encoder and a head, or an encoder and the labels' sentences.
    fn classify_by_encoder(
        &self,
        input: &Input,
        options: &ClassifyOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Classification> {
        let own = adapter.map(|adapter| &adapter.package.task().labels).filter(|_| options.labels.is_empty());
        let labels = own.unwrap_or(&options.labels);
        check_labels(labels)?;
        let embedded = self.embed_input(input, adapter)?;
        let mut steps = vec![embedded.step];
        let logits = match adapter.and_then(|adapter| adapter.bound.head.as_ref().map(|head| (adapter, head))) {
            Some((adapter, head)) => class_logits(adapter, head, &embedded.vector, labels)?,
            None => {
                let template = options.template.as_deref().unwrap_or(default_template(input));
                if !template.contains("{}") {
                    return Err(Error::argument("template", format!("'{template}' has no '{{}}' for the label")));
                }
                let sentences: Vec<String> = labels.iter().map(|label| template.replace("{}", label)).collect();
                let model = self.text()?;
                let start = Instant::now();
                let anchors = model.embed(&sentences, None)?;
                steps.push(model.part().step(start));
                let scale = embedded.model.as_ref().and_then(|model| model.encoder().logit_scale());
                let scale = scale.unwrap_or(ZERO_SHOT_SCALE);
                check_space(&embedded.vector, &anchors)?;
                let own = embedded.model.as_ref().and_then(|model| model.encoder().anchor());
                let cosine = |anchor: &[f32]| match own {
                    Some(own) => similarity(&embedded.vector, &own.apply(anchor)),
                    None => similarity(&embedded.vector, anchor),
                };
                anchors.iter().map(|anchor| f64::from(cosine(anchor) * scale)).collect()
            }
        };
        Ok(ranked(labels, logits, Trace::new(DataPath::Encoder, steps)))
    }

    /// Path 2: the backbone.
    fn classify_by_backbone(&self, text: &str, options: &ClassifyOptions, adapter: &Adapter) -> Result<Classification> {
        let labels = if options.labels.is_empty() { &adapter.package.task().labels } else { &options.labels };
        check_labels(labels)?;
        let model = self.language()?;
        let start = Instant::now();
        let logits = match &adapter.bound.head {
            Some(head) => head_logits(&model, text, adapter, head, labels)?,
            None => answer_likelihoods(&model, text, adapter, labels)?,
        };
        Ok(ranked(labels, logits, Trace::new(DataPath::Backbone, vec![model.part().step(start)])))
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

/// Vectors of different widths come from different spaces.
fn check_space(vector: &[f32], anchors: &[Vec<f32>]) -> Result<()> {
    match anchors.iter().find(|anchor| anchor.len() != vector.len()) {
        None => Ok(()),
        Some(anchor) => Err(Error::unsupported(
            "zero-shot classification",
            format!("the input's encoder has {} dimensions, the text encoder {}", vector.len(), anchor.len()),
        )),
    }
}

/// A class head on an encoder reads its embedding.
fn class_logits(adapter: &Adapter, head: &AdapterHead, vector: &[f32], labels: &[String]) -> Result<Vec<f64>> {
    check_head(head, labels)?;
    if head.weight.cols() != vector.len() {
        let reason = format!("its head reads {} values, the encoder gives {}", head.weight.cols(), vector.len());
        return Err(Error::adapter(&adapter.alias, reason));
    }
    Ok(head.logits(vector).into_iter().map(f64::from).collect())
}

fn check_head(head: &AdapterHead, labels: &[String]) -> Result<()> {
    if head.weight.rows() == labels.len() {
        return Ok(());
    }
    let reason = format!("{} given, the adapter's head has {}", labels.len(), head.weight.rows());
    Err(Error::argument("labels", reason))
}

fn check_labels(labels: &[String]) -> Result<()> {
    if labels.is_empty() || labels.len() > MAX_LABELS {
        return Err(Error::argument("labels", format!("{} given, expected 1 to {MAX_LABELS}", labels.len())));
    }
    for (i, label) in labels.iter().enumerate() {
        if label.trim().is_empty() || labels[..i].contains(label) {
            return Err(Error::argument("labels", format!("'{label}' is empty or given twice")));
        }
    }
    Ok(())
}

/// A classification head reads the state of the last token.
fn head_logits(
    model: &LanguageModel,
    text: &str,
    adapter: &Adapter,
    head: &AdapterHead,
    labels: &[String],
) -> Result<Vec<f64>> {
    check_head(head, labels)?;
    let tokens = model.tokenizer()?.encode(text, Special::Plain, Affixes::Add)?;
    let mut cache = model.backbone().new_cache();
    let hidden = feed(model, &tokens, Some(&adapter.bound.deltas), Want::Hidden, &mut cache)?;
    Ok(head.logits(&hidden).into_iter().map(f64::from).collect())
}

/// Log-probability of each label as the model's whole answer, the end of the turn included, so that a label that begins
/// another one does not win by being shorter.
fn answer_likelihoods(model: &LanguageModel, text: &str, adapter: &Adapter, labels: &[String]) -> Result<Vec<f64>> {
    let instructions = adapter.package.task().instructions.as_deref().map(Message::system);
    let messages: Vec<Message> = instructions.into_iter().chain([Message::user(text)]).collect();
    let prompt = model.encode_chat(&messages)?;
    let deltas = Some(&adapter.bound.deltas);
    let mut shared = model.backbone().new_cache();
    let first = feed(model, &prompt, deltas, Want::Logits, &mut shared)?;
    let end = model.tokenizer()?.end_tokens().first().copied();
    labels
        .iter()
        .map(|label| {
            let mut answer = model.tokenizer()?.encode(label, Special::Plain, Affixes::None)?;
            answer.extend(end);
            let mut cache = shared.clone();
            let mut logits = first.clone();
            let mut total = 0.0;
            for (i, &id) in answer.iter().enumerate() {
                total += log_probability(&logits, id);
                if i + 1 < answer.len() {
                    logits = feed(model, &[id], deltas, Want::Logits, &mut cache)?;
                }
            }
            Ok(total)
        })
        .collect()
}

/// Feeds `tokens` after what is in `cache`; returns what is wanted of the last one.
fn feed(
    model: &LanguageModel,
    tokens: &[u32],
    deltas: Option<&Deltas>,
    want: Want,
    cache: &mut KvCache,
) -> Result<Vec<f32>> {
    if tokens.is_empty() {
        return Err(Error::argument("text", "it has no token"));
    }
    let mut work = Workspace::default();
    let start = cache.len();
    let mut out = Vec::new();
    for (chunk, ids) in tokens.chunks(crate::engine::PREFILL_CHUNK).enumerate() {
        let from = start + chunk * crate::engine::PREFILL_CHUNK;
        let last = start + tokens.len() - 1;
        let rows = token_rows(ids, from, deltas, |position| if position == last { want } else { Want::Nothing });
        out = model.backbone().forward(&rows, &mut [&mut *cache], &mut work)?;
    }
    Ok(out)
}

/// Natural logarithm of the probability that `logits` give to `id`.
pub(crate) fn log_probability(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&v| f64::from(v - max).exp()).sum();
    f64::from(logits[id as usize] - max) - sum.ln()
}

fn ranked(labels: &[String], logits: Vec<f64>, trace: Trace) -> Classification {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|v| (v - max).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut scores: Vec<LabelScore> = labels
        .iter()
        .zip(&weights)
        .map(|(label, weight)| LabelScore { label: label.clone(), probability: (weight / total) as f32 })
        .collect();
    scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    Classification { label: scores[0].label.clone(), scores, trace }
}
