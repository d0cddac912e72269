//! What a search makes of frames.

/// A token that was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CtcToken {
    /// Its index in the vocabulary.
    pub id: u32,
    /// The frame of the stream at which it was heard first.
    pub frame: u64,
    /// Natural logarithm of its probability there.
    pub log_probability: f32,
}

/// A search through the frames of one stream, whose decisions are final as soon as it hands them out.
#[derive(Clone, Debug)]
pub enum CtcSearch {
    /// The best token of each frame.
    Greedy(super::Greedy),
    /// The most probable texts side by side.
    Beam(super::PrefixBeam),
}

impl CtcSearch {
    /// Reads frames `[frames, vocabulary]` of log-probabilities and returns the tokens that became final.
    pub fn push(&mut self, frames: &[f32]) -> Vec<CtcToken> {
        match self {
            Self::Greedy(search) => search.push(frames),
            Self::Beam(search) => search.push(frames),
        }
    }

    /// Ends the stream and returns the tokens that are left.
    pub fn finish(&mut self) -> Vec<CtcToken> {
        match self {
            Self::Greedy(_) => Vec::new(),
            Self::Beam(search) => search.finish(),
        }
    }

    /// The frame before which nothing will be added: the next one unless the search is of two minds.
    #[must_use]
    pub fn settled(&self) -> u64 {
        match self {
            Self::Greedy(search) => search.frames(),
            Self::Beam(search) => search.settled(),
        }
    }
}
