//! One request in flight, and the forward pass that some of them share.

mod pass;
mod single;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::adapter::{Adapter, DataPath};
use crate::budget::Shortage;
use crate::dispatch::Ran;
use crate::engine::event::{Achieved, AdapterUse, ContextSource, Drafts, FinishReason, GenerateStats, Target};
use crate::engine::holdings::Context;
use crate::engine::language::LanguageModel;
use crate::engine::prompt::Prompt;
use crate::engine::request::{Overflow, Request};
use crate::engine::sampler::Sampler;
use crate::engine::speculate::Drafter;
use crate::engine::trace::{Step, Trace};
use crate::error::{Error, Result};
use crate::input::{Detokenizer, StopStrings};
use crate::model::KvCache;

pub(super) use pass::{DRAFT_ROWS, Turn, pass};

/// Takes the text of one request.
pub(super) trait Receiver {
    /// Takes text that is final, after which `generated` tokens are there; none where it is what was held back until the end.
    /// `Break` ends the request before its next token.
    fn text(&mut self, text: &str, generated: Option<usize>) -> Result<ControlFlow<()>>;

    /// Whether the request is to end although there was no text.
    fn is_stopped(&self) -> bool;

    /// Whether it keeps up: a request whose receiver does not waits for it.
    fn is_ready(&self) -> bool {
        true
    }
}

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

/// A request that ended, and what it left behind.
#[derive(Debug)]
pub struct Generated {
    /// What it cost.
    pub stats: GenerateStats,
    /// Tokens generated, the one that ended the turn included.
    pub generated: Vec<u32>,
    /// Its sequence with keys and values, for a continuation; without the last position where it was never fed back. Its memory
    /// is given to whoever needs it more.
    pub context: Arc<Context>,
}

impl Generated {
    /// What it would have been, had it been stopped after `generated` tokens.
    pub(super) fn cut(&mut self, generated: usize) {
        self.context.forget(self.generated.len().saturating_sub(generated));
        self.generated.truncate(generated);
        self.stats.finish_reason = FinishReason::Stopped;
        self.stats.generated_tokens = self.generated.len();
    }
}

/// One request in flight; its events go to `sink`.
pub(super) struct Slot<S> {
    sequence: Prompt,
    generated: Vec<u32>,
    steps: Vec<Step>,
    prompt: usize,
    cached: usize,
    cache: KvCache,
    adapter: Option<Arc<Adapter>>,
    max_tokens: usize,
    overflow: Overflow,
    sampler: Sampler,
    drafter: Option<Drafter>,
    drafts: Drafts,
    text: Detokenizer,
    stop: StopStrings,
    sink: S,
    clock: Clock,
    context: ContextSource,
    target: Target,
    deadline: Option<Instant>,
    reason: Option<FinishReason>,
    /// What ran its prompt.
    ran: Ran,
}

/// When a request arrived, started, had its prompt computed and had its last token.
struct Clock {
    arrived: Instant,
    start: Instant,
    first: Option<Instant>,
    last: Instant,
}

/// What may be wrong with a request.
struct Parts {
    sampler: Sampler,
    text: Detokenizer,
    stop: StopStrings,
}

impl Parts {
    fn new(model: &LanguageModel, request: &mut Request) -> Result<Self> {
        let config = model.backbone().config();
        request.slide(config.max_position_embeddings)?;
        request.check(config.max_position_embeddings, config.hidden_size)?;
        model.deltas(request.adapter.as_deref())?;
        let known: Vec<u32> = request.prompt.token_ids().collect();
        Ok(Self {
            sampler: Sampler::new(request.options.sampling.clone(), &known)?,
            text: Detokenizer::at(model.tokenizer()?, request.position),
            stop: StopStrings::new(&request.options.stop)?,
        })
    }
}

impl<S: Receiver> Slot<S> {
    /// A slot for `request`, which arrived at `arrived` and starts now.
    ///
    /// # Errors
    /// [`crate::Error::Argument`], [`crate::Error::ContextFull`], or [`crate::Error::Adapter`] for an adapter of another
    /// component.
    pub(super) fn new(
        model: &LanguageModel,
        mut request: Request,
        sink: S,
        arrived: Instant,
    ) -> Result<Self, (S, Error)> {
        let parts = match Parts::new(model, &mut request) {
            Ok(parts) => parts,
            Err(error) => return Err((sink, error)),
        };
        let mut cache = request.cache.unwrap_or_else(|| model.backbone().new_cache());
        // At least the last prompt token runs, for its logits.
        cache.truncate(request.prompt.len() - 1);
        let now = Instant::now();
        Ok(Self {
            generated: Vec::new(),
            steps: request.steps,
            prompt: request.prompt.len(),
            cached: cache.len(),
            cache,
            adapter: request.adapter,
            max_tokens: request.options.max_tokens,
            overflow: request.options.overflow,
            sampler: parts.sampler,
            drafter: Drafter::new(request.options.speculation),
            drafts: Drafts::default(),
            text: parts.text,
            stop: parts.stop,
            sink,
            clock: Clock { arrived, start: now, first: None, last: now },
            context: request.source,
            target: request.options.caller.target,
            deadline: request.options.caller.deadline.and_then(|deadline| arrived.checked_add(deadline)),
            reason: None,
            ran: Ran::default(),
            sequence: request.prompt,
        })
    }

    /// Positions that are to be computed before the next token; none once it has ended.
    pub(super) fn pending(&self) -> usize {
        if self.has_ended() { 0 } else { self.sequence.len() - self.cache.len() }
    }

    /// Makes room for `rows` more positions.
    ///
    /// # Errors
    /// [`Shortage`] of its app's budget or the engine's.
    pub(super) fn reserve(&mut self, rows: usize) -> Result<(), Shortage> {
        self.cache.reserve(rows)
    }

    /// Gives its keys and values up, to compute them again.
    pub(super) fn forget(&mut self) {
        self.cache.truncate(0);
    }

    /// Bytes of its keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// When it was asked for.
    pub(super) fn arrived(&self) -> Instant {
        self.clock.arrived
    }

    /// The adapter that it runs with.
    pub(super) fn adapter(&self) -> Option<Arc<Adapter>> {
        self.adapter.clone()
    }

    /// Its sequence, its adapter, and the keys and values that were computed.
    pub(super) fn computed(&self) -> (&Prompt, Option<&Adapter>, &KvCache) {
        (&self.sequence, self.adapter.as_deref(), &self.cache)
    }

    /// Whether its receiver can take more text.
    pub(super) fn is_ready(&self) -> bool {
        self.sink.is_ready()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.reason.is_some()
    }

    /// Ends it where its receiver has said so, or its time is over.
    pub(super) fn look(&mut self) {
        if self.reason.is_none() && self.sink.is_stopped() {
            self.reason = Some(FinishReason::Stopped);
        }
        if self.reason.is_none() && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.reason = Some(FinishReason::Deadline);
        }
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
        if !step.text.is_empty() && self.sink.text(&step.text, Some(self.generated.len()))? == ControlFlow::Break(()) {
            self.reason = Some(FinishReason::Stopped);
        } else if step.stopped {
            self.reason = Some(FinishReason::StopString);
        } else if self.generated.len() >= self.max_tokens {
            self.reason = Some(FinishReason::MaxTokens);
        } else {
            self.fit(model.backbone().config().max_position_embeddings);
        }
        Ok(id)
    }

    /// Ends a sequence that fills the window, or makes it shorter.
    fn fit(&mut self, limit: usize) {
        if let Some((at, count)) = self.overflow.gap(self.sequence.len(), limit) {
            self.sequence.cut_out(at, count);
            self.cache.truncate(at);
        } else if self.sequence.len() >= limit {
            self.reason = Some(FinishReason::ContextFull);
        }
    }

    /// Hands out what was held back, and gives back the receiver and what came of the request.
    pub(super) fn finish(mut self, model: &LanguageModel) -> (S, Result<Finished>) {
        let reason = self.reason.unwrap_or(FinishReason::Stopped);
        if let Err(error) = self.flush(reason) {
            return (self.sink, Err(error));
        }
        let stats = self.stats(reason, model);
        let Self { sink, sequence, generated, cache, .. } = self;
        (sink, Ok(Finished { stats, sequence, generated, cache }))
    }

    /// Hands out what was held back.
    fn flush(&mut self, reason: FinishReason) -> Result<()> {
        if matches!(reason, FinishReason::Stopped | FinishReason::StopString | FinishReason::Deadline) {
            return Ok(());
        }
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
            let _ = self.sink.text(&tail, None)?;
        }
        Ok(())
    }

    /// Gives the receiver back, of a request that cannot go on.
    pub(super) fn into_receiver(self) -> S {
        self.sink
    }

    fn stats(&mut self, reason: FinishReason, model: &LanguageModel) -> GenerateStats {
        let generated = self.generated.len();
        let prompt = self.prompt;
        let first = self.clock.first.unwrap_or(self.clock.last);
        let prefill = (first - self.clock.start).as_secs_f64();
        let decode = (self.clock.last - first).as_secs_f64();
        let rate = |count: usize, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let (waited, decoded) = (self.clock.start - self.clock.arrived, rate(generated.saturating_sub(1), decode));
        let first_token_ms = (first - self.clock.arrived).as_secs_f64() * 1e3;
        let adapter = self.adapter.as_ref().map(|adapter| AdapterUse {
            alias: adapter.alias.clone(),
            generation: adapter.generation.0,
            reloaded: adapter.is_back(),
        });
        GenerateStats {
            finish_reason: reason,
            prompt_tokens: prompt,
            cached_tokens: self.cached,
            generated_tokens: generated,
            queue_ms: waited.as_secs_f64() * 1e3,
            time_to_first_token_ms: first_token_ms,
            prefill_tokens_per_second: rate(prompt - self.cached, prefill),
            decode_tokens_per_second: decoded,
            drafts: self.drafter.as_ref().map(|_| self.drafts),
            adapter,
            trace: self.trace(model),
            cache_bytes: self.cache.bytes(),
            context: self.context,
            achieved: (self.target != Target::default()).then(|| Achieved {
                time_to_first_token: self
                    .target
                    .time_to_first_token_ms
                    .map(|most| self.clock.first.is_some() && first_token_ms <= most),
                // One token alone has no rate.
                tokens_per_second: self
                    .target
                    .tokens_per_second
                    .filter(|_| generated > 1)
                    .map(|least| decoded >= least),
            }),
        }
    }

    fn trace(&mut self, model: &LanguageModel) -> Trace {
        let path = if self.steps.is_empty() { DataPath::Backbone } else { DataPath::EncoderBackbone };
        let mut steps = std::mem::take(&mut self.steps);
        let step = model.part().step(self.clock.start);
        let backend = match &self.ran.backend {
            Some(delegate) => format!("{delegate}, {}", step.backend),
            None => step.backend,
        };
        steps.push(Step { backend, fallback: self.ran.reason.take(), ..step });
        Trace::new(path, steps)
    }
}
