//! Classification by the backbone: through an adapter's head, or by the likelihood of each label as the answer.

use std::time::Instant;

use super::ranking::{check_labels, ranked};
use super::{Classification, ClassifyOptions, ScoredBy, Scoring, check_head, check_text};
use crate::adapter::{Adapter, DataPath};
use crate::engine::{Engine, LanguageModel, Trace};
use crate::error::{Error, Result};
use crate::input::{Affixes, Message, Special};
use crate::model::KvCache;
use crate::model::backbone::{Want, Workspace, token_rows};
use crate::quant::Deltas;

impl Engine {
    /// Path 2: the backbone.
    pub(super) fn classify_by_backbone(
        &self,
        text: &str,
        options: &ClassifyOptions,
        adapter: &Adapter,
    ) -> Result<Classification> {
        check_text(options.modality)?;
        if options.template.is_some() {
            return Err(Error::argument("template", "the backbone's adapter has its own"));
        }
        let labels = if options.labels.is_empty() { &adapter.package.task().labels } else { &options.labels };
        if let Some(head) = &adapter.bound.head {
            check_head(adapter, head, labels)?;
        }
        check_labels(labels)?;
        let model = self.language()?;
        let start = Instant::now();
        let (scored_by, logits) = match &adapter.bound.head {
            Some(head) => {
                let logits = head.logits(&last_state(&model, text, adapter)?);
                (ScoredBy::AdapterHead, logits.into_iter().map(f64::from).collect())
            }
            None => (ScoredBy::Answers, answer_likelihoods(&model, text, adapter, labels)?),
        };
        let trace = Trace::new(DataPath::Backbone, vec![model.part().step(start)]);
        ranked(labels, &logits, scored_by, Scoring::Softmax, trace)
    }
}

/// The text within the adapter's template.
fn prompt(text: &str, adapter: &Adapter) -> String {
    let template = adapter.package.task().template.as_deref();
    template.map_or_else(|| text.to_owned(), |template| template.replace("{}", text))
}

/// What a head on the backbone reads: the state of the text's last token.
///
/// # Errors
/// [`Error::Argument`] for a text without a token; [`Error::ContextFull`] for one that is too long.
pub(in crate::task) fn last_state(model: &LanguageModel, text: &str, adapter: &Adapter) -> Result<Vec<f32>> {
    let tokens = model.tokenizer()?.encode(&prompt(text, adapter), Special::Plain, Affixes::Add)?;
    let mut cache = model.backbone().new_cache();
    feed(model, &tokens, model.deltas(Some(adapter))?, Want::Hidden, &mut cache)
}

/// Log-probability of each label as the model's whole answer, the end of the turn included, so that a label that begins
/// another one does not win by being shorter.
fn answer_likelihoods(model: &LanguageModel, text: &str, adapter: &Adapter, labels: &[String]) -> Result<Vec<f64>> {
    let instructions = adapter.package.task().instructions.as_deref().map(Message::system);
    let messages: Vec<Message> = instructions.into_iter().chain([Message::user(prompt(text, adapter))]).collect();
    let prompt = model.encode_chat(&messages)?;
    let deltas = model.deltas(Some(adapter))?;
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
pub(in crate::task) fn log_probability(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&v| f64::from(v - max).exp()).sum();
    f64::from(logits[id as usize] - max) - sum.ln()
}
