//! From a picture to what a network reads, as a checkpoint's `preprocessor_config.json` says.

use serde_json::Value;

use super::picture::Image;
use super::resize::Resampling;
use crate::error::{Error, Result};

const FORMAT: &str = "preprocessor_config.json";
/// Largest side that a network reads.
const MAX_SIDE: u64 = 4096;

/// Normalised pixels, `[3, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Channel by channel, row by row.
    pub values: Vec<f32>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// What a picture is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// The shorter side; the longer one follows.
    ShortestEdge(usize),
    /// Both sides.
    Exact { height: usize, width: usize },
}

/// Resizing, cropping, rescaling and normalising, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageProcessor {
    resize: Option<(Size, Resampling)>,
    crop: Option<[usize; 2]>,
    rescale: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

impl ImageProcessor {
    /// Reads the configuration of CLIP's, SigLIP's, ViT's or DeiT's image processor, slow or fast.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another processor; [`Error::Malformed`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        let kind = ["image_processor_type", "feature_extractor_type"].iter().find_map(|f| json.get(f)?.as_str());
        let kind = kind.unwrap_or("missing");
        let own = |name: &str| {
            kind.strip_prefix(name).is_some_and(|rest| {
                matches!(rest, "ImageProcessor" | "ImageProcessorFast" | "ImageProcessorPil" | "FeatureExtractor")
            })
        };
        // What each processor does where its configuration is silent, from its documentation.
        let (size, resample, cropped, mean, std) = if own("CLIP") {
            (Some(Size::ShortestEdge(224)), 3, true, CLIP_MEAN, CLIP_STD)
        } else if own("Siglip") {
            (Some(Size::Exact { height: 224, width: 224 }), 3, false, [0.5; 3], [0.5; 3])
        } else if own("ViT") {
            (Some(Size::Exact { height: 224, width: 224 }), 2, false, [0.5; 3], [0.5; 3])
        } else if own("DeiT") {
            (Some(Size::Exact { height: 256, width: 256 }), 3, true, IMAGENET_MEAN, IMAGENET_STD)
        } else {
            let accepted = "CLIP, Siglip, ViT and DeiT image processors are run";
            return Err(Error::unsupported(format!("image processor '{kind}'"), accepted));
        };
        let read = Reader { json };
        let resample = read.number("resample", resample)?;
        let resampling = Resampling::from_pillow(resample)
            .ok_or_else(|| Error::unsupported(format!("resample {resample}"), "Pillow's filters 0 to 3 are run"))?;
        let size = read.size("size")?.or(size);
        let side = read.size("crop_size")?.map_or([224, 224], |size| match size {
            Size::ShortestEdge(side) => [side, side],
            Size::Exact { height, width } => [height, width],
        });
        let normalise = read.flag("do_normalize", true)?;
        Ok(Self {
            resize: if read.flag("do_resize", true)? { size.map(|size| (size, resampling)) } else { None },
            crop: read.flag("do_center_crop", cropped)?.then_some(side),
            rescale: if read.flag("do_rescale", true)? { read.factor("rescale_factor", 1.0 / 255.0)? } else { 1.0 },
            mean: if normalise { read.triple("image_mean", mean)? } else { [0.0; 3] },
            std: if normalise { read.triple("image_std", std)? } else { [1.0; 3] },
        })
    }

    /// Height and width of what comes out, where it does not depend on the picture.
    #[must_use]
    pub fn output(&self) -> Option<[usize; 2]> {
        match (self.crop, self.resize) {
            (Some(side), _) => Some(side),
            (None, Some((Size::Exact { height, width }, _))) => Some([height, width]),
            _ => None,
        }
    }

    /// Prepares one picture.
    ///
    /// # Errors
    /// [`Error::Argument`] for a picture so narrow that its longer side would exceed 16384.
    pub fn process(&self, image: &Image) -> Result<Pixels> {
        let resized = match self.resize {
            None => image.clone(),
            Some((size, resampling)) => {
                let (width, height) = target(size, image);
                image.resize(width, height, resampling)?
            }
        };
        let cropped = match self.crop {
            None => resized,
            Some([height, width]) => resized.center_crop(width, height),
        };
        Ok(normalise(&cropped, self.rescale, self.mean, self.std))
    }
}

/// `(byte * rescale - mean) / std` per channel.
pub(super) fn normalise(image: &Image, rescale: f32, mean: [f32; 3], std: [f32; 3]) -> Pixels {
    let (height, width) = (image.height(), image.width());
    let mut values = Vec::with_capacity(3 * height * width);
    for channel in 0..3 {
        let (mean, std) = (mean[channel], std[channel]);
        let bytes = image.pixels().iter().skip(channel).step_by(3);
        values.extend(bytes.map(|&byte| (f32::from(byte) * rescale - mean) / std));
    }
    Pixels { values, height, width }
}

/// Mean of CLIP's training pictures.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Their standard deviation.
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// Mean of ImageNet.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Its standard deviation.
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Width and height; the longer side is rounded down, as transformers does.
fn target(size: Size, image: &Image) -> (usize, usize) {
    match size {
        Size::Exact { height, width } => (width, height),
        Size::ShortestEdge(side) => {
            let (width, height) = (image.width(), image.height());
            if width <= height { (side, side * height / width) } else { (side * width / height, side) }
        }
    }
}

/// Typed access to a preprocessor's configuration; `null` counts as absent.
pub(super) struct Reader<'a> {
    pub(super) json: &'a Value,
}

impl Reader<'_> {
    pub(super) fn wrong(&self, name: &str, expected: &str) -> Error {
        let found: String =
            self.json.get(name).map_or("missing".into(), ToString::to_string).chars().take(200).collect();
        Error::malformed("preprocessing", FORMAT, format!("{name} is {found}, expected {expected}"))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.json.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(name, "true or false"))
    }

    pub(super) fn number(&self, name: &str, default: u64) -> Result<u64> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_u64().ok_or_else(|| self.wrong(name, "a number"))
    }

    pub(super) fn factor(&self, name: &str, default: f32) -> Result<f32> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let factor = value.as_f64().map(|v| v as f32).filter(|v| v.is_finite() && *v > 0.0);
        factor.ok_or_else(|| self.wrong(name, "a positive number"))
    }

    pub(super) fn triple(&self, name: &str, default: [f32; 3]) -> Result<[f32; 3]> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let numbers: Option<Vec<f32>> =
            value.as_array().map(|items| items.iter().filter_map(Value::as_f64).map(|v| v as f32).collect());
        let deviation = name == "image_std";
        numbers
            .and_then(|numbers| <[f32; 3]>::try_from(numbers).ok())
            .filter(|values| values.iter().all(|v| v.is_finite() && (!deviation || *v > 0.0)))
            .ok_or_else(|| self.wrong(name, "three numbers, one per channel"))
    }

    /// The longest edge of a size.
    pub(super) fn longest_edge(&self, name: &str, default: usize) -> Result<usize> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let edge = value.get("longest_edge").and_then(Value::as_u64).filter(|edge| (1..=MAX_SIDE).contains(edge));
        edge.map(|edge| edge as usize).ok_or_else(|| self.wrong(name, "a longest_edge of 1 to 4096"))
    }

    fn size(&self, name: &str) -> Result<Option<Size>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let side =
            |value: &Value| value.as_u64().filter(|side| (1..=MAX_SIDE).contains(side)).map(|side| side as usize);
        let of = |field: &str| value.get(field).and_then(side);
        let edges = (of("height"), of("width"), of("shortest_edge"), side(value));
        match edges {
            (Some(height), Some(width), _, _) => Ok(Some(Size::Exact { height, width })),
            (_, _, Some(edge), _) | (_, _, _, Some(edge)) => Ok(Some(Size::ShortestEdge(edge))),
            _ => Err(self.wrong(name, "height and width, or shortest_edge, of 1 to 4096")),
        }
    }
}
