//! Data folders: the format that `loam_train` trains on and `loam eval` scores; `docs/data-folders.md` describes it.
//!
//! What is read here was made by others: every length is bounded, every file lies inside the folder, and an error names the
//! file, the row and the value.

mod description;
mod example;
mod folder;
mod listing;
mod recordings;

pub use description::DataTask;
pub use example::{Example, Kind};
pub use folder::{DataSplit, SPLITS};
