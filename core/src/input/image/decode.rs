//! From the bytes of a file to a picture.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::limits::ImageLimits;
use super::picture::Image;
use super::truncation::{jpeg_is_whole, webp_is_whole};
use crate::error::{Error, Result};
use crate::weights::read_bounded;

/// Largest file: uncompressed pixels and some room.
const MAX_FILE_BYTES: u64 = 256 << 20;

impl Image {
    /// Reads a PNG, JPEG or WebP file within the default [`ImageLimits`].
    ///
    /// The picture is turned upright as its EXIF orientation says. Alpha is dropped, as Pillow's conversion to RGB does,
    /// 16-bit channels are rounded to 8 bits, palettes and grey become RGB. Colour profiles are not applied; of an
    /// animation the first frame is read.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the format, for damaged or truncated data, or a picture above the limits;
    /// [`Error::Unsupported`] for another format of pictures. A JPEG without an end marker counts as truncated.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::decode_within(bytes, &ImageLimits::default())
    }

    /// As [`Image::decode`], within other limits.
    ///
    /// # Errors
    /// As [`Image::decode`].
    pub fn decode_within(bytes: &[u8], limits: &ImageLimits) -> Result<Self> {
        decode("image", bytes, limits)
    }

    /// As [`Image::decode`], from a file.
    ///
    /// # Errors
    /// [`Error::Io`], or as [`Image::decode`], naming the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        decode(&path.display().to_string(), &read_bounded(path, MAX_FILE_BYTES)?, &ImageLimits::default())
    }
}

fn decode(what: &str, bytes: &[u8], limits: &ImageLimits) -> Result<Image> {
    let (format, name) = match image::guess_format(bytes) {
        Ok(format @ ImageFormat::Png) => (format, "PNG"),
        Ok(format @ ImageFormat::Jpeg) => (format, "JPEG"),
        Ok(format @ ImageFormat::WebP) => (format, "WebP"),
        Ok(other) => {
            return Err(Error::unsupported(format!("{what}: {other:?} picture"), "PNG, JPEG and WebP are read"));
        }
        Err(_) => return Err(Error::malformed(what, "PNG, JPEG or WebP", "the first bytes are of no picture format")),
    };
    // The decoders are libraries that read hostile bytes; one that gives up in the middle must not end the app.
    match catch_unwind(AssertUnwindSafe(|| pixels(bytes, format, limits))) {
        Ok(result) => result.map_err(|reason| Error::malformed(what, name, reason)),
        Err(_) => Err(Error::malformed(what, name, "the decoder failed on it")),
    }
}

fn pixels(bytes: &[u8], format: ImageFormat, limits: &ImageLimits) -> Result<Image, String> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.decoder());
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    if !limits.admit(width, height) {
        let ImageLimits { pixels, side } = limits;
        return Err(format!("{width} x {height} pixels, expected 1 to {pixels} and sides to {side}"));
    }
    if decoder.total_bytes() > limits.decoded_bytes() {
        return Err(format!("{width} x {height} pixels take {} bytes", decoder.total_bytes()));
    }
    match format {
        ImageFormat::Jpeg if !jpeg_is_whole(bytes) => return Err("truncated: there is no end marker".to_owned()),
        ImageFormat::WebP if !webp_is_whole(bytes) => return Err("truncated: shorter than its header says".to_owned()),
        // The decoder of PNG, and that of lossless WebP, look for missing data themselves.
        _ => {}
    }
    // A damaged EXIF block does not make the pixels unreadable; as other viewers do, it is ignored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(Image::from_rgb(rgb.into_raw(), width, height))
}
