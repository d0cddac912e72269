//! The best token of each frame, repetitions and blanks left out (Graves et al. 2006, "best path decoding").

use super::token::CtcToken;

/// Greedy search. Holds one token.
#[derive(Clone, Debug)]
pub struct Greedy {
    vocabulary: usize,
    blank: u32,
    last: u32,
    frames: u64,
}

impl Greedy {
    /// A search at the begin of a stream.
    ///
    /// # Panics
    /// When `blank` is no index of a vocabulary of that size.
    #[must_use]
    pub fn new(vocabulary: usize, blank: u32) -> Self {
        assert!((blank as usize) < vocabulary, "the blank is one of the vocabulary");
        Self { vocabulary, blank, last: blank, frames: 0 }
    }

    /// Reads frames `[frames, vocabulary]` and returns the tokens in them; among equals the first one wins.
    ///
    /// # Panics
    /// When `frames` is not a whole number of frames.
    pub fn push(&mut self, frames: &[f32]) -> Vec<CtcToken> {
        assert_eq!(frames.len() % self.vocabulary, 0, "frames are whole");
        let mut tokens = Vec::new();
        for frame in frames.chunks_exact(self.vocabulary) {
            let mut best = 0;
            for (id, value) in frame.iter().enumerate() {
                if *value > frame[best] {
                    best = id;
                }
            }
            let id = u32::try_from(best).expect("invariant: vocabularies are bounded");
            if id != self.blank && id != self.last {
                tokens.push(CtcToken { id, frame: self.frames, log_probability: frame[best] });
            }
            self.last = id;
            self.frames += 1;
        }
        tokens
    }

    /// Frames that were read.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(best: &[usize]) -> Vec<f32> {
        best.iter().flat_map(|&best| (0..4).map(move |id| if id == best { -0.1 } else { -3.0 })).collect()
    }

    #[test]
    fn repetitions_merge_unless_a_blank_parts_them_however_frames_are_cut() {
        let all = frames(&[0, 1, 1, 0, 1, 2, 2, 3, 3, 0, 0, 3]);
        let whole = Greedy::new(4, 0).push(&all);
        let ids: Vec<(u32, u64)> = whole.iter().map(|t| (t.id, t.frame)).collect();
        assert_eq!(ids, [(1, 1), (1, 4), (2, 5), (3, 7), (3, 11)]);
        for cut in 1..all.len() / 4 {
            let mut search = Greedy::new(4, 0);
            let mut parts = search.push(&all[..cut * 4]);
            parts.extend(search.push(&all[cut * 4..]));
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }
}
