//! A decoded picture.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::{Error, Result};
use crate::weights::read_bounded;

/// Largest picture that is decoded: beyond the cameras of phones, and 144 MB as RGB.
pub const MAX_PIXELS: u64 = 48_000_000;
/// Largest side: a picture of one row is no picture.
const MAX_SIDE: u32 = 1 << 16;
/// Memory that a decoder may allocate: a 16-bit picture of [`MAX_PIXELS`] with an alpha channel.
const MAX_DECODER_BYTES: u64 = MAX_PIXELS * 8;
/// Largest file: uncompressed pixels and some room.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Order of the bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelLayout {
    /// One byte of grey.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha, as Android's `ARGB_8888` lies in memory. Alpha is dropped.
    Rgba,
    /// Blue, green, red, alpha, as Core Graphics gives it. Alpha is dropped.
    Bgra,
}

impl PixelLayout {
    fn bytes(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// A picture of 8-bit RGB pixels, row by row from the top left.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} x {})", self.width, self.height)
    }
}

impl Image {
    /// Reads a PNG, JPEG or WebP file and turns it upright as its EXIF orientation says. Alpha is dropped, as Pillow's
    /// conversion to RGB does.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else, damaged data, or more than [`MAX_PIXELS`]; the size is checked before
    /// pixels are decoded.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let malformed = |reason: String| Error::malformed("image", "PNG, JPEG or WebP", reason);
        let mut reader =
            ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| malformed(e.to_string()))?;
        if reader.format() == Some(ImageFormat::Jpeg) && !has_end(bytes) {
            return Err(malformed("a JPEG that ends before its end-of-image marker".into()));
        }
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_DECODER_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| malformed(e.to_string()))?;
        let (width, height) = decoder.dimensions();
        let count = u64::from(width) * u64::from(height);
        if count == 0 || count > MAX_PIXELS {
            return Err(malformed(format!("{width} x {height} pixels, expected 1 to {MAX_PIXELS}")));
        }
        // A damaged EXIF block does not make the pixels unreadable; as other viewers do, it is ignored.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| malformed(e.to_string()))?;
        picture.apply_orientation(orientation);
        let rgb = picture.into_rgb8();
        Ok(Self { width: rgb.width() as usize, height: rgb.height() as usize, pixels: rgb.into_raw() })
    }

    /// As [`Image::decode`], from a file.
    ///
    /// # Errors
    /// [`Error::Io`], or as [`Image::decode`], naming the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(&read_bounded(path, MAX_FILE_BYTES)?).map_err(|error| match error {
            Error::Malformed { format, reason, .. } => Error::malformed(path.display(), format, reason),
            other => other,
        })
    }

    /// Takes pixels that are in memory, `width * height` of them without padding between rows.
    ///
    /// # Errors
    /// [`Error::Argument`] when the length does not fit, or for no or too many pixels.
    pub fn from_pixels(pixels: &[u8], layout: PixelLayout, width: usize, height: usize) -> Result<Self> {
        let count = width.checked_mul(height).filter(|&count| count > 0 && count as u64 <= MAX_PIXELS);
        let fits = count.and_then(|count| count.checked_mul(layout.bytes())) == Some(pixels.len());
        if !fits || width > MAX_SIDE as usize || height > MAX_SIDE as usize {
            let reason = format!("{} bytes for {width} x {height} pixels of {layout:?}", pixels.len());
            return Err(Error::argument("pixels", reason));
        }
        let pixels = match layout {
            PixelLayout::Rgb => pixels.to_vec(),
            PixelLayout::Grey => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
            PixelLayout::Rgba => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            PixelLayout::Bgra => pixels.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]]).collect(),
        };
        Ok(Self { width, height, pixels })
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[height, width, 3]`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Pixels that were computed from another picture.
    pub(super) fn from_rgb(pixels: Vec<u8>, width: usize, height: usize) -> Self {
        debug_assert_eq!(pixels.len(), width * height * 3);
        Self { width, height, pixels }
    }
}

/// Whether a JPEG's last scan is followed by the end-of-image marker: the decoder fills what is missing with grey
/// without a word. Within a scan a byte of 0xff is always followed by 0, so the two markers cannot be data.
fn has_end(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xd9]) > last([0xff, 0xda])
}
