//! Graphs in the format that every runtime reads.

mod float;
mod node;
pub mod proto;

pub use float::{export, save};
pub(crate) use node::{Writer, named, output_name};
