//! Drafts of the tokens that may come next, looked up in the text so far.
//!
//! Answers often repeat their prompt: names, code, quotations. Where the last few tokens occurred before, what followed
//! them then is a guess at what follows now, and one forward pass over the guess costs little more than one over a single
//! token. The batch checks each guess by choosing the token as it would without; drafts change when tokens come, never
//! which.

use crate::engine::prompt::Prompt;
use crate::error::{Error, Result};
use crate::model::backbone::Entry;

/// Most tokens of one draft.
const MOST_DRAFT: usize = 7;

/// Longest run of tokens that is looked up.
const MOST_NGRAM: usize = 8;

/// Shortest run of tokens that is looked up where longer ones do not occur: what follows a single token is rarely the same.
const LEAST_NGRAM: usize = 2;

/// Positions that are searched backwards from the end.
const WINDOW: usize = 4096;

/// Most tokens for which drafts pause after some that were of no use.
const LONGEST_PAUSE: usize = 32;

/// Whether several tokens are computed at once on a guess. The tokens are the same as without it, for every way of
/// sampling, every seed and every penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speculation {
    /// One token per forward pass.
    #[default]
    Off,
    /// Guesses what followed the last tokens when they occurred before, in the prompt or in what was generated.
    ///
    /// A look-up compares at most `ngram` tokens at each of the last 4096 positions: some microseconds. A guess that is
    /// wrong costs its share of a forward pass, and `4 * vocab_size` bytes of logits meanwhile; drafts shrink, and pause,
    /// where guesses are wrong.
    PromptLookup {
        /// Tokens to guess at a time at most, 1 to 7.
        draft: usize,
        /// Tokens that must have occurred before, 1 to 8; down to 2 of them are enough where so many did not.
        ngram: usize,
    },
}

impl Speculation {
    /// Guesses `draft` tokens at a time at most, after 3 that occurred before.
    #[must_use]
    pub fn prompt_lookup(draft: usize) -> Self {
        Self::PromptLookup { draft, ngram: 3 }
    }

    /// Refuses values outside of their ranges.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the option, its value and its range.
    pub fn check(&self) -> Result<()> {
        let Self::PromptLookup { draft, ngram } = *self else { return Ok(()) };
        for (name, value, most) in [("draft", draft, MOST_DRAFT), ("ngram", ngram, MOST_NGRAM)] {
            if !(1..=most).contains(&value) {
                return Err(Error::argument(name, format!("{value}, expected 1 to {most}")));
            }
        }
        Ok(())
    }
}

/// Makes the drafts of one sequence, as long as they have lately been right.
#[derive(Debug)]
pub(super) struct Drafter {
    most: usize,
    ngram: usize,
    length: usize,
    /// How many tokens the next pause lasts.
    pause: usize,
    /// How many tokens of the present pause are left.
    paused: usize,
}

impl Drafter {
    /// A drafter of what `speculation` asks for; `None` where it is off.
    pub(super) fn new(speculation: Speculation) -> Option<Self> {
        match speculation {
            Speculation::Off => None,
            Speculation::PromptLookup { draft, ngram } => {
                Some(Self { most: draft, ngram, length: draft, pause: 1, paused: 0 })
            }
        }
    }

    /// The next draft for `sequence`, of `most` tokens at most, all below `vocabulary`. Often empty.
    pub(super) fn draft(&mut self, sequence: &Prompt, most: usize, vocabulary: usize) -> Vec<u32> {
        if self.paused > 0 {
            self.paused -= 1;
            return Vec::new();
        }
        let Some(from) = continuation(sequence, self.ngram) else { return Vec::new() };
        let period = sequence.len() - from;
        // Beyond the end a draft goes on with itself, as a text does that repeats itself.
        let entries = (0..self.length.min(most)).map(|i| token(sequence, from + i % period));
        entries.map_while(|id| id.filter(|&id| (id as usize) < vocabulary)).collect()
    }

    /// Adapts to what became of a draft: all right, and the next is twice as long; part of it, and the next is as long
    /// as that part; nothing, and drafts pause, each time for longer.
    pub(super) fn learn(&mut self, drafted: usize, accepted: usize) {
        if drafted == 0 {
            return;
        }
        if accepted == 0 {
            self.length = 1;
            self.paused = self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        } else {
            self.length = if accepted == drafted { (self.length * 2).min(self.most) } else { accepted };
            self.pause = 1;
        }
    }
}

fn token(sequence: &Prompt, position: usize) -> Option<u32> {
    match sequence.entry(position) {
        Entry::Token(id) => Some(id),
        Entry::Soft(_) => None,
    }
}

/// Where the text goes on after the latest earlier occurrence of its last tokens: of `ngram` of them, else of as many as
/// possible, at least [`LEAST_NGRAM`].
fn continuation(sequence: &Prompt, ngram: usize) -> Option<usize> {
    let end = sequence.len();
    let (mut longest, mut found) = (ngram.min(LEAST_NGRAM) - 1, None);
    for from in (end.saturating_sub(WINDOW).max(1)..end).rev() {
        let same = |back: &usize| {
            let id = token(sequence, from - back);
            id.is_some() && id == token(sequence, end - back)
        };
        let length = (1..=ngram.min(from)).take_while(same).count();
        if length > longest {
            (longest, found) = (length, Some(from));
        }
        if longest == ngram {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u32; 0] = [];

    fn drafter(draft: usize, ngram: usize) -> Drafter {
        Drafter::new(Speculation::PromptLookup { draft, ngram }).expect("on")
    }

    fn draft(ids: &[u32], length: usize, ngram: usize) -> Vec<u32> {
        drafter(length, ngram).draft(&Prompt::from(ids.to_vec()), 100, 1000)
    }

    #[test]
    fn what_followed_the_same_tokens_is_drafted() {
        assert_eq!(draft(&[1, 2, 3, 4, 5, 6, 1, 2, 3], 3, 3), [4, 5, 6]);
        assert_eq!(draft(&[1, 2, 9, 1, 2, 8, 1, 2], 1, 2), [8], "the latest occurrence");
        assert_eq!(draft(&[7, 1, 2, 9, 5, 1, 2, 8, 7, 1, 2], 1, 3), [9], "the longest one first");
        assert_eq!(draft(&[7, 1, 2, 9, 5, 1, 2, 8, 7, 1, 2], 1, 2), [8]);
        assert_eq!(draft(&[1, 2, 3, 4], 4, 3), NONE, "nothing occurred before");
        assert_eq!(draft(&[1, 5, 1], 4, 3), NONE, "one token is not enough");
        assert_eq!(draft(&[1, 5, 1], 1, 1), [5], "unless it is asked for");
        assert_eq!(draft(&[], 4, 3), NONE);
        assert_eq!(draft(&[1], 4, 3), NONE);
    }

    #[test]
    fn a_draft_goes_on_with_itself() {
        assert_eq!(draft(&[5, 5, 5], 4, 2), [5, 5, 5, 5]);
        assert_eq!(draft(&[1, 2, 1, 2, 1], 5, 3), [2, 1, 2, 1, 2]);
    }

    #[test]
    fn soft_tokens_and_unknown_ones_end_a_draft() {
        let mut prompt = Prompt::from(vec![1, 2]);
        prompt.push_soft(vec![0.5, 0.5], 2).expect("soft");
        for id in [3, 1, 2] {
            prompt.push_token(id);
        }
        assert_eq!(drafter(4, 3).draft(&prompt, 9, 1000), NONE);
        assert_eq!(drafter(4, 3).draft(&Prompt::from(vec![1, 2, 3, 1000, 1, 2]), 9, 1000), [3]);
    }

    #[test]
    fn drafts_keep_to_their_room_and_to_the_window() {
        let ids = [1, 2, 3, 4, 5, 1, 2];
        assert_eq!(drafter(7, 2).draft(&Prompt::from(ids.to_vec()), 2, 1000), [3, 4]);
        assert_eq!(drafter(7, 2).draft(&Prompt::from(ids.to_vec()), 0, 1000), NONE);
        let spaced = |space: u32| [vec![1, 2], (3..3 + space).collect(), vec![1, 2]].concat();
        assert_eq!(drafter(1, 2).draft(&Prompt::from(spaced(4000)), 9, 100_000), [3]);
        assert_eq!(drafter(1, 2).draft(&Prompt::from(spaced(5000)), 9, 100_000), NONE, "too far back");
    }

    #[test]
    fn lengths_follow_what_was_right() {
        let (mut own, sequence) = (drafter(7, 2), Prompt::from(vec![5; 9]));
        let length = |own: &mut Drafter| own.draft(&sequence, 100, 1000).len();
        assert_eq!(length(&mut own), 7);
        own.learn(7, 2);
        assert_eq!(length(&mut own), 2);
        own.learn(2, 2);
        assert_eq!(length(&mut own), 4);
        for pause in [1, 2, 4, 8, 16, 32, 32] {
            own.learn(4, 0);
            for _ in 0..pause {
                assert_eq!(length(&mut own), 0);
            }
            assert_eq!(length(&mut own), 1);
        }
        own.learn(1, 1);
        assert_eq!(length(&mut own), 2);
        own.learn(2, 0);
        assert_eq!((length(&mut own), length(&mut own)), (0, 1), "the next pause is short again");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (draft, ngram, name) in [(0, 3, "draft"), (8, 3, "draft"), (3, 0, "ngram"), (3, 9, "ngram")] {
            let refused = Speculation::PromptLookup { draft, ngram }.check().expect_err("refused");
            assert!(matches!(refused, Error::Argument { name: found, .. } if found == name), "{refused}");
        }
        assert!(Speculation::Off.check().is_ok() && Speculation::prompt_lookup(7).check().is_ok());
    }
}
