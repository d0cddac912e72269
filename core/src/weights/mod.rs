//! Files to tensors: safetensors and GGUF, memory-mapped read-only and used in place.

mod block;
mod checkpoint;
mod digest;
mod dtype;
mod gguf;
mod mmap;
mod safetensors;
mod tensor;

pub(crate) use block::{Decoder, half};
pub use checkpoint::{Checkpoint, TensorInfo};
pub use digest::{Sha256Hex, sha256_file};
pub use dtype::BlockType;
pub use gguf::{Gguf, Metadata, Value};
pub use mmap::{Bytes, MappedFile};
pub use safetensors::{Safetensors, read_bounded};
pub use tensor::{TensorView, checked_elements};
