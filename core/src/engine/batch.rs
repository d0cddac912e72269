//! Runs several requests at once on the calling thread: each step is one forward pass over a row of every decoding request,
//! the rows of its draft, and a bounded chunk of prompts.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::engine::event::{Event, Sink};
use crate::engine::language::LanguageModel;
use crate::engine::request::Request;
use crate::engine::slot::{DRAFT_ROWS, Finished, Receiver, Slot, Turn, pass};
use crate::error::Result;

/// Prompt tokens per step, over all requests: bounds both the activations and how long a decoding request waits.
pub const PREFILL_CHUNK: usize = 128;

/// A sink that its owner wants back.
struct Lent<'s>(&'s mut dyn Sink);

impl Receiver for Lent<'_> {
    fn text(&mut self, text: &str, _: Option<usize>) -> Result<ControlFlow<()>> {
        self.0.event(Event::Text(text))
    }

    fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}

/// Requests that run together on one language model.
pub struct Batch<'m, 's> {
    model: &'m LanguageModel,
    slots: Vec<Slot<Lent<'s>>>,
}

impl<'m, 's> Batch<'m, 's> {
    /// An empty batch.
    ///
    /// # Errors
    /// [`crate::Error::Text`] for a model without a tokenizer.
    pub fn new(model: &'m LanguageModel) -> Result<Self> {
        model.tokenizer()?;
        Ok(Self { model, slots: Vec::new() })
    }

    /// Adds a request; its events go to `sink`.
    ///
    /// # Errors
    /// [`crate::Error::Argument`], [`crate::Error::ContextFull`], or [`crate::Error::Adapter`] for an adapter of another
    /// component; the batch is unchanged then.
    pub fn add(&mut self, request: Request, sink: &'s mut dyn Sink) -> Result<()> {
        self.slots.push(Slot::new(self.model, request, Lent(sink), Instant::now()).map_err(|(_, error)| error)?);
        Ok(())
    }

    /// Runs all requests to their ends; results come in the order of [`Batch::add`].
    ///
    /// # Errors
    /// The first failure of a sink or of the model; all requests end then.
    pub fn run(mut self) -> Result<Vec<Finished>> {
        while self.step()? {}
        let model = self.model;
        let end = |slot: Slot<Lent<'s>>| {
            let (sink, finished) = slot.finish(model);
            let finished = finished?;
            let _ = sink.0.event(Event::Done(&finished.stats))?;
            Ok(finished)
        };
        self.slots.into_iter().map(end).collect()
    }

    /// One forward pass; false when every request has ended.
    fn step(&mut self) -> Result<bool> {
        let (mut room, mut turns) = (PREFILL_CHUNK, Vec::new());
        for (number, slot) in self.slots.iter_mut().enumerate() {
            slot.look();
            let rows = match slot.pending() {
                pending @ 0..=1 => pending,
                pending => {
                    let rows = pending.min(room);
                    room -= rows;
                    rows
                }
            };
            if rows > 0 {
                turns.push(Turn { slot: number, rows });
            }
        }
        if turns.is_empty() {
            return Ok(false);
        }
        match pass(self.model, &mut self.slots, &turns, DRAFT_ROWS)?.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(true),
        }
    }
}
