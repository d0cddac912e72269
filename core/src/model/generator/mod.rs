//! Generators: networks whose output is no text. So far speech, and pictures at a larger size.

pub mod edsr;
mod tile;
pub mod vits;

pub use tile::Tiling;
