//! A step of one sequence alone, on a delegate. Steps of several run on the processor, which reads its weights once for all of them.

use super::{Receiver, Slot};
use crate::dispatch::Reason;
use crate::engine::language::LanguageModel;
use crate::error::Result;
use crate::model::backbone::Entry;

impl<S: Receiver> Slot<S> {
    /// Logits behind the only position that is pending, which a delegate computes; `None` where the processor is to do it. The first
    /// position is its own, and so are those that come with guesses.
    ///
    /// # Errors
    /// [`crate::Error::Delegate`] where the engine is strict.
    pub(super) fn single(&mut self, model: &LanguageModel) -> Result<Option<Vec<f32>>> {
        let (from, end) = (self.cache.len(), self.sequence.len());
        // That pieces of prompts are slower there, or that there are none, says nothing about single tokens.
        let is_well = matches!(self.ran.reason, None | Some(Reason::Slower { .. } | Reason::NoGraph(_)));
        if end - from != 1 || from == 0 || self.drafter.is_some() || !is_well {
            return Ok(None);
        }
        let Entry::Token(token) = self.sequence.entry(from) else { return Ok(None) };
        let deltas = self.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
        let made = model.decoder(from).and_then(|chunk| {
            let Some(chunk) = chunk else { return Ok(None) };
            let state = chunk.extend(model.backbone(), &mut self.cache, &[token], deltas)?;
            Ok(Some((chunk.backend().to_owned(), state)))
        });
        match made {
            Ok(None) => Ok(None),
            Ok(Some((backend, state))) => {
                self.ran.backend = Some(backend);
                Ok(Some(model.backbone().logits(&state)))
            }
            Err(reason) => {
                self.ran.reason = model.part().fall_back(reason)?.reason;
                Ok(None)
            }
        }
    }
}
