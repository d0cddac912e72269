//! Loaders: the official files of every data set, and the sets that stand in for them, as [`Example`]s.
//!
//! Nothing is downloaded and nothing is unpacked: `--data` names the folder in which the files lie as their authors publish
//! them, archives opened. Rows are read as they are asked for where the format allows it. What is read was made by others:
//! lengths are bounded, names in files stay within the folder, and an error names the file, the place and the value.

mod about_pictures;
mod arrays;
mod coco;
mod example;
mod folder;
mod format;
mod json;
mod labels;
mod language;
mod lines;
mod masks;
mod mat;
mod motion;
mod packed;
mod pictures;
mod ppm;
mod questions;
mod retrieval;
mod sounds;
mod source;
mod speech;
mod stand_in;
mod table;
mod text_classes;
mod translation;

pub use example::{Boxes, Example, Examples, Input, Motion, Role, Split, Target};
pub use format::Format;
pub use source::{Mask, MaskMeaning, MaskValues, Media, Source};
pub use stand_in::View;
pub use translation::Direction;
