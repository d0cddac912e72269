//! Prompts on a delegate: whole pieces of tokens. The first token runs on the processor, since all others attend to it and its states
//! are far larger than theirs; so does the last one, whose logits are wanted.

use std::sync::Arc;

use super::chunk::Chunk;
use super::language::LanguageModel;
use crate::dispatch::{Ran, Reason, Segment};
use crate::model::KvCache;
use crate::model::backbone::Backbone;
use crate::quant::Deltas;

/// The graph for pieces of prompts.
#[derive(Clone, Debug)]
pub(super) struct Prefiller(Chunk);

impl LanguageModel {
    /// The graph that computes positions from `from` on; `None` where there never was a delegate.
    ///
    /// # Errors
    /// Why the processor does it.
    pub(super) fn prefiller(&self, from: usize) -> Result<Option<Prefiller>, Reason> {
        let place = &self.part().place;
        let placement = match place.delegate() {
            Ok(placement) => placement,
            Err(None) => return Ok(None),
            Err(Some(reason)) => return Err(reason),
        };
        let is_for_prompts = |segment: &Segment| matches!(segment, Segment::Chunk { rows, .. } if *rows > 1);
        let segment = placement.choose(place.preference(), is_for_prompts)?;
        let chunk = segment.and_then(|segment| Chunk::new(Arc::clone(&placement), segment));
        let absent = || Reason::NoGraph("no piece of a prompt was compiled".to_owned());
        let chunk = chunk.ok_or_else(|| placement.lack(is_for_prompts, absent()))?;
        if from > chunk.past() {
            return Err(Reason::TooLong { length: from, most: chunk.past() });
        }
        Ok(Some(Prefiller(chunk)))
    }
}

impl Prefiller {
    /// Tokens of a piece.
    pub(super) fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Pieces that there is room for, the first of which begins at `position`.
    pub(super) fn pieces(&self, position: usize) -> usize {
        self.0.past().checked_sub(position).map_or(0, |left| left / self.0.rows() + 1)
    }
}

/// A piece of a slot's prompt that a delegate computes while the processor runs other rows.
pub(super) struct Ahead<'s> {
    pub(super) prefiller: Prefiller,
    /// As many as some pieces have.
    pub(super) tokens: Vec<u32>,
    pub(super) deltas: Option<&'s Deltas>,
    pub(super) cache: &'s mut KvCache,
    pub(super) ran: &'s mut Ran,
}

impl Ahead<'_> {
    /// Computes it. What was written before a failure stays.
    pub(super) fn run(&mut self, backbone: &Backbone) {
        let Prefiller(chunk) = &self.prefiller;
        for tokens in self.tokens.chunks_exact(chunk.rows()) {
            match chunk.extend(backbone, self.cache, tokens, self.deltas) {
                Ok(_) => self.ran.backend = Some(chunk.backend().to_owned()),
                Err(reason) => {
                    self.ran.reason = Some(reason);
                    return;
                }
            }
        }
    }
}
