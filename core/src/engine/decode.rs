//! Single tokens on a delegate, where that is faster than the processor or preferred to it.

use super::chunk::Chunk;
use super::language::LanguageModel;
use crate::dispatch::{Reason, Segment};

impl LanguageModel {
    /// The graph that computes the token at `position`; `None` where the processor decodes: for want of a graph, or because it is
    /// faster. Neither is a failure, as prompts run on the delegate all the same.
    ///
    /// # Errors
    /// [`Reason::TooLong`] for a position beyond its window.
    pub(super) fn decoder(&self, position: usize) -> Result<Option<Chunk>, Reason> {
        let place = &self.part().place;
        let Ok(placement) = place.delegate() else { return Ok(None) };
        let is_for_one = |segment: &Segment| matches!(segment, Segment::Chunk { rows: 1, .. });
        let chosen = placement.choose(place.preference(), is_for_one);
        let chunk = chosen.ok().flatten().and_then(|segment| Chunk::new(placement, segment));
        match chunk {
            Some(chunk) if position > chunk.past() => Err(Reason::TooLong { length: position, most: chunk.past() }),
            chunk => Ok(chunk),
        }
    }
}
