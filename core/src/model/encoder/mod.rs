//! Encoders: one modality each into a shared embedding space.

mod bert;
mod sentence;

pub use bert::{Bert, BertConfig, Sequence};
pub use sentence::{Pooling, SentenceEncoder};
