//! A linear head over the foundation's embeddings of a few training rows of each class.

use loam::Engine;
use loam::input::Input;
use loam::task::EmbedOptions;
use loam_bench::loader::{Example, Split, Target};

use super::chance::Chance;
use super::media;
use super::plan::Plan;
use super::probe::Probe;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::eval::Quiet;
use crate::progress::Progress;

/// Inverse strengths of regularisation, of which one half of the examples chooses for the other.
const STRENGTHS: [f64; 3] = [0.003, 0.03, 0.3];

/// What it learned.
#[derive(Debug)]
pub struct Few {
    probe: Probe,
    /// The class of each output.
    classes: Vec<usize>,
}

impl Few {
    /// Learns from `shots` rows of each class of the training split, which the plan's seed chooses.
    ///
    /// # Errors
    /// [`Error::Bench`] for a set without training rows, [`Error::NotMeasured`] where they have no class of those that are asked
    /// for; the engine's.
    pub fn learn(
        engine: &Engine,
        plan: &Plan,
        asked: &Rows,
        shots: usize,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let (format, folder) = plan.files();
        let all = Rows::read(format, &folder, Split::Train)?;
        let chosen = choose(&all, &asked.labels, shots, plan.seed);
        let is_asked = |class: usize| {
            asked.examples.iter().any(|example| match &example.target {
                Target::Label(right) => *right == class,
                Target::LabelSet(right) => right.contains(&class),
                _ => false,
            })
        };
        if !chosen.iter().any(|(class, _)| is_asked(*class)) {
            let what = format!("{} on {}", plan.entry.id, plan.set());
            return Err(Error::NotMeasured { what, reason: "its training rows are of other classes".to_owned() }.into());
        }
        let _quiet = Quiet::begin();
        let mut vectors = Vec::with_capacity(chosen.len());
        let mut right = Vec::with_capacity(chosen.len());
        for (class, example) in chosen {
            vectors.push(scaled(embed(engine, media::views(engine, plan.entry.task, &example.input)?)?));
            right.push(class);
            progress.advance(1);
        }
        let mut classes = right.clone();
        classes.sort_unstable();
        classes.dedup();
        let outputs: Vec<usize> =
            right.iter().map(|class| classes.binary_search(class).expect("invariant: it is listed")).collect();
        let strength = best(&vectors, &outputs, classes.len());
        Ok(Self { probe: Probe::fit(&vectors, &outputs, classes.len(), strength), classes })
    }

    /// The class of an embedding.
    #[must_use]
    pub fn class(&self, vector: &[f32]) -> usize {
        self.classes[self.probe.class(&scaled(vector.to_vec()))]
    }
}

/// An input's embedding, of unit length; of several views of it their mean.
///
/// # Errors
/// The engine's.
pub fn embed(engine: &Engine, views: Vec<Input>) -> anyhow::Result<Vec<f32>> {
    let share = 1.0 / views.len().max(1) as f32;
    let mut mean = Vec::new();
    for view in views {
        let vector = engine.embed(view, &EmbedOptions::default())?.vector;
        mean.resize(vector.len(), 0.0);
        mean.iter_mut().zip(&vector).for_each(|(all, one)| *all += one * share);
    }
    Ok(mean)
}

/// Components of about one, whatever the width: strengths of regularisation mean the same for all encoders.
fn scaled(mut vector: Vec<f32>) -> Vec<f32> {
    let width = (vector.len() as f32).sqrt();
    vector.iter_mut().for_each(|value| *value *= width);
    vector
}

/// At most `shots` rows of each class, with the number that `labels` give it.
fn choose<'a>(all: &'a Rows, labels: &[String], shots: usize, seed: u64) -> Vec<(usize, &'a Example)> {
    let mut by_class: Vec<Vec<&Example>> = vec![Vec::new(); labels.len()];
    for example in &all.examples {
        let class = match &example.target {
            Target::Label(class) => Some(*class),
            Target::LabelSet(several) if several.len() == 1 => several.first().copied(),
            _ => None,
        };
        // The two splits may number their classes differently.
        let class = class.and_then(|class| labels.iter().position(|label| *label == all.labels[class]));
        by_class[..].get_mut(class.unwrap_or(usize::MAX)).into_iter().for_each(|rows| rows.push(example));
    }
    let mut chance = Chance::new(seed);
    let mut chosen = Vec::new();
    for (class, rows) in by_class.iter().enumerate() {
        chosen.extend(chance.choose(rows.len(), shots).into_iter().map(|at| (class, rows[at])));
    }
    chosen
}

/// Some of the examples, with their classes.
struct Half {
    vectors: Vec<Vec<f32>>,
    outputs: Vec<usize>,
}

impl Half {
    /// Every second one.
    fn of(vectors: &[Vec<f32>], outputs: &[usize], from: usize) -> Self {
        let rows = (from..vectors.len()).step_by(2);
        let (vectors, outputs) = rows.map(|at| (vectors[at].clone(), outputs[at])).unzip();
        Self { vectors, outputs }
    }

    /// How many of `test` are told right by what these teach.
    fn tells(&self, test: &Self, classes: usize, strength: f64) -> usize {
        if self.vectors.is_empty() {
            return 0;
        }
        let probe = Probe::fit(&self.vectors, &self.outputs, classes, strength);
        test.vectors.iter().zip(&test.outputs).filter(|(vector, class)| probe.class(vector) == **class).count()
    }
}

/// The strength by which each half of the examples is told best from the other half.
fn best(vectors: &[Vec<f32>], outputs: &[usize], classes: usize) -> f64 {
    let (one, other) = (Half::of(vectors, outputs, 0), Half::of(vectors, outputs, 1));
    let right = |strength: f64| one.tells(&other, classes, strength) + other.tells(&one, classes, strength);
    // Of equals the last that is looked at, which regularises most.
    STRENGTHS.into_iter().rev().max_by_key(|strength| right(*strength)).unwrap_or(STRENGTHS[0])
}

/// Rows that a training split gives at most, for what shows progress.
#[must_use]
pub fn rows(labels: &[String], shots: usize) -> u64 {
    (labels.len() * shots) as u64
}

/// Fails where there is nothing to learn from.
///
/// # Errors
/// [`Error::Argument`].
pub fn check(shots: usize) -> Result<()> {
    if (1..=1024).contains(&shots) {
        return Ok(());
    }
    Err(Error::Argument { name: "--few-shot", reason: format!("{shots}, expected 1 to 1024") })
}
