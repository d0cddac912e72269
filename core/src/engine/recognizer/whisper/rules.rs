//! Which tokens may follow: what is never written, and how times order a text.
//!
//! The rules and their order are those of transformers' logits processors of Whisper, which follow OpenAI's `decoding.py`.

use super::vocabulary::Vocabulary;
use crate::model::ops::log_sum_exp;

/// Whether times are written among the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// Each stretch of speech begins and ends with a time.
    #[default]
    Predicted,
    /// Text only; a window is one segment.
    Absent,
}

/// The rules of one model for one kind of text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) timestamps: Timestamps,
}

impl Rules<'_> {
    /// Sets the scores of tokens that may not follow `written`, the tokens behind the prompt, to minus infinity. `scores`
    /// are logits or log probabilities; a common offset does not matter.
    pub(super) fn apply(&self, written: &[u32], scores: &mut [f32]) {
        let vocabulary = self.vocabulary;
        if written.is_empty() {
            vocabulary.begin_suppress.iter().for_each(|&id| forbid(scores, id as usize..id as usize + 1));
        }
        vocabulary.suppress.iter().for_each(|&id| forbid(scores, id as usize..id as usize + 1));
        if self.timestamps == Timestamps::Predicted {
            self.order_times(written, scores);
        }
    }

    fn order_times(&self, written: &[u32], scores: &mut [f32]) {
        let first = self.vocabulary.first_time();
        let is_time = |id: Option<&u32>| id.is_some_and(|&id| id >= first);
        let begin = first as usize;
        forbid(scores, begin - 1..begin);
        // Times come in pairs, but for the first one and one that ends the text.
        let last = is_time(written.last());
        let before = written.len() < 2 || is_time(written.get(written.len() - 2));
        match (last, before) {
            (true, true) => forbid(scores, begin..scores.len()),
            (true, false) => forbid(scores, 0..self.vocabulary.end as usize),
            (false, _) => {}
        }
        // They never run backwards, and no stretch lasts no time.
        if let Some(&time) = written.iter().rev().find(|&&id| id >= first) {
            let least = if last && !before { time as usize } else { time as usize + 1 };
            forbid(scores, begin..least.min(scores.len()));
        }
        if written.is_empty() {
            forbid(scores, 0..begin);
            if let Some(latest) = self.vocabulary.max_initial_timestamp {
                let beyond = begin.saturating_add(latest).saturating_add(1);
                forbid(scores, beyond.min(scores.len())..scores.len());
            }
        }
        // Some time or other may be more probable than each single text.
        let (text, times) = scores.split_at(begin);
        let best = text.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if log_sum_exp(times) > best {
            forbid(scores, 0..begin);
        }
    }
}

fn forbid(scores: &mut [f32], range: std::ops::Range<usize>) {
    scores[range].fill(f32::NEG_INFINITY);
}
