//! Resizing as Pillow does it.

use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::raster::{Raster, check_size};
use crate::error::{Error, Result};

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

    /// The filter's weights, unless it has none.
    fn filter(self) -> Option<FilterType> {
        match self {
            Self::Nearest => None,
            Self::Lanczos => Some(FilterType::Lanczos3),
            Self::Bilinear => Some(FilterType::Bilinear),
            Self::Bicubic => Some(FilterType::CatmullRom),
        }
    }
}

impl Raster {
    /// See [`Image::resize`](super::Image::resize).
    pub(super) fn resize(&self, width: usize, height: usize, resampling: Resampling) -> Result<Self> {
        check_size(width, height)?;
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let Some(filter) = resampling.filter() else { return Ok(self.nearest(width, height)) };
        // Rows before columns, as Pillow does. Both round to 8 bits between the two, which cuts off what cubic filters
        // overshoot at edges; in the library's own order the result differs by up to 14 levels.
        self.convolve(width, self.height(), filter)?.convolve(width, height, filter)
    }

    /// At most one of the sides changes.
    fn convolve(&self, width: usize, height: usize, filter: FilterType) -> Result<Self> {
        let failed = |reason: String| Error::argument("size", reason);
        let kind = if self.channels() == 1 { PixelType::U8 } else { PixelType::U8x3 };
        // Sides of a raster are below 2^17.
        let source = ImageRef::new(self.width() as u32, self.height() as u32, self.bytes(), kind)
            .map_err(|e| failed(e.to_string()))?;
        let mut target = Buffer::new(width as u32, height as u32, kind);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        Resizer::new().resize(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
        Ok(self.of_size(target.into_vec(), width, height))
    }

    fn nearest(&self, width: usize, height: usize) -> Self {
        let pixel = self.channels();
        let columns = centres(self.width(), width);
        let mut bytes = Vec::with_capacity(width * height * pixel);
        for y in centres(self.height(), height) {
            let row = &self.bytes()[y * self.width() * pixel..][..self.width() * pixel];
            bytes.extend(columns.iter().flat_map(|&x| &row[x * pixel..][..pixel]));
        }
        self.of_size(bytes, width, height)
    }
}

/// The pixel of `from` below the centre of each of `to` pixels. The centres are summed up, since Pillow does so: a
/// product would round to the other side where a centre lies between two pixels.
fn centres(from: usize, to: usize) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut centre = step * 0.5;
    let mut pixels = Vec::with_capacity(to);
    for _ in 0..to {
        pixels.push((centre as usize).min(from - 1));
        centre += step;
    }
    pixels
}
