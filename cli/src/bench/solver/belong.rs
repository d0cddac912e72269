//! Sounds looked up among the pictures that belong to them: of each film the sound is the query and its middle picture the entry.

use std::time::Instant;

use loam::Engine;
use loam::input::Input;
use loam::model::Modality;
use loam::task::{ClassifyOptions, EmbedOptions, similarity};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given};

use super::{Answer, Context, Solver};
use crate::bench::media;
use crate::error::Error;

/// Where sounds and pictures are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    /// In the one that both encoders were trained into.
    Common,
    /// Each encoder has texts in places of its own: how well each of the set's classes fits is what can be compared.
    Classes,
}

/// Finds the picture of a sound.
pub struct Matcher<'a> {
    context: &'a Context<'a>,
    /// The space and the pictures in it, made when the first sound is looked up.
    entries: Option<(Space, Vec<Vec<f32>>)>,
}

impl<'a> Matcher<'a> {
    /// # Errors
    /// [`Error::Argument`] for an adapter: it would act on one side of what is compared.
    pub fn new(context: &'a Context<'a>) -> Result<Self, Error> {
        if let Some(adapter) = &context.adapter {
            let reason = format!(
                "'{}' acts on one encoder; sounds and pictures are compared as the foundation has them",
                adapter.alias
            );
            return Err(Error::Argument { name: "--adapter", reason });
        }
        Ok(Self { context, entries: None })
    }

    fn open(&mut self, sound: &Input) -> anyhow::Result<()> {
        if self.entries.is_some() {
            return Ok(());
        }
        let rows = &self.context.rows.examples;
        let engine = self.context.engine;
        let space = match engine.query(sound.clone(), Modality::IMAGE, &EmbedOptions::default()) {
            Ok(query) => {
                let shown = engine.embed(media::input(&rows[0].input)?, &EmbedOptions::default())?;
                if query.vector.len() == shown.vector.len() { Space::Common } else { Space::Classes }
            }
            Err(loam::Error::Unsupported { .. }) => Space::Classes,
            Err(reason) => return Err(reason.into()),
        };
        let shown = rows.iter().map(|row| self.place(space, media::input(&row.input)?));
        self.entries = Some((space, shown.collect::<anyhow::Result<_>>()?));
        Ok(())
    }

    /// Of unit length. Chances are compared by their roots (Bhattacharyya's coefficient).
    fn place(&self, space: Space, input: Input) -> anyhow::Result<Vec<f32>> {
        let engine: &Engine = self.context.engine;
        if space == Space::Common {
            return Ok(engine.embed(input, &EmbedOptions::default())?.vector);
        }
        let labels: Vec<String> =
            self.context.rows.labels.iter().map(|label| self.context.plan.recipe.words(label)).collect();
        let options = ClassifyOptions { labels: labels.clone(), ..ClassifyOptions::default() };
        let found = engine.classify(input, &options)?;
        let chance =
            |label: &String| found.scores.iter().find(|one| one.label == *label).map_or(0.0, |one| one.probability);
        Ok(labels.iter().map(|label| chance(label).sqrt()).collect())
    }
}

impl Solver for Matcher<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let Given::Video(film) = &example.input else {
            return Err(Error::malformed(&example.id, "row", "it has no film").into());
        };
        let sound = Input::from(media::sound(film)?);
        self.open(&sound)?;
        let (space, entries) = self.entries.as_ref().map_or((Space::Common, &[][..]), |(space, all)| (*space, all));
        let start = Instant::now();
        let query = self.place(space, sound)?;
        let likeness = entries.iter().map(|entry| f64::from(similarity(&query, entry))).collect();
        let scored_by = if space == Space::Common { "likeness" } else { "likeness of classes" };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(Answer { prediction: Prediction::Likeness(vec![likeness]), scored_by, ms })
    }
}
