//! `preprocessor_config.json` of image processors: what is done to a picture, and which variants are refused.
//!
//! A field that changes the arithmetic and is not implemented must stop the load: a tower that sees other pixels than it
//! was trained on answers wrongly without a sign. So every field is understood, known to be neutral, or refused by name
//! when it is set.

use serde_json::{Map, Value};

use super::resize::Resampling;
use crate::error::{Error, Result};

const FORMAT: &str = "preprocessor_config.json";
/// Largest side that a network reads.
const MAX_SIDE: u64 = 4096;
/// Longest excerpt of a value in a message.
const EXCERPT: usize = 200;

/// Fields that [`Config::parse`] reads.
const READ: [&str; 15] = [
    "image_processor_type",
    "feature_extractor_type",
    "do_convert_rgb",
    "do_resize",
    "size",
    "default_to_square",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "data_format",
];

/// Fields that say nothing about the arithmetic. `pad_size` acts only with `do_pad`, which is refused.
const NEUTRAL: [&str; 9] = [
    "processor_class",
    "_processor_class",
    "_valid_processor_keys",
    "transformers_version",
    "input_data_format",
    "return_tensors",
    "device",
    "disable_grouping",
    "pad_size",
];

/// What a picture is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// The shorter side; the longer one follows.
    ShortestEdge(usize),
    /// Both sides.
    Exact { height: usize, width: usize },
}

impl Size {
    const fn square(side: usize) -> Self {
        Self::Exact { height: side, width: side }
    }
}

/// The steps of an image processor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    pub resize: Option<(Size, Resampling)>,
    /// Height and width.
    pub crop: Option<[usize; 2]>,
    pub rescale: f64,
    /// Mean and standard deviation of each channel; one channel is grey.
    pub channels: Vec<(f32, f32)>,
}

/// What a processor does where its configuration is silent: the class attributes in transformers 5.
struct Family {
    name: &'static str,
    size: Size,
    /// What a bare number as `size` means.
    number: fn(usize) -> Size,
    resampling: Resampling,
    crop: bool,
    mean: [f64; 3],
    std: [f64; 3],
}

/// Mean and standard deviation of CLIP's training pictures.
const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// Side of a crop that no configuration states.
const CROP: usize = 224;

const FAMILIES: [Family; 4] = [
    Family {
        name: "CLIP",
        size: Size::ShortestEdge(224),
        number: Size::ShortestEdge,
        resampling: Resampling::Bicubic,
        crop: true,
        mean: CLIP_MEAN,
        std: CLIP_STD,
    },
    Family {
        name: "Siglip",
        size: Size::square(224),
        number: Size::ShortestEdge,
        resampling: Resampling::Bicubic,
        crop: false,
        mean: [0.5; 3],
        std: [0.5; 3],
    },
    Family {
        name: "ViT",
        size: Size::square(224),
        number: Size::square,
        resampling: Resampling::Bilinear,
        crop: false,
        mean: [0.5; 3],
        std: [0.5; 3],
    },
    Family {
        name: "DeiT",
        size: Size::square(256),
        number: Size::square,
        resampling: Resampling::Bicubic,
        crop: true,
        mean: [0.5; 3],
        std: [0.5; 3],
    },
];

/// Our own towers: the same fields, and nothing is left to defaults.
const OWN: &str = "LoamImageProcessor";

/// The family of a processor's name, `None` for our own.
fn family(kind: &str) -> Result<Option<&'static Family>> {
    if kind == OWN {
        return Ok(None);
    }
    let is = |family: &&Family| {
        kind.strip_prefix(family.name).is_some_and(|rest| {
            matches!(rest, "ImageProcessor" | "ImageProcessorFast" | "ImageProcessorPil" | "FeatureExtractor")
        })
    };
    FAMILIES.iter().find(is).map(Some).ok_or_else(|| {
        let accepted = format!("the image processors of CLIP, Siglip, ViT and DeiT and {OWN} are run");
        Error::unsupported(format!("image processor '{}'", excerpt(kind)), accepted)
    })
}

impl Config {
    pub(super) fn parse(json: &Value) -> Result<Self> {
        let Value::Object(fields) = json else {
            return Err(Error::malformed("preprocessing", FORMAT, "it is not an object"));
        };
        let fields = Fields { fields };
        let kind = ["image_processor_type", "feature_extractor_type"].iter().find_map(|name| fields.get(name));
        let family = family(kind.and_then(Value::as_str).unwrap_or("missing"))?;
        fields.refuse_unsupported()?;
        let config = Self {
            resize: fields.resize(family)?,
            crop: fields.crop(family)?,
            rescale: fields.rescale(family)?,
            channels: fields.channels(family)?,
        };
        if config.channels.len() == 1 && fields.flag("do_convert_rgb", Some(false))? {
            return Err(Error::unsupported("do_convert_rgb true", "image_mean and image_std have one channel"));
        }
        Ok(config)
    }
}

/// The fields of the file. A default of `None` means that the field must be there.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn refuse_unsupported(&self) -> Result<()> {
        let silent = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            Value::Number(_) | Value::String(_) | Value::Bool(true) => false,
        };
        for (name, value) in self.fields {
            if !READ.contains(&name.as_str()) && !NEUTRAL.contains(&name.as_str()) && !silent(value) {
                let option = format!("image processor option {} {}", excerpt(name), excerpt(&value.to_string()));
                return Err(Error::unsupported(option, "it is not implemented and may change the pixels"));
            }
        }
        match self.get("data_format") {
            Some(value) if value != "channels_first" => {
                Err(Error::unsupported(format!("data_format {}", excerpt(&value.to_string())), "channels_first is run"))
            }
            _ => Ok(()),
        }
    }

    fn resize(&self, family: Option<&Family>) -> Result<Option<(Size, Resampling)>> {
        if !self.flag("do_resize", family.map(|_| true))? {
            return Ok(None);
        }
        let number = match self.get("default_to_square") {
            None => family.map_or(Size::square as fn(usize) -> Size, |family| family.number),
            Some(_) if self.flag("default_to_square", None)? => Size::square,
            Some(_) => Size::ShortestEdge,
        };
        let size = self.size("size", number)?.or(family.map(|family| family.size));
        let size = size.ok_or_else(|| self.wrong("size", "height and width, or shortest_edge"))?;
        let resampling = match (self.get("resample"), family) {
            (None, Some(family)) => family.resampling,
            (None, None) => return Err(self.wrong("resample", "Pillow's number of a filter, 0 to 3")),
            (Some(code), _) => code.as_u64().and_then(Resampling::from_pillow).ok_or_else(|| {
                let option = format!("resample {}", excerpt(&code.to_string()));
                Error::unsupported(option, "Pillow's filters 0 to 3 are run")
            })?,
        };
        Ok(Some((size, resampling)))
    }

    fn crop(&self, family: Option<&Family>) -> Result<Option<[usize; 2]>> {
        if !self.flag("do_center_crop", family.map(|family| family.crop))? {
            return Ok(None);
        }
        match (self.size("crop_size", Size::square)?, family) {
            (Some(Size::Exact { height, width }), _) => Ok(Some([height, width])),
            (None, Some(_)) => Ok(Some([CROP; 2])),
            (None, None) | (Some(Size::ShortestEdge(_)), _) => Err(self.wrong("crop_size", "height and width")),
        }
    }

    fn rescale(&self, family: Option<&Family>) -> Result<f64> {
        if !self.flag("do_rescale", family.map(|_| true))? {
            return Ok(1.0);
        }
        let Some(value) = self.get("rescale_factor") else {
            let default = family.map(|_| 1.0 / 255.0);
            return default.ok_or_else(|| self.wrong("rescale_factor", "a positive number"));
        };
        // 255 times the factor must stay a number in single precision.
        let factor = value.as_f64().filter(|factor| (1e-30..=1e30).contains(factor));
        factor.ok_or_else(|| self.wrong("rescale_factor", "a positive number"))
    }

    fn channels(&self, family: Option<&Family>) -> Result<Vec<(f32, f32)>> {
        let normalise = self.flag("do_normalize", family.map(|_| true))?;
        let mean = self.statistic("image_mean", family.map(|family| family.mean), |mean| mean.abs() <= 1e30);
        let std = self.statistic("image_std", family.map(|family| family.std), |std| (1e-30..=1e30).contains(&std));
        if !normalise {
            // Without normalising, a stated mean still says how many channels there are.
            let count = if self.get("image_mean").is_some() { mean?.len() } else { 3 };
            return Ok(vec![(0.0, 1.0); count]);
        }
        let (mean, std) = (mean?, std?);
        if mean.len() != std.len() {
            return Err(self.wrong("image_std", &format!("{} values, as many as image_mean has", mean.len())));
        }
        Ok(mean.into_iter().zip(std).collect())
    }

    /// One or three numbers; a bare number is for all three channels.
    fn statistic(&self, name: &str, default: Option<[f64; 3]>, accept: fn(f64) -> bool) -> Result<Vec<f32>> {
        let numbers = match self.get(name) {
            None => default.map(Vec::from),
            Some(Value::Array(items)) => items.iter().map(Value::as_f64).collect(),
            Some(value) => value.as_f64().map(|number| vec![number; 3]),
        };
        let numbers = numbers.filter(|numbers| matches!(numbers.len(), 1 | 3) && numbers.iter().all(|&n| accept(n)));
        let numbers = numbers.ok_or_else(|| self.wrong(name, "one or three numbers, deviations above 0"))?;
        Ok(numbers.into_iter().map(|number| number as f32).collect())
    }

    fn flag(&self, name: &str, default: Option<bool>) -> Result<bool> {
        let flag = self.get(name).map_or(default, Value::as_bool);
        flag.ok_or_else(|| self.wrong(name, "true or false"))
    }

    /// `number` is what a bare number means.
    fn size(&self, name: &str, number: fn(usize) -> Size) -> Result<Option<Size>> {
        let side =
            |value: &Value| value.as_u64().filter(|side| (1..=MAX_SIDE).contains(side)).map(|side| side as usize);
        let Some(value) = self.get(name) else { return Ok(None) };
        let size = match value {
            Value::Array(items) => match items.as_slice() {
                [height, width] => side(height).zip(side(width)),
                _ => None,
            }
            .map(|(height, width)| Size::Exact { height, width }),
            Value::Object(edges) => {
                let edge = |name: &str| edges.get(name).filter(|value| !value.is_null());
                let stated = edges.values().filter(|value| !value.is_null()).count();
                match (edge("height"), edge("width"), edge("shortest_edge")) {
                    (Some(height), Some(width), None) if stated == 2 => {
                        side(height).zip(side(width)).map(|(height, width)| Size::Exact { height, width })
                    }
                    (None, None, Some(edge)) if stated == 1 => side(edge).map(Size::ShortestEdge),
                    _ => None,
                }
            }
            value => side(value).map(number),
        };
        size.map(Some).ok_or_else(|| self.wrong(name, "height and width, or shortest_edge alone, of 1 to 4096"))
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = self.fields.get(name).map_or("missing".into(), ToString::to_string);
        Error::malformed("preprocessing", FORMAT, format!("{name} is {}, expected {expected}", excerpt(&found)))
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}
