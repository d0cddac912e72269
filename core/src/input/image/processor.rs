//! From a picture to what a network reads, as a checkpoint's `preprocessor_config.json` says.

use std::borrow::Cow;

use serde_json::Value;

use super::config::{Config, Size};
use super::picture::Image;
use super::raster::Raster;
use crate::error::{Error, Result};

/// Most pixels that are handed to a network: 201 MB as RGB.
const MAX_OUTPUT: usize = 4096 * 4096;

/// Normalised pixels, `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Channel by channel, row by row.
    pub values: Vec<f32>,
    /// 3 for red, green and blue, 1 for grey.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Resizing, cropping, rescaling and normalising, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageProcessor {
    config: Config,
}

impl ImageProcessor {
    /// Reads the configuration of CLIP's, SigLIP's, ViT's or DeiT's image processor, slow or fast, or of our own towers.
    ///
    /// The latter has the type `LoamImageProcessor` and the same fields, of which those that are used must all be there.
    /// One value in `image_mean` and `image_std` instead of three makes one grey channel, by the weights of BT.601.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming another processor or an option that would change the arithmetic;
    /// [`Error::Malformed`] naming the field and its value.
    pub fn parse(json: &Value) -> Result<Self> {
        Ok(Self { config: Config::parse(json)? })
    }

    /// Channels of what comes out: 3, or 1 for grey.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.config.channels.len()
    }

    /// Height and width of what comes out, where it does not depend on the picture.
    #[must_use]
    pub fn output(&self) -> Option<[usize; 2]> {
        self.config.crop.or_else(|| self.stretched())
    }

    /// Height and width to which a picture is stretched as a whole, so that places in it stay where they are in proportion;
    /// `None` where something is cut off or sizes vary.
    #[must_use]
    pub fn stretched(&self) -> Option<[usize; 2]> {
        match (self.config.crop, self.config.resize) {
            (None, Some((Size::Exact { height, width }, _))) => Some([height, width]),
            _ => None,
        }
    }

    /// Prepares one picture.
    ///
    /// # Errors
    /// [`Error::Argument`] for a picture so narrow that its longer side would exceed 16384, or when more than 4096 x 4096
    /// pixels would come out.
    pub fn process(&self, image: &Image) -> Result<Pixels> {
        let mut raster = match self.channels() {
            1 => Cow::Owned(image.luma()),
            _ => Cow::Borrowed(image.raster()),
        };
        if let Some((size, resampling)) = self.config.resize {
            let (width, height) = size.target(&raster);
            raster = Cow::Owned(raster.resize(width, height, resampling)?);
        }
        if let Some([height, width]) = self.config.crop {
            raster = Cow::Owned(raster.center_crop(width, height)?);
        }
        self.normalise(&raster)
    }

    fn normalise(&self, raster: &Raster) -> Result<Pixels> {
        let (channels, height, width) = (raster.channels(), raster.height(), raster.width());
        if width * height > MAX_OUTPUT {
            return Err(Error::argument(
                "image",
                format!("{width} x {height} pixels for a network, limit {MAX_OUTPUT}"),
            ));
        }
        let mut values = Vec::with_capacity(channels * height * width);
        for (channel, &(mean, std)) in self.config.channels.iter().enumerate() {
            // The product is rounded to single precision before the mean is taken off, as transformers does.
            let table: [f32; 256] =
                std::array::from_fn(|byte| ((byte as f64 * self.config.rescale) as f32 - mean) / std);
            values.extend(raster.bytes().iter().skip(channel).step_by(channels).map(|&byte| table[usize::from(byte)]));
        }
        Ok(Pixels { values, channels, height, width })
    }
}

impl Size {
    /// Width and height; the longer side is rounded down, as transformers does.
    fn target(self, raster: &Raster) -> (usize, usize) {
        match self {
            Self::Exact { height, width } => (width, height),
            Self::ShortestEdge(side) => {
                let (width, height) = (raster.width(), raster.height());
                if width <= height { (side, side * height / width) } else { (side * width / height, side) }
            }
        }
    }
}
