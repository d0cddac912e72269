//! Style transfer: the generator of super-resolution draws a picture again from a smaller copy of it, under an adapter that
//! knows one style.

use std::sync::Arc;
use std::time::Instant;

use loam::Engine;
use loam::adapter::Adapter;
use loam::input::Resampling;
use loam::task::UpscaleOptions;
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given};

use super::enlarge::samples;
use super::{Answer, Context, Solver};
use crate::bench::media::picture;
use crate::error::{Error, Result};

/// Draws pictures in the style of an adapter.
pub struct Styler<'a> {
    engine: &'a Engine,
    adapter: Arc<Adapter>,
}

impl<'a> Styler<'a> {
    /// # Errors
    /// [`Error::NotMeasured`] without an adapter: the bare generator has no style.
    pub fn new(context: &'a Context<'a>) -> Result<Self> {
        let adapter = context.adapter.clone().ok_or_else(|| Error::NotMeasured {
            what: format!("{} on {}", context.plan.entry.id, context.plan.set()),
            reason: "it takes an adapter of the upscaler that draws in a style; `--adapter` names one".to_owned(),
        })?;
        Ok(Self { engine: context.engine, adapter })
    }
}

impl Solver for Styler<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let Given::Images(content, _) = &example.input else {
            let reason = "it has a painting and no picture to draw again; pictures are expected in `content`";
            return Err(Error::malformed(&example.id, "row", reason).into());
        };
        let shown = picture(content)?;
        let scale = self.engine.upscaler()?.model().config().scale;
        let start = Instant::now();
        let (width, height) = (shown.width().div_ceil(scale), shown.height().div_ceil(scale));
        let small = shown.resize(width, height, Resampling::Bicubic)?;
        let drawn = self.engine.upscale(&small, &UpscaleOptions { adapter: Some(self.adapter.clone()) })?.image;
        // Where a side is no multiple of the scale, the copy was a little narrower than its pixels say.
        let made = match (drawn.width(), drawn.height()) == (shown.width(), shown.height()) {
            true => drawn,
            false => drawn.resize(shown.width(), shown.height(), Resampling::Bicubic)?,
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(Answer { prediction: Prediction::Picture(samples(&made)?), scored_by: "generator", ms })
    }
}
