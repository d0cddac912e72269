//! Resizing as Pillow does it.

use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::picture::Image;
use crate::error::{Error, Result};

/// Largest side of a resized picture.
const MAX_SIDE: usize = 1 << 14;

/// How pixels between pixels are made. All but `Nearest` widen their filter when they shrink, as Pillow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// The nearest pixel.
    Nearest,
    /// Lanczos, radius 3.
    Lanczos,
    /// Linear in each direction.
    Bilinear,
    /// Cubic with a = -0.5 (Catmull-Rom).
    Bicubic,
}

impl Resampling {
    /// Pillow's number of a filter, as preprocessor configurations hold it.
    #[must_use]
    pub fn from_pillow(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Nearest),
            1 => Some(Self::Lanczos),
            2 => Some(Self::Bilinear),
            3 => Some(Self::Bicubic),
            _ => None,
        }
    }

    fn algorithm(self) -> ResizeAlg {
        match self {
            Self::Nearest => ResizeAlg::Nearest,
            Self::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
            Self::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Self::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        }
    }
}

impl Image {
    /// The picture at another size; its sides are scaled independently.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of 0 or above 16384.
    pub fn resize(&self, width: usize, height: usize, resampling: Resampling) -> Result<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::argument("size", format!("{width} x {height}, expected sides of 1 to {MAX_SIDE}")));
        }
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let failed = |reason: String| Error::argument("size", reason);
        let [from_width, from_height, to_width, to_height] =
            [self.width(), self.height(), width, height].map(|side| side as u32);
        let source = ImageRef::new(from_width, from_height, self.pixels(), PixelType::U8x3)
            .map_err(|e| failed(e.to_string()))?;
        let mut target = Buffer::new(to_width, to_height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(resampling.algorithm());
        Resizer::new().resize(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
        Ok(Self::from_rgb(target.into_vec(), width, height))
    }

    /// The `width` by `height` pixels whose top left one is at `left`, `top`; all must lie within the picture.
    pub(super) fn crop(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let rows = self.pixels().chunks_exact(self.width() * 3).skip(top).take(height);
        let pixels: Vec<u8> = rows.flat_map(|row| &row[left * 3..(left + width) * 3]).copied().collect();
        Self::from_rgb(pixels, width, height)
    }

    /// The middle `width` by `height` pixels; black where the picture is smaller, as transformers' `center_crop` pads.
    #[must_use]
    pub fn center_crop(&self, width: usize, height: usize) -> Self {
        let offset = |from: usize, to: usize| (from as i64 - to as i64).div_euclid(2);
        let (left, top) = (offset(self.width(), width), offset(self.height(), height));
        let mut pixels = vec![0; width * height * 3];
        for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let Some(y) = inside(y as i64 + top, self.height()) else { continue };
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                if let Some(x) = inside(x as i64 + left, self.width()) {
                    let at = (y * self.width() + x) * 3;
                    pixel.copy_from_slice(&self.pixels()[at..at + 3]);
                }
            }
        }
        Self::from_rgb(pixels, width, height)
    }
}

fn inside(at: i64, size: usize) -> Option<usize> {
    usize::try_from(at).ok().filter(|&at| at < size)
}
