//! Runs several requests at once: each step is one forward pass over a row of every decoding request, the rows of its
//! draft, and a bounded chunk of prompts.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::adapter::{Adapter, DataPath};
use crate::engine::event::{AdapterUse, Drafts, Event, FinishReason, GenerateStats, Sink};
use crate::engine::language::LanguageModel;
use crate::engine::prompt::Prompt;
use crate::engine::request::Request;
use crate::engine::sampler::Sampler;
use crate::engine::speculate::Drafter;
use crate::engine::trace::{Step, Trace};
use crate::error::Result;
use crate::input::{Detokenizer, StopStrings, Tokenizer};
use crate::model::KvCache;
use crate::model::backbone::{BackboneConfig, Entry, Row, Want};

/// Prompt tokens per step, over all requests: bounds both the activations and how long a decoding request waits.
pub const PREFILL_CHUNK: usize = 128;

/// Drafted tokens per step, over all requests: where many decode together, a pass has work enough without guesses.
const DRAFT_ROWS: usize = 32;

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
    drafter: Option<Drafter>,
    drafts: Drafts,
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
}

impl<'m, 's> Batch<'m, 's> {
    /// An empty batch.
    ///
    /// # Errors
    /// [`crate::Error::Text`] for a model without a tokenizer.
    pub fn new(model: &'m LanguageModel) -> Result<Self> {
        Ok(Self { model, tokenizer: model.tokenizer()?, slots: Vec::new() })
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
            drafter: Drafter::new(request.options.speculation),
            drafts: Drafts::default(),
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
        let model = self.model;
        let config = model.backbone().config();
        let known = known_tokens(model, self.tokenizer);
        let mut room = PREFILL_CHUNK;
        let mut guesses = DRAFT_ROWS;
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
            let draft = if pending == 1 { slot.draft(guesses, known, config) } else { Vec::new() };
            guesses -= draft.len();
            let sequence = caches.len();
            let deltas = slot.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
            let entries = (from..from + take).map(|position| slot.sequence.entry(position));
            let entries = entries.chain(draft.iter().map(|&id| Entry::Token(id)));
            rows.extend((from..).zip(entries).map(|(position, entry)| Row {
                entry,
                sequence,
                position,
                deltas,
                want: if position + 1 >= end { Want::Logits } else { Want::Nothing },
            }));
            if take == pending {
                wanting.push((index, draft));
            }
            caches.push(&mut slot.cache);
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let mut logits = model.backbone().forward(&rows, &mut caches)?;
        drop(rows);
        let mut rest = &mut logits[..];
        for (index, draft) in wanting {
            let (own, others) = rest.split_at_mut((1 + draft.len()) * config.vocab_size);
            let own = own.chunks_exact_mut(config.vocab_size).map(|row| &mut row[..known]);
            self.slots[index].advance(&draft, own, model)?;
            rest = others;
        }
        Ok(true)
    }
}

/// Tokens that can be chosen. Rows beyond the tokenizer's vocabulary are padding of the table: no text belongs to them.
fn known_tokens(model: &LanguageModel, tokenizer: &Tokenizer) -> usize {
    tokenizer.vocab_size().min(model.backbone().config().vocab_size)
}

impl Slot<'_> {
    /// Guesses what comes next, `most` tokens at most, as far as the options and the context leave room for a token more.
    fn draft(&mut self, most: usize, known: usize, config: &BackboneConfig) -> Vec<u32> {
        let Some(drafter) = &mut self.drafter else { return Vec::new() };
        let wanted = self.max_tokens - self.generated.len();
        let room = config.max_position_embeddings - self.sequence.len();
        drafter.draft(&self.sequence, most.min(wanted - 1).min(room - 1), known)
    }

    /// Chooses tokens for as long as `draft` has them right, and one more. Each of `logits` follows one more token of it.
    ///
    /// What is chosen, asked and reported is what it would be one token at a time; the cache ends as it would.
    fn advance<'l>(
        &mut self,
        draft: &[u32],
        logits: impl Iterator<Item = &'l mut [f32]>,
        model: &LanguageModel,
    ) -> Result<()> {
        let mut accepted = 0;
        for (at, logits) in logits.enumerate() {
            model.part().check_finite("logits", logits)?;
            let id = self.choose(logits, model)?;
            if draft.get(at) != Some(&id) {
                break;
            }
            accepted += 1;
            if self.reason.is_none() && self.sink.is_stopped() {
                self.reason = Some(FinishReason::Stopped);
            }
            if self.reason.is_some() {
                break;
            }
        }
        if let Some(drafter) = &mut self.drafter {
            drafter.learn(draft.len(), accepted);
            self.drafts.drafted += draft.len();
            self.drafts.accepted += accepted;
        }
        self.cache.truncate(self.sequence.len() - 1);
        Ok(())
    }

    /// Chooses the next token and reports its text.
    fn choose(&mut self, logits: &mut [f32], model: &LanguageModel) -> Result<u32> {
        let id = self.sampler.choose(logits);
        self.clock.last = Instant::now();
        self.clock.first.get_or_insert(self.clock.last);
        self.sequence.push_token(id);
        self.generated.push(id);
        if model.tokenizer()?.end_tokens().contains(&id) {
            self.reason = Some(FinishReason::EndOfTurn);
            return Ok(id);
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
        Ok(id)
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
            drafts: self.drafter.as_ref().map(|_| self.drafts),
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
