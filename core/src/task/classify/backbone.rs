//! Classification by the backbone: through an adapter's head, or by the likelihood of each label as the answer.

use std::sync::Arc;
use std::time::Instant;

use super::ranking::{check_labels, ranked};
use super::{Classification, ClassifyOptions, ScoredBy, Scoring, check_head, check_text};
use crate::adapter::{Adapter, DataPath};
use crate::engine::{Engine, LanguageModel, Trace};
use crate::error::{Error, Result};
use crate::input::{Affixes, Message, Special};
use crate::model::KvCache;
use crate::model::backbone::{Entry, Row, Want};
use crate::quant::Deltas;
use crate::task::read::{feed, log_probability, prompt, read};

/// Labels whose answers are read together: as many copies of the prompt's keys and values are held.
const ANSWERS_PER_PASS: usize = 8;

/// What the backbone is asked, and the answers that it may give.
#[derive(Clone, Debug, Default)]
pub struct AnswerLabels {
    /// The answers, 1 to 4096 that differ.
    pub labels: Vec<String>,
    /// The system message.
    pub instructions: Option<String>,
    /// The user's message around the text, `{}` standing for it; the text alone if `None`.
    pub template: Option<String>,
    /// An adapter of the backbone; `None` is the bare base.
    pub adapter: Option<Arc<Adapter>>,
}

impl Engine {
    /// Finds the label that the backbone would most likely give as its whole answer to `text`: what classification with an
    /// adapter of the backbone does that brings no head, and what the bare backbone knows without one. Path 2.
    ///
    /// # Errors
    /// [`Error::Argument`] for missing, too many or repeated labels or a template without `{}`; [`Error::ContextFull`];
    /// [`Error::Unsupported`] for a model without a chat template; [`Error::Adapter`] for an adapter of another component.
    pub fn classify_by_answers(&self, text: &str, options: &AnswerLabels) -> Result<Classification> {
        check_labels(&options.labels)?;
        if let Some(template) = options.template.as_ref().filter(|template| !template.contains("{}")) {
            return Err(Error::argument("template", format!("'{template}' has no '{{}}' for the text")));
        }
        let question = options.template.as_ref().map_or_else(|| text.to_owned(), |t| t.replace("{}", text));
        self.rank_answers(question, options.instructions.as_deref(), &options.labels, options.adapter.as_deref())
    }

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
        let task = adapter.package.task();
        let labels = if options.labels.is_empty() { &task.labels } else { &options.labels };
        let Some(head) = &adapter.bound.head else {
            check_labels(labels)?;
            return self.rank_answers(prompt(text, adapter), task.instructions.as_deref(), labels, Some(adapter));
        };
        check_head(adapter, head, labels)?;
        check_labels(labels)?;
        let model = self.language()?;
        let start = Instant::now();
        let logits = head.logits(&read(&model, text, adapter, head)?);
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let trace = Trace::new(DataPath::Backbone, vec![model.part().step(start)]);
        ranked(labels, &logits, ScoredBy::AdapterHead, Scoring::Softmax, trace)
    }

    fn rank_answers(
        &self,
        question: String,
        instructions: Option<&str>,
        labels: &[String],
        adapter: Option<&Adapter>,
    ) -> Result<Classification> {
        let model = self.language()?;
        let start = Instant::now();
        let messages: Vec<Message> =
            instructions.map(Message::system).into_iter().chain([Message::user(question)]).collect();
        let logits = answer_likelihoods(&model, &model.encode_chat(&messages)?, labels, model.deltas(adapter)?)?;
        let trace = Trace::new(DataPath::Backbone, vec![model.part().step(start)]);
        ranked(labels, &logits, ScoredBy::Answers, Scoring::Softmax, trace)
    }
}

/// Log-probability of each label as the model's whole answer, the end of the turn included, so that a label that begins
/// another one does not win by being shorter.
fn answer_likelihoods(
    model: &LanguageModel,
    prompt: &[u32],
    labels: &[String],
    deltas: Option<&Deltas>,
) -> Result<Vec<f64>> {
    let tokenizer = model.tokenizer()?;
    let end = tokenizer.end_tokens().first().copied();
    let answers = labels
        .iter()
        .map(|label| {
            let mut answer = tokenizer.encode(label, Special::Plain, Affixes::None)?;
            answer.extend(end);
            Ok(answer)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut cache = model.backbone().new_cache();
    let last = prompt.len().saturating_sub(1);
    let want = |position| if position == last { Want::Logits } else { Want::Nothing };
    let first = feed(model, prompt, deltas, want, &mut cache)?;
    let mut caches = vec![cache; labels.len().min(ANSWERS_PER_PASS)];
    let mut totals = Vec::with_capacity(labels.len());
    for answers in answers.chunks(ANSWERS_PER_PASS) {
        caches.iter_mut().for_each(|cache| cache.truncate(prompt.len()));
        totals.extend(likelihoods(model, answers, (prompt.len(), &first), deltas, &mut caches)?);
    }
    Ok(totals)
}

/// Of `answers`, one to a cache, to a prompt of `start` tokens whose last one gave the logits `first`.
fn likelihoods(
    model: &LanguageModel,
    answers: &[Vec<u32>],
    (start, first): (usize, &[f32]),
    deltas: Option<&Deltas>,
    caches: &mut [KvCache],
) -> Result<Vec<f64>> {
    let rows: Vec<Row<'_>> = answers
        .iter()
        .enumerate()
        .flat_map(|(sequence, answer)| {
            // What follows the last token is not asked for.
            let read = &answer[..answer.len().saturating_sub(1)];
            read.iter().enumerate().map(move |(at, &id)| Row {
                entry: Entry::Token(id),
                sequence,
                position: start + at,
                deltas,
                want: Want::Logits,
            })
        })
        .collect();
    let logits = model.backbone().forward(&rows, &mut caches.iter_mut().collect::<Vec<_>>())?;
    let mut following = logits.chunks_exact(model.backbone().config().vocab_size);
    let total = |answer: &Vec<u32>| {
        let ids = answer.iter().enumerate();
        ids.map(|(at, &id)| {
            let logits = if at == 0 { first } else { following.next().expect("invariant: a row for all but the last") };
            log_probability(logits, id)
        })
        .sum()
    };
    Ok(answers.iter().map(total).collect())
}
