//! Pictures: decoding, and the steps from pixels to what a network reads.

mod picture;
mod processor;
mod resize;

pub use picture::{Image, MAX_PIXELS, PixelLayout};
pub use processor::{ImageProcessor, Pixels};
pub use resize::Resampling;
