//! Networks over frozen weights: the language backbone and the encoders.

pub mod backbone;
mod cache;
pub mod encoder;
mod ops;
mod table;

pub use cache::{BLOCK_TOKENS, CacheShape, KvCache};
pub use table::{LinearInfo, LinearRole, LinearTable, RowOrder};
