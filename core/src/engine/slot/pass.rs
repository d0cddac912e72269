//! The forward pass over rows of some slots, and what they make of it.

use super::{Receiver, Slot};
use crate::engine::event::FinishReason;
use crate::engine::language::LanguageModel;
use crate::engine::prefill::{Ahead, Prefiller};
use crate::error::{Error, Result};
use crate::model::backbone::{BackboneConfig, Entry, Row, Want};

/// Drafted tokens per step, over all requests: where many decode together, a pass has work enough without guesses.
pub(in crate::engine) const DRAFT_ROWS: usize = 32;

/// What one slot contributes to a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Turn {
    /// Number of the slot.
    pub(in crate::engine) slot: usize,
    /// Positions of its sequence, at least one and at most those that are pending.
    pub(in crate::engine) rows: usize,
}

/// Who computes the next positions of a prompt.
enum Who {
    /// The processor, so many.
    Processor(usize),
    /// A delegate, these tokens.
    Delegate(Prefiller, Vec<u32>),
}

/// Runs the turns of some slots, in the order of slots, in one forward pass, or the only one on a delegate; a slot has one turn at
/// most. Slots that speculate
/// guess `guesses` tokens at most, together. What a slot makes of
/// its logits may fail: then the failure is in the result, beside the slot's number, and the others are as they should be.
///
/// # Errors
/// Those of the forward pass, which leave every slot as it was.
pub(in crate::engine) fn pass<S: Receiver>(
    model: &LanguageModel,
    slots: &mut [Slot<S>],
    turns: &[Turn],
    mut guesses: usize,
) -> Result<Vec<(usize, Error)>> {
    let config = model.backbone().config();
    let known = known_tokens(model)?;
    if let [turn] = turns {
        match slots[turn.slot].single(model) {
            Ok(None) => {}
            Ok(Some(mut logits)) => {
                let made = slots[turn.slot].advance(&[], std::iter::once(&mut logits[..known]), model);
                return Ok(made.err().map(|error| (turn.slot, error)).into_iter().collect());
            }
            Err(error) => return Ok(vec![(turn.slot, error)]),
        }
    }
    let (mut rows, mut caches, mut wanting) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ahead, mut failed) = (Vec::<Ahead<'_>>::new(), Vec::new());
    let mut rest = turns;
    for (index, slot) in slots.iter_mut().enumerate() {
        let Some((turn, later)) = rest.split_first().filter(|(turn, _)| turn.slot == index) else { continue };
        rest = later;
        let (from, end) = (slot.cache.len(), slot.sequence.len());
        let own_rows = match slot.who(turn.rows, model) {
            Ok(Who::Processor(rows)) => rows,
            Ok(Who::Delegate(prefiller, tokens)) => {
                let deltas = slot.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
                ahead.push(Ahead { prefiller, tokens, deltas, cache: &mut slot.cache, ran: &mut slot.ran });
                continue;
            }
            Err(error) => {
                failed.push((index, error));
                continue;
            }
        };
        let mut draft = if end - from == 1 { slot.draft(guesses, known, config) } else { Vec::new() };
        if slot.cache.reserve(own_rows + draft.len()).is_err() {
            // Guesses are not worth the memory that others may need.
            draft.clear();
        }
        guesses -= draft.len();
        let sequence = caches.len();
        let deltas = slot.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
        let entries = (from..from + own_rows).map(|position| slot.sequence.entry(position));
        let entries = entries.chain(draft.iter().map(|&id| Entry::Token(id)));
        rows.extend((from..).zip(entries).map(|(position, entry)| Row {
            entry,
            sequence,
            position,
            deltas,
            want: if position + 1 >= end { Want::Logits } else { Want::Nothing },
        }));
        if from + own_rows == end {
            wanting.push((index, draft));
        }
        caches.push(&mut slot.cache);
    }
    // Both at a time: a delegate leaves the processor to others.
    let mut logits = std::thread::scope(|scope| {
        if !ahead.is_empty() {
            scope.spawn(|| ahead.iter_mut().for_each(|ahead| ahead.run(model.backbone())));
        }
        model.backbone().forward(&rows, &mut caches)
    })?;
    drop(rows);
    let mut rest = &mut logits[..];
    for (index, draft) in wanting {
        let (own, others) = rest.split_at_mut((1 + draft.len()) * config.vocab_size);
        let own = own.chunks_exact_mut(config.vocab_size).map(|row| &mut row[..known]);
        if let Err(error) = slots[index].advance(&draft, own, model) {
            failed.push((index, error));
        }
        rest = others;
    }
    failed.sort_by_key(|(index, _)| *index);
    Ok(failed)
}

/// Tokens that can be chosen. Rows beyond the tokenizer's vocabulary are padding of the table: no text belongs to them.
fn known_tokens(model: &LanguageModel) -> Result<usize> {
    Ok(model.tokenizer()?.vocab_size().min(model.backbone().config().vocab_size))
}

impl<S: Receiver> Slot<S> {
    /// Who computes the next `most` positions: a delegate, where it can, whole pieces of tokens behind the first one and before the
    /// last one.
    ///
    /// # Errors
    /// [`Error::Delegate`] where the engine is strict.
    fn who(&mut self, most: usize, model: &LanguageModel) -> Result<Who> {
        let (from, end) = (self.cache.len(), self.sequence.len());
        if let Some(reason) = &self.ran.reason {
            model.part().fall_back(reason.clone())?;
            return Ok(Who::Processor(most));
        }
        if end - from < 2 {
            return Ok(Who::Processor(most));
        }
        let prefiller = match model.prefiller(from) {
            Ok(None) => return Ok(Who::Processor(most)),
            Ok(Some(prefiller)) => prefiller,
            Err(reason) => {
                self.ran.reason = model.part().fall_back(reason)?.reason;
                return Ok(Who::Processor(most));
            }
        };
        let first = from.max(1);
        let pieces = (most.min(end - 1 - first) / prefiller.rows()).min(prefiller.pieces(first));
        if from == 0 && pieces > 0 {
            return Ok(Who::Processor(1));
        }
        let tokens =
            (from..from + pieces * prefiller.rows()).map_while(|position| match self.sequence.entry(position) {
                Entry::Token(id) => Some(id),
                Entry::Soft(_) => None,
            });
        let mut tokens: Vec<u32> = tokens.collect();
        tokens.truncate(tokens.len() / prefiller.rows() * prefiller.rows());
        if tokens.is_empty() || self.cache.reserve(tokens.len()).is_err() {
            return Ok(Who::Processor(most));
        }
        Ok(Who::Delegate(prefiller, tokens))
    }

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
}
