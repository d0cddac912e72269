//! Super-resolution: small pictures made as large as those that they are compared with.

use std::time::Instant;

use loam::input::Image;
use loam::task::UpscaleOptions;
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given};
use loam_bench::metric::Picture;

use super::{Answer, Context, Solver};
use crate::bench::media::picture;
use crate::error::Error;

/// Samples of a pixel.
const COLOURS: usize = 3;

/// Makes pictures larger.
pub struct Enlarger<'a>(&'a Context<'a>);

impl<'a> Enlarger<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self(context)
    }
}

impl Solver for Enlarger<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let Given::Image(media) = &example.input else {
            return Err(Error::malformed(&example.id, "row", "it has no picture").into());
        };
        let small = picture(media)?;
        let options = UpscaleOptions { adapter: self.0.adapter.clone() };
        let start = Instant::now();
        let made = self.0.engine.upscale(&small, &options)?.image;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(Answer { prediction: Prediction::Picture(samples(&made)?), scored_by: "generator", ms })
    }
}

/// As metrics take a picture.
pub(super) fn samples(image: &Image) -> Result<Picture, Error> {
    let values = image.pixels().iter().map(|byte| f64::from(*byte)).collect();
    Ok(Picture::new(image.width(), image.height(), COLOURS, values)?)
}
