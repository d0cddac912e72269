//! Pictures: decoding, and the steps from pixels to what a network reads.

mod picture;
mod processor;
mod resize;
mod tiles;

pub use picture::{Image, MAX_PIXELS, PixelLayout};
pub use processor::{ImageProcessor, Pixels};
pub use resize::Resampling;
pub use tiles::{TileProcessor, Tiles};
