//! eAIBench: 38 tasks of a phone on 50 data sets.
//!
//! [`metric`] scores what a model gives as the usual tools do, [`tokenize`] cuts text as they do.

mod error;
pub mod loader;
pub mod metric;
pub mod tokenize;

pub use error::{Error, Result};
