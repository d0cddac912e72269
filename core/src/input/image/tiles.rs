//! Pictures as tiles: the preprocessing of Idefics3 and `SmolVLM`.
//!
//! A picture is enlarged or shrunk to a given longest edge, stretched to whole tiles, and cut; the whole picture at the
//! size of one tile comes last. The sizes and the two roundings between them are those of transformers' slow processor.

use serde_json::Value;

use super::picture::Image;
use super::processor::Pixels;
use super::resize::Resampling;
use crate::error::{Error, Result};

/// No side is scaled beyond this (4K), as in transformers.
const MAX_SIDE: usize = 4096;
/// Tiles of one picture, the whole one included; a square picture of 4096 pixels in tiles of 384 has 122.
const MAX_TILES: usize = 256;

/// A picture in tiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    /// Rows of tiles; 0 for a picture that is one tile.
    pub rows: usize,
    /// Tiles per row; 0 for a picture that is one tile.
    pub columns: usize,
    /// The tiles row by row, then the whole picture; one for a picture that is one tile. All are squares of one size.
    pub pixels: Vec<Pixels>,
}

/// Resizing, cutting, rescaling and normalising.
#[derive(Clone, Debug, PartialEq)]
pub struct TileProcessor {
    longest_edge: usize,
    tile: usize,
    split: bool,
    resampling: Resampling,
    rescale: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

impl TileProcessor {
    /// Reads the configuration of Idefics3's or `SmolVLM`'s image processor, slow or fast.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another processor or one that does not resize; [`Error::Malformed`] naming the field.
    pub fn parse(json: &Value) -> Result<Self> {
        let kind = json.get("image_processor_type").and_then(Value::as_str).unwrap_or("missing");
        let own = |name: &str| {
            kind.strip_prefix(name)
                .is_some_and(|rest| matches!(rest, "ImageProcessor" | "ImageProcessorFast" | "ImageProcessorPil"))
        };
        if !own("Idefics3") && !own("SmolVLM") {
            let reason = "Idefics3 and SmolVLM image processors cut pictures into tiles";
            return Err(Error::unsupported(format!("image processor '{kind}'"), reason));
        }
        let read = Reader { json };
        if !read.flag("do_resize", true)? {
            return Err(Error::unsupported("do_resize false", "tiles are cut from resized pictures"));
        }
        let resample = read.number("resample", 1)?;
        let resampling = Resampling::from_pillow(resample)
            .ok_or_else(|| Error::unsupported(format!("resample {resample}"), "Pillow's filters 0 to 3 are run"))?;
        let normalise = read.flag("do_normalize", true)?;
        let tile = read.longest_edge("max_image_size", 364)?;
        let longest_edge = read.longest_edge("size", 4 * 364)?;
        if longest_edge.div_ceil(tile).pow(2) + 1 > MAX_TILES {
            return Err(read.wrong("size", &format!("at most {MAX_TILES} tiles of {tile} pixels")));
        }
        Ok(Self {
            longest_edge,
            tile,
            split: read.flag("do_image_splitting", true)?,
            resampling,
            rescale: if read.flag("do_rescale", true)? { read.factor("rescale_factor", 1.0 / 255.0)? } else { 1.0 },
            mean: if normalise { read.triple("image_mean", [0.5; 3])? } else { [0.0; 3] },
            std: if normalise { read.triple("image_std", [0.5; 3])? } else { [1.0; 3] },
        })
    }

    /// Pixels along an edge of a tile.
    #[must_use]
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Prepares one picture.
    ///
    /// # Errors
    /// As [`Image::resize`].
    pub fn process(&self, image: &Image) -> Result<Tiles> {
        let (width, height) = scaled(image.width(), image.height(), self.longest_edge);
        let resized = image.resize(width, height, self.resampling)?;
        if !self.split {
            return self.single(&resized);
        }
        let (width, height) = whole_tiles(width, height, self.tile);
        let resized = resized.resize(width, height, self.resampling)?;
        let (rows, columns) = (height / self.tile, width / self.tile);
        if rows * columns == 1 {
            return self.single(&resized);
        }
        let cut = |at: usize| resized.crop(at % columns * self.tile, at / columns * self.tile, self.tile, self.tile);
        let mut pixels: Vec<Pixels> =
            (0..rows * columns).map(|at| Ok(self.normalised(&cut(at)?))).collect::<Result<_>>()?;
        pixels.extend(self.single(&resized)?.pixels);
        Ok(Tiles { rows, columns, pixels })
    }

    fn single(&self, image: &Image) -> Result<Tiles> {
        let pixels = self.normalised(&image.resize(self.tile, self.tile, self.resampling)?);
        Ok(Tiles { rows: 0, columns: 0, pixels: vec![pixels] })
    }

    fn normalised(&self, image: &Image) -> Pixels {
        let (height, width) = (image.height(), image.width());
        let mut values = Vec::with_capacity(3 * height * width);
        for (channel, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            let bytes = image.pixels().iter().skip(channel).step_by(3);
            values.extend(bytes.map(|&byte| (f32::from(byte) * self.rescale - mean) / std));
        }
        Pixels { values, channels: 3, height, width }
    }
}

/// Width and height with the longer side `edge` and the shorter one even, both bounded: the reference computes in
/// double precision and rounds down.
fn scaled(width: usize, height: usize, edge: usize) -> (usize, usize) {
    let aspect = width as f64 / height as f64;
    let even = |side: f64| (side as usize).next_multiple_of(2).max(1);
    let (width, height) =
        if width >= height { (edge, even(edge as f64 / aspect)) } else { (even(edge as f64 * aspect), edge) };
    let aspect = width as f64 / height as f64;
    if width >= height && width > MAX_SIDE {
        (MAX_SIDE, ((MAX_SIDE as f64 / aspect) as usize).max(1))
    } else if height > width && height > MAX_SIDE {
        (((MAX_SIDE as f64 * aspect) as usize).max(1), MAX_SIDE)
    } else {
        (width, height)
    }
}

/// The next larger size in whole tiles; the shorter side follows the longer one before it is rounded up.
fn whole_tiles(width: usize, height: usize, tile: usize) -> (usize, usize) {
    let aspect = width as f64 / height as f64;
    if width >= height {
        let width = width.next_multiple_of(tile);
        (width, ((width as f64 / aspect) as usize).max(1).next_multiple_of(tile))
    } else {
        let height = height.next_multiple_of(tile);
        (((height as f64 * aspect) as usize).max(1).next_multiple_of(tile), height)
    }
}

const FORMAT: &str = "preprocessor_config.json";

/// Typed access to a preprocessor's configuration; `null` counts as absent.
struct Reader<'a> {
    json: &'a Value,
}

impl Reader<'_> {
    fn wrong(&self, name: &str, expected: &str) -> Error {
        let found: String =
            self.json.get(name).map_or("missing".into(), ToString::to_string).chars().take(200).collect();
        Error::malformed("preprocessing", FORMAT, format!("{name} is {found}, expected {expected}"))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.json.get(name).filter(|value| !value.is_null())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(name, "true or false"))
    }

    fn number(&self, name: &str, default: u64) -> Result<u64> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_u64().ok_or_else(|| self.wrong(name, "a number"))
    }

    fn factor(&self, name: &str, default: f32) -> Result<f32> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let factor = value.as_f64().map(|v| v as f32).filter(|v| v.is_finite() && *v > 0.0);
        factor.ok_or_else(|| self.wrong(name, "a positive number"))
    }

    fn triple(&self, name: &str, default: [f32; 3]) -> Result<[f32; 3]> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let numbers: Option<Vec<f32>> =
            value.as_array().map(|items| items.iter().filter_map(Value::as_f64).map(|v| v as f32).collect());
        let deviation = name == "image_std";
        numbers
            .and_then(|numbers| <[f32; 3]>::try_from(numbers).ok())
            .filter(|values| values.iter().all(|v| v.is_finite() && (!deviation || *v > 0.0)))
            .ok_or_else(|| self.wrong(name, "three numbers, one per channel"))
    }

    fn longest_edge(&self, name: &str, default: usize) -> Result<usize> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let edge = value.get("longest_edge").and_then(Value::as_u64).and_then(|edge| usize::try_from(edge).ok());
        let edge = edge.filter(|edge| (1..=MAX_SIDE).contains(edge));
        edge.ok_or_else(|| self.wrong(name, "a longest_edge of 1 to 4096"))
    }
}
