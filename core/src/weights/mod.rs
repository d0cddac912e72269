//! Files to tensors: safetensors, GGUF and PyTorch checkpoints, memory-mapped read-only and used in place.

mod block;
mod checkpoint;
mod digest;
mod dtype;
mod encode;
mod files;
mod gguf;
mod gguf_writer;
mod mmap;
mod pickle;
mod pytorch;
mod quantize;
mod safetensors;
mod shards;
mod tensor;

pub(crate) use block::Decoder;
pub(crate) use block::half;
pub use checkpoint::{Checkpoint, Naming, QUANTIZED, TensorInfo, is_named_as_weights};
pub use digest::{Sha256Hex, sha256_file, sha256_file_with};
pub use dtype::BlockType;
pub use files::read_bounded;
pub(crate) use files::{MAX_CONFIG, read_json, read_shared};
pub use gguf::{Gguf, Metadata, Value};
pub use gguf_writer::{GgufPlan, GgufWriter};
pub use mmap::{Bytes, MappedFile};
pub use pytorch::Pytorch;
pub use quantize::{Quantization, QuantizedTensors, quantize};
pub use safetensors::Safetensors;
pub use tensor::{TensorView, checked_elements};
