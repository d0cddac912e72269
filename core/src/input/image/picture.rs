//! A picture in memory.

use super::limits::{MAX_PIXELS, MAX_SIDE};
use super::raster::Raster;
use super::resize::Resampling;
use crate::error::{Error, Result};

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
    /// Bytes of one pixel.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }

    fn append(self, row: &[u8], rgb: &mut Vec<u8>) {
        match self {
            Self::Rgb => rgb.extend_from_slice(row),
            Self::Grey => rgb.extend(row.iter().flat_map(|&grey| [grey; 3])),
            Self::Rgba => rgb.extend(row.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]])),
            Self::Bgra => rgb.extend(row.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]])),
        }
    }
}

/// A picture of 8-bit RGB pixels, row by row from the top left.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    raster: Raster,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} x {})", self.width(), self.height())
    }
}

impl Image {
    /// Takes pixels that are in memory, `width * height` of them without padding between rows.
    ///
    /// # Errors
    /// [`Error::Argument`] when the length does not fit, or for none or more than 48 million pixels.
    pub fn from_pixels(pixels: &[u8], layout: PixelLayout, width: usize, height: usize) -> Result<Self> {
        Self::from_rows(pixels, layout, width, height, width.saturating_mul(layout.bytes()))
    }

    /// As [`Image::from_pixels`], from rows that begin `stride` bytes apart, as bitmaps and camera buffers have them.
    /// The padding after the last row may be missing.
    ///
    /// # Errors
    /// As [`Image::from_pixels`], and for a stride shorter than a row.
    pub fn from_rows(pixels: &[u8], layout: PixelLayout, width: usize, height: usize, stride: usize) -> Result<Self> {
        let wrong = |expected: String| {
            let given =
                format!("{} bytes for {width} x {height} pixels of {layout:?}, rows {stride} apart", pixels.len());
            Error::argument("pixels", format!("{given}; {expected}"))
        };
        let count = width.checked_mul(height).filter(|&count| count > 0 && count as u64 <= MAX_PIXELS);
        let Some(count) = count.filter(|_| width.max(height) <= MAX_SIDE as usize) else {
            return Err(wrong(format!("1 to {MAX_PIXELS} pixels and sides to {MAX_SIDE} are accepted")));
        };
        let row = width * layout.bytes();
        let whole = stride.checked_mul(height).filter(|_| stride >= row);
        let Some(whole) = whole else { return Err(wrong(format!("a row is {row} bytes"))) };
        if !(whole - (stride - row)..=whole).contains(&pixels.len()) {
            return Err(wrong(format!("{whole} bytes are expected")));
        }
        let mut rgb = Vec::with_capacity(count * 3);
        pixels.chunks(stride).for_each(|line| layout.append(&line[..row], &mut rgb));
        Ok(Self::from_rgb(rgb, width, height))
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.raster.width()
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.raster.height()
    }

    /// `[height, width, 3]`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.raster.bytes()
    }

    /// The picture at another size; its sides are scaled independently.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of 0 or above 16384, or more than 48 million pixels, those of the picture at its new
    /// width and old height included.
    pub fn resize(&self, width: usize, height: usize, resampling: Resampling) -> Result<Self> {
        Ok(Self { raster: self.raster.resize(width, height, resampling)? })
    }

    /// The `width` by `height` pixels whose top left one is at `x`, `y`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an empty rectangle, or one that is not inside of the picture.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Result<Self> {
        Ok(Self { raster: self.raster.crop(x, y, width, height)? })
    }

    /// The middle `width` by `height` pixels; black where the picture is smaller, as transformers' `center_crop` pads.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of 0 or above 16384, or more than 48 million pixels.
    pub fn center_crop(&self, width: usize, height: usize) -> Result<Self> {
        Ok(Self { raster: self.raster.center_crop(width, height)? })
    }

    /// One byte of grey per pixel by the weights of ITU-R BT.601, in Pillow's 16-bit fixed point: a grey picture keeps
    /// its values exactly.
    pub(super) fn luma(&self) -> Raster {
        let grey = self.pixels().chunks_exact(3).map(|p| {
            let [red, green, blue] = [p[0], p[1], p[2]].map(u32::from);
            ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
        });
        Raster::new(grey.collect(), 1, self.width(), self.height())
    }

    pub(super) fn raster(&self) -> &Raster {
        &self.raster
    }

    /// Pixels that are known to fit.
    pub(super) fn from_rgb(pixels: Vec<u8>, width: usize, height: usize) -> Self {
        Self { raster: Raster::new(pixels, 3, width, height) }
    }
}
