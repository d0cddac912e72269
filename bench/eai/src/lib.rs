//! eAIBench: 38 tasks of a phone on 50 data sets.
//!
//! Three parts that need no engine: [`registry`] knows every task and data set, [`loader`] reads the official files of each
//! of them, and [`metric`] scores what a model makes of them as the usual tools do. [`score()`] ties them together: examples and
//! what was predicted for each become one number.
//!
//! ```
//! use loam_bench::registry::{self, DatasetId};
//!
//! let entry = registry::entry(DatasetId::new(24)?);
//! assert_eq!((entry.dataset, entry.metric.name()), ("GTSRB", "accuracy"));
//! println!("{}", entry.command());
//! # Ok::<(), loam_bench::Error>(())
//! ```

mod error;
pub mod loader;
pub mod metric;
pub mod registry;
mod score;
pub mod tokenize;

pub use error::{Error, Result};
pub use score::{Prediction, score};
