//! Scores of what a task gives beside what is right. Definitions are those of the usual tools, written out where they are.

mod edits;
mod labels;
mod latency;
mod ngrams;
mod texts;
mod words;

pub use labels::{LabelReport, LabelScores};
pub use latency::Latency;
pub use texts::{TextScores, plain};
pub use words::SpeechScores;
