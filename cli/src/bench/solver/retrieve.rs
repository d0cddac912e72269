//! Likeness: of texts to pictures, and of pictures to pictures.

use std::time::Instant;

use loam::Engine;
use loam::input::Input;
use loam::model::Modality;
use loam::task::{EmbedOptions, similarity};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given, Role, Target};

use super::{Answer, Context, Solver};
use crate::bench::media;
use crate::error::Error;

/// Looks things up.
pub struct Retriever<'a> {
    context: &'a Context<'a>,
    /// Embeddings of the entries, made when the first thing is looked up.
    entries: Option<Vec<Vec<f32>>>,
}

impl<'a> Retriever<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self { context, entries: None }
    }

    /// As the adapter sees it, where there is one.
    fn embed(&self, input: Input) -> anyhow::Result<Vec<f32>> {
        let options = EmbedOptions { adapter: self.context.adapter.clone(), modality: None };
        Ok(self.context.engine.embed(input, &options)?.vector)
    }

    /// Of the gallery where there is one, else of all rows.
    fn entries(&mut self) -> anyhow::Result<&[Vec<f32>]> {
        if self.entries.is_none() {
            let rows = &self.context.rows.examples;
            let listed = |row: &&Example| matches!(row.target, Target::Appearance(_, Role::Gallery));
            let gallery: Vec<&Example> = rows.iter().filter(listed).collect();
            let gallery = if gallery.is_empty() { rows.iter().collect() } else { gallery };
            let vectors = gallery.into_iter().map(|row| self.embed(media::input(&row.input)?));
            self.entries = Some(vectors.collect::<anyhow::Result<_>>()?);
        }
        Ok(self.entries.as_deref().unwrap_or_default())
    }
}

impl Solver for Retriever<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        self.entries()?;
        let (engine, entries): (&Engine, _) = (self.context.engine, self.entries.as_deref().unwrap_or_default());
        let start = Instant::now();
        let like =
            |query: &[f32]| entries.iter().map(|entry| f64::from(similarity(query, entry))).collect::<Vec<f64>>();
        let prediction = match &example.target {
            Target::Appearance(_, Role::Gallery) => Prediction::Entry,
            Target::Appearance(_, Role::Query) => {
                Prediction::Likeness(vec![like(&self.embed(media::input(&example.input)?)?)])
            }
            Target::Texts(texts) if matches!(example.input, Given::Image(_)) => {
                let options = EmbedOptions::default();
                let found = texts.iter().map(|text| {
                    let query = engine.query(Input::Text(text.clone()), Modality::IMAGE, &options)?;
                    Ok(like(&query.vector))
                });
                Prediction::Likeness(found.collect::<anyhow::Result<_>>()?)
            }
            _ => return Err(Error::malformed(&example.id, "row", "it has nothing that is looked for").into()),
        };
        Ok(Answer { prediction, scored_by: "likeness", ms: start.elapsed().as_secs_f64() * 1e3 })
    }
}
