//! Layers that encoders are built of: each one loads from a checkpoint by its Hugging Face module path and lists what
//! adapters may act on.
//!
//! Activations are rows: `[tokens, width]` in transformers, `[positions, channels]` in convolutional trunks. Rows of
//! several inputs lie one after the other, so inputs with different adapters share one pass.

mod activation;
mod attention;
mod block;
mod conv;
mod grouped;
mod loader;
mod lower;
mod norm;
mod planes;

pub use activation::Activation;
pub(crate) use attention::{Heads, Mask, Planes, attend};
pub(crate) use block::{BlockNames, BlockShape, Pass, TransformerBlock, add};
pub(crate) use conv::{Conv, ConvShape, Grid};
pub(crate) use grouped::GroupedConv;
pub(crate) use loader::{Bias, Loader, Prefix};
pub(crate) use lower::{attention, attention_of_heads, first_row, mlp, of_length, placed, position_rows, query_scale};
pub(crate) use norm::{Affine, LayerNorm};
pub(crate) use planes::{rows_of_planes, shuffled};
