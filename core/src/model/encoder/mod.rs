//! Encoders: one modality each into a shared embedding space.

mod bert;
mod contract;
mod fields;
mod idefics3;
mod registry;
mod sentence;

pub use bert::{Bert, BertConfig, Sequence};
pub use contract::{Encoder, Encoding, Features, Item};
pub(crate) use fields::{Fields, MAX_WIDTH};
pub use idefics3::Idefics3Vision;
pub use registry::{FAMILIES, Family, Source, open};
pub use sentence::{Pooling, SentenceEncoder};
