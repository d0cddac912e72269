//! From tokens to segments.

use super::contract::Segment;
use crate::model::recognizer::ctc::{CtcToken, CtcVocabulary};

/// A pause that parts segments, in seconds.
const PAUSE: f64 = 0.6;
/// Length beyond which a segment ends with its word, in seconds.
const LONG: f64 = 20.0;
/// Length beyond which it ends at once.
const LONGEST: f64 = 40.0;

/// Writes the text of one stream and cuts it into segments: at pauses between words, and where one gets long.
#[derive(Debug)]
pub(super) struct Writer {
    /// Seconds from frame to frame.
    step: f64,
    /// Whether some token parts words; without one, every token may begin a segment.
    spaced: bool,
    open: Option<Open>,
    /// Spaces after the last word: written once another one follows.
    space: String,
    /// Tokens of those spaces.
    space_tokens: Vec<u32>,
    begun: bool,
}

#[derive(Debug)]
struct Open {
    first: u64,
    last: u64,
    text: String,
    tokens: Vec<u32>,
    /// Sum over the tokens.
    log_probability: f64,
}

impl Writer {
    /// A writer at the begin of a stream whose frames are `step` seconds apart.
    pub(super) fn new(vocabulary: &CtcVocabulary, step: f64) -> Self {
        Self {
            step,
            spaced: vocabulary.has_spaces(),
            open: None,
            space: String::new(),
            space_tokens: Vec::new(),
            begun: false,
        }
    }

    /// Writes the next token, after the segment that it ends, if it does.
    pub(super) fn add(&mut self, token: &CtcToken, vocabulary: &CtcVocabulary) -> Option<Segment> {
        let piece = vocabulary.piece(token.id);
        if piece.trim().is_empty() {
            self.space.push_str(piece);
            self.space_tokens.push(token.id);
            return None;
        }
        let closed = if self.is_over(token.frame) { self.close() } else { None };
        let open = self.open.get_or_insert_with(|| Open {
            first: token.frame,
            last: token.frame,
            text: String::new(),
            tokens: Vec::new(),
            log_probability: 0.0,
        });
        open.last = token.frame;
        open.tokens.append(&mut self.space_tokens);
        open.tokens.push(token.id);
        open.log_probability += f64::from(token.log_probability);
        // A transcript begins with a word.
        if self.begun {
            open.text.push_str(&self.space);
        }
        self.space.clear();
        let words = piece.trim_end();
        open.text.push_str(if self.begun { words } else { words.trim_start() });
        self.space.push_str(&piece[words.len()..]);
        self.begun = true;
        closed
    }

    /// Ends the segment at hand if `frame` lies so far behind it that nothing will be added to it.
    pub(super) fn settle(&mut self, frame: u64) -> Option<Segment> {
        let open = self.open.as_ref()?;
        (self.at_word_end() && self.seconds(frame.saturating_sub(open.last)) >= PAUSE).then(|| self.close()).flatten()
    }

    /// Ends the segment at hand.
    pub(super) fn close(&mut self) -> Option<Segment> {
        let open = self.open.take()?;
        let count = open.tokens.len() as f64;
        Some(Segment {
            start: self.seconds(open.first),
            end: self.seconds(open.last + 1),
            text: open.text,
            tokens: open.tokens,
            log_probability: (open.log_probability / count) as f32,
            no_speech_probability: None,
            temperature: 0.0,
        })
    }

    /// Text of the segment at hand.
    pub(super) fn partial(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.text)
    }

    /// Whether a word that begins at `frame` begins a segment.
    fn is_over(&self, frame: u64) -> bool {
        let Some(open) = &self.open else { return false };
        let pause = self.seconds(frame.saturating_sub(open.last)) >= PAUSE;
        let length = self.seconds(frame.saturating_sub(open.first));
        self.at_word_end() && (pause || length >= LONG) || length >= LONGEST
    }

    fn at_word_end(&self) -> bool {
        !self.spaced || !self.space.is_empty()
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> CtcVocabulary {
        let pieces = ["", " ", "a", "b", "ch "].map(str::to_owned).to_vec();
        CtcVocabulary::new(pieces, 0).expect("vocabulary")
    }

    fn segments(tokens: &[(u32, u64)]) -> Vec<(f64, f64, String)> {
        let vocabulary = vocabulary();
        let mut writer = Writer::new(&vocabulary, 0.02);
        let mut closed = Vec::new();
        for &(id, frame) in tokens {
            let before = writer.partial().to_owned();
            match writer.add(&CtcToken { id, frame, log_probability: -0.5 }, &vocabulary) {
                Some(segment) => {
                    assert_eq!(segment.text, before, "a segment is what its partial text was");
                    closed.push(segment);
                }
                None => assert!(writer.partial().starts_with(&before)),
            }
        }
        closed.extend(writer.close());
        closed.into_iter().map(|segment| (segment.start, segment.end, segment.text)).collect()
    }

    #[test]
    fn texts_join_to_the_transcript() {
        let found = segments(&[(1, 0), (2, 5), (3, 6), (1, 8), (2, 50), (1, 51), (4, 52), (2, 53), (1, 54)]);
        assert_eq!(found, [(0.1, 0.14, "ab".into()), (1.0, 1.08, " a ch a".into())]);
    }

    #[test]
    fn a_pause_within_a_word_parts_nothing_until_the_segment_is_too_long() {
        let found = segments(&[(2, 0), (3, 100), (1, 101), (2, 1010), (3, 4000)]);
        let texts: Vec<&str> = found.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(texts, ["ab", " a", "b"]);
    }

    #[test]
    fn silence_settles_a_segment_only_after_its_word() {
        let vocabulary = vocabulary();
        let mut writer = Writer::new(&vocabulary, 0.02);
        assert!(writer.settle(1000).is_none());
        for (id, frame) in [(2, 10), (1, 12)] {
            assert!(writer.settle(1000).is_none());
            writer.add(&CtcToken { id, frame, log_probability: 0.0 }, &vocabulary);
        }
        assert!(writer.settle(39).is_none());
        assert_eq!(writer.settle(40).map(|segment| segment.tokens), Some(vec![2]));
        assert_eq!(writer.partial(), "");
    }
}
