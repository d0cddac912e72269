//! Loam's engine: one frozen foundation model per device, and one small adapter per task.
//!
//! [`Engine`] opens a foundation (or a bare GGUF file or Hugging Face directory), loads its components on first use and
//! keeps the registry of adapters. Tasks are methods and types on top of it: [`task::Chat`], [`Engine::classify`],
//! [`engine::TextModel::embed`], [`engine::LanguageModel::perplexity`]. Weights are mapped read-only and used in place;
//! an adapter runs beside them and never changes them.
//!
//! ```
//! use loam::Engine;
//! use loam::adapter::InstallPolicy;
//!
//! # fn main() -> loam::Result<()> {
//! // A random model of a few kilobytes; a real one opens the same way.
//! let engine = Engine::open("tests/fixtures/models/llama2/model.gguf")?;
//! let model = engine.language()?;
//! let tokens = [1, 5, 9, 40, 2];
//! let bare = model.perplexity(&tokens, None)?;
//!
//! let adapter = engine.install("tone", "tests/fixtures/peft/llama2-all-r4", InstallPolicy::Create)?;
//! let adapted = model.perplexity(&tokens, Some(&adapter))?;
//! assert_ne!(bare.perplexity, adapted.perplexity);
//!
//! engine.adapters().remove("tone")?;
//! assert_eq!(bare, model.perplexity(&tokens, None)?);
//! # Ok(())
//! # }
//! ```

pub mod adapter;
mod arena;
pub mod budget;
pub mod dispatch;
pub mod engine;
pub mod error;
pub mod foundation;
pub mod graph;
pub mod input;
pub mod model;
pub mod pool;
pub mod quant;
pub mod task;
pub mod weights;

pub use engine::Engine;
pub use error::{Error, Result};
