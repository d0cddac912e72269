//! From the bytes of a file to a picture.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

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
    /// [`Error::Malformed`] naming the format, for damaged or truncated data; [`Error::Argument`] for a picture above the
    /// limits; [`Error::Unsupported`] for another format of pictures. A JPEG without an end marker counts as truncated.
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
    let source = Source { what, bytes, format, name };
    catch_unwind(AssertUnwindSafe(|| source.pixels(limits)))
        .unwrap_or_else(|_| Err(source.malformed("the decoder failed on it")))
}

/// A picture's file.
struct Source<'a> {
    what: &'a str,
    bytes: &'a [u8],
    format: ImageFormat,
    name: &'static str,
}

impl Source<'_> {
    fn malformed(&self, reason: impl ToString) -> Error {
        Error::malformed(self.what, self.name, reason)
    }

    /// What the decoder says: a library that takes more memory than its picture may have is no damage.
    fn refused(&self, error: &ImageError, limits: &ImageLimits) -> Error {
        match error {
            ImageError::Limits(_) => {
                let ImageLimits { pixels, side } = limits;
                let reason = format!("{}: {error}; accepted are {pixels} pixels and sides to {side}", self.what);
                Error::argument("image", reason)
            }
            _ => self.malformed(error),
        }
    }

    fn pixels(&self, limits: &ImageLimits) -> Result<Image> {
        let &Self { bytes, format, .. } = self;
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(limits.decoder());
        let mut decoder = reader.into_decoder().map_err(|e| self.refused(&e, limits))?;
        let (width, height) = decoder.dimensions();
        limits.admit(self.what, width, height)?;
        if decoder.total_bytes() > limits.decoded_bytes() {
            let reason = format!("{}: {width} x {height} pixels take {} bytes", self.what, decoder.total_bytes());
            return Err(Error::argument("image", reason));
        }
        match format {
            ImageFormat::Jpeg if !jpeg_is_whole(bytes) => {
                return Err(self.malformed("truncated: there is no end marker"));
            }
            ImageFormat::WebP if !webp_is_whole(bytes) => {
                return Err(self.malformed("truncated: shorter than its header says"));
            }
            // The decoder of PNG, and that of lossless WebP, look for missing data themselves.
            _ => {}
        }
        // A damaged EXIF block does not make the pixels unreadable; as other viewers do, it is ignored.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| self.refused(&e, limits))?;
        picture.apply_orientation(orientation);
        let rgb = picture.into_rgb8();
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        Ok(Image::from_rgb(rgb.into_raw(), width, height))
    }
}
