//! Networks over frozen weights: the language backbone and the encoders.

pub mod backbone;
mod cache;
pub mod encoder;
pub mod generator;
pub(crate) mod layer;
mod modality;
pub(crate) mod ops;
pub mod projector;
pub mod recognizer;
mod table;

pub use cache::{BLOCK_TOKENS, CacheBlock, CacheShape, CacheType, KvCache};
pub use layer::Activation;
pub use modality::Modality;
pub use table::{LinearInfo, LinearRole, LinearTable, RowOrder};
