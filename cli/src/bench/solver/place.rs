//! What is where in a picture: boxes, poses, the classes and the opacity of pixels, counts.

use std::sync::Arc;
use std::time::Instant;

use loam::Engine;
use loam::adapter::Adapter;
use loam::input::{Image, Input};
use loam::task::DetectOptions;
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given, Mask, MaskMeaning, Target};
use loam_bench::metric::{Detected, DetectedPose};

use super::{Answer, Context, Solver};
use crate::bench::media::picture;
use crate::bench::rows::Rows;
use crate::error::{Error, Result};

/// Average precision asks for what is unlikely, too.
const LEAST_SCORE: f32 = 0.01;

/// Looks at pictures with an adapter's head over their places.
pub struct Viewer<'a> {
    engine: &'a Engine,
    rows: &'a Rows,
    adapter: Arc<Adapter>,
    /// The class of the set for each label of the adapter.
    classes: Vec<Option<usize>>,
}

impl<'a> Viewer<'a> {
    /// # Errors
    /// [`Error::NotMeasured`] without an adapter; [`Error::Argument`] for one that knows no class of the set.
    pub fn new(context: &'a Context<'a>) -> Result<Self> {
        let Some(adapter) = context.adapter.clone() else {
            let what = format!("{} on {}", context.plan.entry.id, context.plan.set());
            let reason = "it takes an adapter with a dense head; `--adapter` names one".to_owned();
            return Err(Error::NotMeasured { what, reason });
        };
        let own = &adapter.package.task().labels;
        let place = |name: &String| context.rows.labels.iter().position(|label| label.eq_ignore_ascii_case(name));
        let classes: Vec<Option<usize>> = own.iter().map(place).collect();
        let first = &context.rows.examples[0].target;
        let named = matches!(first, Target::Boxes(_) | Target::Mask(Mask { meaning: MaskMeaning::Classes { .. }, .. }));
        if named && classes.iter().all(Option::is_none) {
            let (known, wanted) = (own.join(", "), context.rows.labels.iter().take(5).cloned().collect::<Vec<_>>());
            let reason = format!("'{}' knows {known}; the set has {}, ...", adapter.alias, wanted.join(", "));
            return Err(Error::Argument { name: "--adapter", reason });
        }
        Ok(Self { engine: context.engine, rows: context.rows, adapter, classes })
    }

    fn boxes(&self, image: u64, shown: Image) -> anyhow::Result<Prediction> {
        let options = DetectOptions { least: LEAST_SCORE, ..DetectOptions::default() };
        let own = &self.adapter.package.task().labels;
        let found = self.engine.detect(Input::Image(shown), &self.adapter, &options)?;
        let boxes = found.things.iter().filter_map(|thing| {
            let class = own.iter().position(|label| *label == thing.label).and_then(|place| self.classes[place])?;
            let category = self.rows.numbers.get(class).copied().unwrap_or(class as u64);
            let bounds = [thing.x, thing.y, thing.width, thing.height].map(f64::from);
            Some(Detected { image, category, bounds, score: f64::from(thing.score) })
        });
        Ok(Prediction::Boxes(boxes.collect()))
    }

    fn pose(&self, example: &Example, points: usize, shown: Image) -> anyhow::Result<Prediction> {
        let found = self.engine.locate(Input::Image(shown), &self.adapter)?;
        if points != 0 && points != found.points.len() {
            let reason = format!("'{}' finds {} points, poses have {points}", self.adapter.alias, found.points.len());
            return Err(Error::Argument { name: "--adapter", reason }.into());
        }
        let image = example.id.parse().map_err(|_| {
            Error::malformed(&example.id, "number of an image", format!("'{}', expected digits", example.id))
        })?;
        let score =
            found.points.iter().map(|point| f64::from(point.score)).sum::<f64>() / found.points.len().max(1) as f64;
        let points = found.points.iter().map(|point| [f64::from(point.x), f64::from(point.y)]).collect();
        Ok(Prediction::Poses(vec![DetectedPose { image, points, score }]))
    }

    fn mask(&self, mask: &Mask, shown: Image) -> anyhow::Result<Prediction> {
        let values = mask.values().map_err(Error::from)?;
        let found = self.engine.segment(Input::Image(shown), &self.adapter)?;
        let planes: Vec<Vec<f32>> =
            (0..found.labels.len()).map(|label| found.stretched(label, values.height, values.width)).collect();
        if mask.meaning == MaskMeaning::Opacity {
            let [only] = &planes[..] else {
                let reason = format!("'{}' gives {} planes, matting takes one", self.adapter.alias, planes.len());
                return Err(Error::Argument { name: "--adapter", reason }.into());
            };
            return Ok(Prediction::Opacity(only.iter().map(|value| f64::from(*value)).collect()));
        }
        let class = |place: usize| {
            let best = (0..planes.len()).rev().max_by(|a, b| planes[*a][place].total_cmp(&planes[*b][place]));
            // What the set does not name is what it calls background, its first class.
            let class = best.and_then(|label| self.classes.get(label).copied().flatten()).unwrap_or(0);
            u16::try_from(class).unwrap_or(u16::MAX)
        };
        Ok(Prediction::Classes((0..values.values.len()).map(class).collect()))
    }
}

impl Solver for Viewer<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let (Given::Image(media) | Given::ImageQuestion { image: media, .. }) = &example.input else {
            return Err(Error::malformed(&example.id, "row", "it has no picture").into());
        };
        let shown = picture(media)?;
        let start = Instant::now();
        let prediction = match &example.target {
            Target::Boxes(boxes) => self.boxes(boxes.image, shown)?,
            Target::Poses(poses) => self.pose(example, poses.first().map_or(0, |pose| pose.points.len()), shown)?,
            Target::Mask(mask) => self.mask(mask, shown)?,
            Target::Points(_) => {
                Prediction::Number(f64::from(self.engine.count(Input::Image(shown), &self.adapter)?.count))
            }
            _ => return Err(Error::malformed(&example.id, "row", "nothing of it is in a place").into()),
        };
        Ok(Answer { prediction, scored_by: "dense head", ms: start.elapsed().as_secs_f64() * 1e3 })
    }
}
