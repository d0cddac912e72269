//! Encoders: one modality each into a shared embedding space.

mod bert;
mod contract;
mod fields;
mod registry;
mod sentence;

pub use bert::{Bert, BertConfig, Sequence};
pub use contract::{Encoder, Encoding, Features, Item};
pub use registry::{FAMILIES, Family, Source, open};
pub use sentence::{Pooling, SentenceEncoder};
