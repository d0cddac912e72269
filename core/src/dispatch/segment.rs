//! Which graph of a component: shapes are fixed, so there is one for each.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// A graph of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// All of an encoder, for one input.
    Whole,
    /// All of a text encoder, for one text of up to so many tokens.
    Text {
        /// Tokens.
        tokens: usize,
    },
    /// All of a recogniser up to its states, for sound whose spectrogram has up to so many columns.
    Sound {
        /// Columns.
        columns: usize,
    },
    /// The blocks of a backbone, for a piece of a prompt or for one token.
    Chunk {
        /// Tokens that run at a time.
        rows: usize,
        /// Earlier positions that there is room for.
        past: usize,
        /// Blocks from the first one on.
        blocks: usize,
    },
}

impl Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Text { tokens } => write!(f, "text-{tokens}"),
            Self::Sound { columns } => write!(f, "sound-{columns}"),
            Self::Chunk { rows, past, blocks } => write!(f, "chunk-{rows}-{past}-{blocks}"),
        }
    }
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut parts = name.split('-');
        let kind = parts.next();
        let numbers: Option<Vec<usize>> = parts.map(|part| part.parse().ok()).collect();
        match (kind, numbers.as_deref()) {
            (Some("whole"), Some([])) => Ok(Self::Whole),
            (Some("text"), Some(&[tokens])) => Ok(Self::Text { tokens }),
            (Some("sound"), Some(&[columns])) => Ok(Self::Sound { columns }),
            (Some("chunk"), Some(&[rows, past, blocks])) => Ok(Self::Chunk { rows, past, blocks }),
            _ => Err(format!("'{name}' is no segment, such as whole, text-64 or chunk-32-224-30")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Segment;

    #[test]
    fn names_are_read_back() {
        for segment in [
            Segment::Whole,
            Segment::Text { tokens: 64 },
            Segment::Sound { columns: 451 },
            Segment::Chunk { rows: 32, past: 224, blocks: 30 },
        ] {
            assert_eq!(segment.to_string().parse(), Ok(segment));
        }
        for wrong in ["", "whole-1", "sound", "sound-1-2", "text", "text-x", "chunk-1-2", "chunk-1-2-3-4", "text--1"] {
            assert!(wrong.parse::<Segment>().is_err(), "{wrong}");
        }
    }
}
