//! Pictures: decoding, and the steps from pixels to what a network reads.

mod config;
mod decode;
mod limits;
mod picture;
mod processor;
mod raster;
mod resize;
mod tiles;
mod truncation;

pub use limits::{ImageLimits, MAX_PIXELS, MAX_SIDE};
pub use picture::{Image, PixelLayout};
pub use processor::{ImageProcessor, Pixels};
pub use resize::Resampling;
pub use tiles::{TileProcessor, Tiles};
