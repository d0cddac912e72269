//! How large a picture may be, decided by its header.

use image::Limits;

use crate::error::{Error, Result};

/// Largest picture that is decoded unless the caller says otherwise: beyond the cameras of phones, and 144 MB as RGB.
pub const MAX_PIXELS: u64 = 48_000_000;
/// Largest side, and the format's own limit for JPEG: a picture of one row is no picture.
pub const MAX_SIDE: u32 = 1 << 16;
/// Widest pixel that a decoder makes: 16-bit RGBA.
const MAX_PIXEL_BYTES: u64 = 8;
/// What decoders need beside the pixels: colour profiles, EXIF blocks, windows of compressed data.
const DECODER_BYTES: u64 = 16 << 20;

/// Bounds on a decoded picture. They are compared with the file's header before a pixel is decoded or memory for it is
/// taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Width times height.
    pub pixels: u64,
    /// Width, and height.
    pub side: u32,
}

impl Default for ImageLimits {
    /// [`MAX_PIXELS`], sides of 65536.
    fn default() -> Self {
        Self { pixels: MAX_PIXELS, side: MAX_SIDE }
    }
}

impl ImageLimits {
    /// Bytes of the pixels as a decoder leaves them.
    pub(super) fn decoded_bytes(&self) -> u64 {
        self.pixels.saturating_mul(MAX_PIXEL_BYTES)
    }

    /// Succeeds for a picture whose size may be decoded.
    ///
    /// # Errors
    /// [`Error::Argument`] naming both sizes.
    pub(super) fn admit(&self, what: &str, width: u32, height: u32) -> Result<()> {
        let count = u64::from(width) * u64::from(height);
        if (1..=self.pixels).contains(&count) && width.max(height) <= self.side {
            return Ok(());
        }
        let Self { pixels, side } = self;
        let reason = format!("{what}: {width} x {height} pixels, expected 1 to {pixels} and sides to {side}");
        Err(Error::argument("image", reason))
    }

    /// The same bounds for the decoder's own buffers.
    pub(super) fn decoder(&self) -> Limits {
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(self.decoded_bytes().saturating_add(DECODER_BYTES));
        limits
    }
}
