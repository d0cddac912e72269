//! Encoders: one modality each into a shared embedding space.

mod anchor;
mod ast;
mod attention_pool;
mod bert;
mod clip_text;
mod contract;
mod fields;
mod head;
mod idefics3;
pub mod imagebind;
mod limu_bert;
mod preprocessor;
mod registry;
mod sentence;
mod text;
pub(crate) mod tower;
mod vit;
mod vit_config;
mod vit_load;
mod vit_names;
pub(crate) mod wav2vec2;
mod whisper;

pub use anchor::Anchor;
pub use bert::{Bert, BertConfig, Sequence};
pub use clip_text::ClipText;
pub(crate) use contract::is_read_as;
pub use contract::{Encoder, Encoding, Features, Item, TimeAxis};
pub(crate) use fields::{Fields, MAX_WIDTH};
pub use head::{Head, Problem};
pub use idefics3::Idefics3Vision;
pub use preprocessor::Preprocessor;
pub(crate) use registry::ModelDir;
pub use registry::{FAMILIES, Family, Source, modality, open, open_with};
pub use sentence::{Pooling, SentenceEncoder};
pub(crate) use text::normalise;
pub use text::{TEXT_FAMILIES, TextEncoder, open_text};
