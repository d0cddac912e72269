//! What answers rows: one kind for each form of answer.

mod belong;
mod classify;
mod enlarge;
mod hear;
mod perplexity;
mod place;
mod restyle;
mod retrieve;
mod tag;
mod write;

use std::sync::Arc;

use loam::Engine;
use loam::adapter::Adapter;
use loam_bench::Prediction;
use loam_bench::loader::{Example, Target};
use loam_bench::metric::Metric;
use loam_bench::registry::Task;

use super::few::Few;
use super::plan::{Plan, Way};
use super::rows::Rows;
use crate::error::Error;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// It.
    pub prediction: Prediction,
    /// What decided.
    pub scored_by: &'static str,
    /// Without reading and decoding the row.
    pub ms: f64,
}

/// All that an answer takes.
#[derive(Debug)]
pub struct Context<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// What is measured, and how.
    pub plan: &'a Plan,
    /// The rows.
    pub rows: &'a Rows,
    /// Where one answers.
    pub adapter: Option<Arc<Adapter>>,
    /// Where a linear head answers.
    pub few: Option<Few>,
}

/// What answers the rows of a run.
pub trait Solver {
    /// Answers a row.
    ///
    /// # Errors
    /// The engine's and those of the row's files.
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer>;
}

/// What answers the rows of `context`.
///
/// # Errors
/// [`Error::NotMeasured`] where neither the engine nor the foundation has anything that gives such answers;
/// [`Error::Argument`] for an adapter that does not fit the set.
pub fn solver<'a>(context: &'a Context<'a>) -> anyhow::Result<Box<dyn Solver + 'a>> {
    let (plan, metric) = (context.plan, context.plan.metric());
    let lacking = |reason: &str| -> anyhow::Error {
        Error::NotMeasured { what: format!("{} on {}", plan.entry.id, plan.set()), reason: reason.to_owned() }.into()
    };
    let first = &context.rows.examples[0];
    if plan.way != Way::ZeroShot && context.adapter.is_none() && !plan.has_classes() {
        return Err(lacking("a linear head over embeddings gives classes, and this set has none"));
    }
    Ok(match (metric, &first.target) {
        (Metric::Perplexity, _) => Box::new(perplexity::Reader::new(context)?),
        (_, Target::Label(_) | Target::LabelSet(_)) if plan.has_classes() => {
            Box::new(classify::Classifier::new(context)?)
        }
        (Metric::RecallAt1, _) if plan.entry.task == Task::AudioToImageRetrieval => {
            Box::new(belong::Matcher::new(context)?)
        }
        (Metric::RecallAt1 | Metric::ReidMap, _) => Box::new(retrieve::Retriever::new(context)),
        (_, Target::Boxes(_) | Target::Poses(_) | Target::Mask(_) | Target::Points(_)) => {
            Box::new(place::Viewer::new(context)?)
        }
        (Metric::Ssim, _) if plan.entry.task == Task::StyleTransfer => Box::new(restyle::Styler::new(context)?),
        (_, Target::Image(_)) => Box::new(enlarge::Enlarger::new(context)),
        (_, target @ (Target::Tags(_) | Target::Frame(_))) => Box::new(tag::Tagger::new(context, target)?),
        (_, Target::Texts(_)) if plan.entry.task == Task::TextToSpeech => Box::new(hear::Speaker::new(context)),
        (Metric::WordErrorRate | Metric::CharacterErrorRate, _) => Box::new(hear::Listener::new(context)),
        (_, Target::Texts(_)) => Box::new(write::Writer::new(context)),
        (metric, _) => return Err(lacking(&format!("nothing gives what {} scores", metric.name()))),
    })
}
