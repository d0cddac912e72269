//! Classes: by an adapter, by the words for them, by a backbone's answers, or by a linear head over embeddings.

use std::time::Instant;

use loam::adapter::Adapter;
use loam::input::Input;
use loam::task::{AnswerLabels, ClassifyOptions, LabelScore};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Target};

use super::{Answer, Context, Solver};
use crate::bench::few::embed;
use crate::bench::media;
use crate::bench::recipe::{Knows, Order};
use crate::error::{Error, Result};
use crate::eval::name_of;

/// Finds classes.
pub struct Classifier<'a> {
    context: &'a Context<'a>,
    /// What is asked for: an adapter's labels, or words for the classes.
    asked: Vec<String>,
    /// The class that each of them stands for; none where the set has no such class.
    classes: Vec<Option<usize>>,
}

impl<'a> Classifier<'a> {
    /// # Errors
    /// [`Error::Argument`] for an adapter that does not know the classes; [`Error::NotMeasured`] for a set without names for them.
    pub fn new(context: &'a Context<'a>) -> Result<Self> {
        let labels = &context.rows.labels;
        let recipe = &context.plan.recipe;
        let own = context.adapter.as_deref().map_or(&[][..], |adapter| &adapter.package.task().labels);
        if own.is_empty() {
            let named = |label: &String| recipe.words(label).parse::<u64>().is_err();
            if context.few.is_none() && !labels.iter().any(named) {
                let what = format!("{} on {}", context.plan.entry.id, context.plan.set());
                let reason = "its classes have numbers for names, of which the foundation knows nothing".to_owned();
                return Err(Error::NotMeasured { what, reason });
            }
            let asked = labels.iter().map(|label| recipe.words(label)).collect();
            return Ok(Self { context, asked, classes: (0..labels.len()).map(Some).collect() });
        }
        let classes: Vec<Option<usize>> = match recipe.order() {
            Order::Places if own.len() == labels.len() => (0..own.len()).map(Some).collect(),
            Order::Places => vec![None; own.len()],
            Order::Names => own.iter().map(|name| labels.iter().position(|label| label == name)).collect(),
        };
        let missing = (0..labels.len()).find(|class| !classes.contains(&Some(*class)));
        if let (Some(class), Some(adapter)) = (missing, context.adapter.as_deref()) {
            return Err(unknown(adapter, &labels[class]));
        }
        Ok(Self { context, asked: own.to_vec(), classes })
    }

    /// The label that the engine finds likeliest over all views, and what decided.
    fn label(&self, views: Vec<Input>) -> anyhow::Result<(String, &'static str)> {
        let mut likely: Vec<(String, f32)> = Vec::new();
        let mut decided = "";
        for view in views {
            let (scores, by) = self.scores(view)?;
            decided = by;
            for (label, score) in scores {
                match likely.iter_mut().find(|(known, _)| *known == label) {
                    Some((_, all)) => *all += score,
                    None => likely.push((label, score)),
                }
            }
        }
        // Labels come likeliest first: of equal ones the first stays.
        let best = likely.into_iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
        Ok((best.map(|(label, _)| label).unwrap_or_default(), decided))
    }

    /// How likely the engine finds each label, and what decided.
    fn scores(&self, input: Input) -> anyhow::Result<(Vec<(String, f32)>, &'static str)> {
        let (engine, recipe) = (self.context.engine, &self.context.plan.recipe);
        let adapter = self.context.adapter.clone();
        if let (None, Knows::Answers, Input::Text(text)) = (&adapter, recipe.by, &input) {
            let options = AnswerLabels {
                labels: self.asked.clone(),
                instructions: recipe.instructions.clone(),
                ..AnswerLabels::default()
            };
            let found = engine.classify_by_answers(text, &options)?;
            return Ok((pairs(found.scores), name_of(found.scored_by)));
        }
        let own = adapter.as_deref().is_some_and(|adapter| !adapter.package.task().labels.is_empty());
        let options = ClassifyOptions {
            labels: if own { Vec::new() } else { self.asked.clone() },
            template: if adapter.is_some() { None } else { recipe.template.clone() },
            adapter,
            modality: None,
        };
        let found = engine.classify(input, &options)?;
        Ok((pairs(found.scores), name_of(found.scored_by)))
    }

    fn class(&self, label: &str, target: &Target) -> Result<usize> {
        let place = self.asked.iter().position(|asked| asked == label);
        let place = place.ok_or_else(|| Error::malformed("answer", "class", format!("'{label}' was not asked for")))?;
        // An adapter may know more than the set: such an answer is wrong, and so stands for a class that is.
        let other = match target {
            Target::Label(right) => usize::from(*right == 0),
            _ => 0,
        };
        Ok(self.classes[place].unwrap_or(other))
    }
}

impl Solver for Classifier<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let views = media::views(self.context.engine, self.context.plan.entry.task, &example.input)?;
        let start = Instant::now();
        let (class, scored_by) = match &self.context.few {
            Some(few) => (few.class(&embed(self.context.engine, views)?), "few-shot head"),
            None => {
                let (label, scored_by) = self.label(views)?;
                (self.class(&label, &example.target)?, scored_by)
            }
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let prediction = match example.target {
            Target::LabelSet(_) => Prediction::LabelSet(vec![class]),
            _ => Prediction::Label(class),
        };
        Ok(Answer { prediction, scored_by, ms })
    }
}

fn pairs(scores: Vec<LabelScore>) -> Vec<(String, f32)> {
    scores.into_iter().map(|one| (one.label, one.probability)).collect()
}

fn unknown(adapter: &Adapter, label: &str) -> Error {
    let known = &adapter.package.task().labels;
    let reason = format!("'{}' does not know the class '{label}'; it has {}", adapter.alias, known.join(", "));
    Error::Argument { name: "--adapter", reason }
}
