//! ImageBind (arXiv 2305.05665): one small vision-style transformer per modality into one space, from the state-dict names
//! of the public `imagebind_huge`.
//!
//! The release has no `config.json`; a directory needs one that holds `{"model_type": "imagebind"}`. Sizes that it does not
//! give are those of `imagebind_huge`:
//!
//! ```json
//! { "model_type": "imagebind", "projection_dim": 1024,
//!   "vision": { "hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "image_size": 224, "patch_size": 14 },
//!   "text":   { "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 49408,
//!               "max_position_embeddings": 77 },
//!   "audio":  { "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "num_mel_bins": 128,
//!               "max_length": 204, "patch_size": 16, "stride": 10 },
//!   "imu":    { "hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8, "num_channels": 6,
//!               "max_length": 2000, "patch_size": 8 },
//!   "depth":  { "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 8, "image_size": 224, "patch_size": 16 },
//!   "thermal": { "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224,
//!                "patch_size": 16 } }
//! ```
//!
//! A tower takes its own tensors and leaves those of the other towers in the file, known to this engine or not. An
//! embedding is what ImageBind's forward pass returns: normalised, scaled by the modality's factor, and the mean over the
//! clips of an input.
//!
//! PyTorch keeps queries, keys and values in one fused weight. Here they are three linears over the same bytes, listed as
//! `modality_trunks.<tower>.blocks.N.attn.{q,k,v}_proj`, so that an adapter acts on each.

pub(super) mod audio;
mod config;
pub(super) mod depth;
mod grey;
pub(super) mod imu;
mod stem;
pub(super) mod text;
pub(super) mod thermal;
mod tower;
mod trunk;
pub(super) mod vision;

pub use imu::input as imu_input;
