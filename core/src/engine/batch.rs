//! Runs several requests at once: each step is one forward pass over a row of every decoding request and a bounded
//! chunk of prompts.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::adapter::{Adapter, DataPath};
use crate::engine::event::{AdapterUse, Event, FinishReason, GenerateStats, Sink};
use crate::engine::language::LanguageModel;
use crate::engine::prompt::Prompt;
use crate::engine::request::Request;
use crate::engine::sampler::Sampler;
use crate::engine::trace::{Step, Trace};
use crate::error::Result;
use crate::input::{Detokenizer, StopStrings, Tokenizer};
use crate::model::KvCache;
use crate::model::backbone::{Row, Want, Workspace};

/// Prompt tokens per step, over all requests: bounds both the activations and how long a decoding request waits.
pub const PREFILL_CHUNK: usize = 128;

/// A request that ended: its cache can serve a continuation.
#[derive(Debug)]
pub struct Finished {
    /// What it cost.
    pub stats: GenerateStats,
    /// The prompt, followed by the generated tokens.
    pub sequence: Prompt,
    /// Tokens generated, the one that ended the turn included.
    pub generated: Vec<u32>,
    /// Keys and values of `sequence`, without the last position where it was never fed back.
    pub cache: KvCache,
}

/// One request in flight.
struct Slot<'s> {
    sequence: Prompt,
    generated: Vec<u32>,
    steps: Vec<Step>,
    cached: usize,
    cache: KvCache,
    adapter: Option<Arc<Adapter>>,
    max_tokens: usize,
    sampler: Sampler,
    text: Detokenizer,
    stop: StopStrings,
    sink: &'s mut dyn Sink,
    clock: Clock,
    reason: Option<FinishReason>,
}

/// When a request started, had its prompt computed and had its last token.
struct Clock {
    start: Instant,
    first: Option<Instant>,
    last: Instant,
}

/// Requests that run together on one language model.
pub struct Batch<'m, 's> {
    model: &'m LanguageModel,
    tokenizer: &'m Tokenizer,
    slots: Vec<Slot<'s>>,
    work: Workspace,
}

impl<'m, 's> Batch<'m, 's> {
    /// An empty batch.
    ///
    /// # Errors
    /// [`crate::Error::Text`] for a model without a tokenizer.
    pub fn new(model: &'m LanguageModel) -> Result<Self> {
        Ok(Self { model, tokenizer: model.tokenizer()?, slots: Vec::new(), work: Workspace::default() })
    }

    /// Adds a request; its events go to `sink`.
    ///
    /// # Errors
    /// [`crate::Error::Argument`], [`crate::Error::ContextFull`], or [`crate::Error::Adapter`] for an adapter of another
    /// component; the batch is unchanged then.
    pub fn add(&mut self, request: Request, sink: &'s mut dyn Sink) -> Result<()> {
        let config = self.model.backbone().config();
        request.check(config.max_position_embeddings, config.hidden_size)?;
        self.model.deltas(request.adapter.as_deref())?;
        let mut cache = request.cache.unwrap_or_else(|| self.model.backbone().new_cache());
        // At least the last prompt token runs, for its logits.
        cache.truncate(request.prompt.len() - 1);
        let now = Instant::now();
        let known: Vec<u32> = request.prompt.token_ids().collect();
        self.slots.push(Slot {
            generated: Vec::new(),
            steps: request.steps,
            cached: cache.len(),
            cache,
            adapter: request.adapter,
            max_tokens: request.options.max_tokens,
            sampler: Sampler::new(request.options.sampling, &known)?,
            text: Detokenizer::at(self.tokenizer, request.position),
            stop: StopStrings::new(&request.options.stop)?,
            sink,
            clock: Clock { start: now, first: None, last: now },
            reason: None,
            sequence: request.prompt,
        });
        Ok(())
    }

    /// Runs all requests to their ends; results come in the order of [`Batch::add`].
    ///
    /// # Errors
    /// The first failure of a sink or of the model; all requests end then.
    pub fn run(mut self) -> Result<Vec<Finished>> {
        while self.step()? {}
        let model = self.model;
        self.slots.into_iter().map(|slot| slot.finish(model)).collect()
    }

    /// One forward pass; false when every request has ended.
    fn step(&mut self) -> Result<bool> {
        for slot in self.slots.iter_mut().filter(|slot| slot.reason.is_none() && slot.sink.is_stopped()) {
            slot.reason = Some(FinishReason::Stopped);
        }
        let mut room = PREFILL_CHUNK;
        let mut rows = Vec::new();
        let mut caches = Vec::new();
        let mut wanting = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.reason.is_none()) {
            let (from, end) = (slot.cache.len(), slot.sequence.len());
            let pending = end - from;
            let take = if pending == 1 { 1 } else { pending.min(room) };
            if pending > 1 {
                room -= take;
            }
            if take == 0 {
                continue;
            }
            let sequence = caches.len();
            let deltas = slot.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
            rows.extend((from..from + take).map(|position| Row {
                entry: slot.sequence.entry(position),
                sequence,
                position,
                deltas,
                want: if position + 1 == end { Want::Logits } else { Want::Nothing },
            }));
            if take == pending {
                wanting.push(index);
            }
            caches.push(&mut slot.cache);
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let mut logits = self.model.backbone().forward(&rows, &mut caches, &mut self.work)?;
        drop(rows);
        let vocab = self.model.backbone().config().vocab_size;
        for (index, logits) in wanting.into_iter().zip(logits.chunks_exact_mut(vocab)) {
            // Rows beyond the tokenizer's vocabulary are padding of the table: no text belongs to them.
            let known = self.tokenizer.vocab_size().min(vocab);
            self.model.part().check_finite("logits", &logits[..known])?;
            self.slots[index].advance(&mut logits[..known], self.model)?;
        }
        Ok(true)
    }
}

impl Slot<'_> {
    /// Chooses the next token and reports its text.
    fn advance(&mut self, logits: &mut [f32], model: &LanguageModel) -> Result<()> {
        let id = self.sampler.choose(logits);
        self.clock.last = Instant::now();
        self.clock.first.get_or_insert(self.clock.last);
        self.sequence.push_token(id);
        self.generated.push(id);
        if model.tokenizer()?.end_tokens().contains(&id) {
            self.reason = Some(FinishReason::EndOfTurn);
            return Ok(());
        }
        let piece = self.text.push(id)?.unwrap_or_default();
        let step = self.stop.push(&piece);
        if !step.text.is_empty() && self.sink.event(Event::Text(&step.text))? == ControlFlow::Break(()) {
            self.reason = Some(FinishReason::Stopped);
        } else if step.stopped {
            self.reason = Some(FinishReason::StopString);
        } else if self.generated.len() >= self.max_tokens {
            self.reason = Some(FinishReason::MaxTokens);
        } else if self.sequence.len() >= model.backbone().config().max_position_embeddings {
            self.reason = Some(FinishReason::ContextFull);
        }
        Ok(())
    }

    /// Hands out what was held back, and the stats.
    fn finish(mut self, model: &LanguageModel) -> Result<Finished> {
        let reason = self.reason.unwrap_or(FinishReason::Stopped);
        if !matches!(reason, FinishReason::Stopped | FinishReason::StopString) {
            let mut rest = self.text.finish()?;
            // A limit may cut a character in two; half of one is no text.
            if reason != FinishReason::EndOfTurn {
                rest.truncate(rest.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
            }
            let step = self.stop.push(&rest);
            let mut tail = step.text;
            if !step.stopped {
                tail.push_str(&self.stop.finish());
            }
            if !tail.is_empty() {
                let _ = self.sink.event(Event::Text(&tail))?;
            }
        }
        let stats = self.stats(reason, model);
        let _ = self.sink.event(Event::Done(&stats))?;
        Ok(Finished { stats, sequence: self.sequence, generated: self.generated, cache: self.cache })
    }

    fn stats(&mut self, reason: FinishReason, model: &LanguageModel) -> GenerateStats {
        let generated = self.generated.len();
        let prompt = self.sequence.len() - generated;
        let first = self.clock.first.unwrap_or(self.clock.last);
        let prefill = (first - self.clock.start).as_secs_f64();
        let decode = (self.clock.last - first).as_secs_f64();
        let rate = |count: usize, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        GenerateStats {
            finish_reason: reason,
            prompt_tokens: prompt,
            cached_tokens: self.cached,
            generated_tokens: generated,
            time_to_first_token_ms: prefill * 1e3,
            prefill_tokens_per_second: rate(prompt - self.cached, prefill),
            decode_tokens_per_second: rate(generated.saturating_sub(1), decode),
            adapter: self.adapter.as_ref().map(|a| AdapterUse { alias: a.alias.clone(), generation: a.generation.0 }),
            trace: self.trace(model),
            cache_bytes: self.cache.bytes(),
        }
    }

    fn trace(&mut self, model: &LanguageModel) -> Trace {
        let path = if self.steps.is_empty() { DataPath::Backbone } else { DataPath::EncoderBackbone };
        let mut steps = std::mem::take(&mut self.steps);
        steps.push(model.part().step(self.clock.start));
        Trace::new(path, steps)
    }
}
