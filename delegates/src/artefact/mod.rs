//! What was compiled for one graph and one target: a folder of files, each checked before it is loaded. A damaged context loads
//! without a word and answers wrongly.

mod read;
mod record;
mod write;

pub use read::Artefact;
pub(crate) use record::VERSION;
pub use record::{FileRecord, Record};
pub(crate) use write::{Writing, compiled, store};
