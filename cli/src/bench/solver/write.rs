//! Texts: answers, translations, corrections, summaries, code, captions; and one of several choices.

use std::time::Instant;

use loam::engine::{GenerateOptions, Overflow};
use loam::task::{AnswerLabels, AnswerOptions, Chat};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given};
use loam_bench::metric::Metric;

use super::{Answer, Context, Solver};
use crate::bench::media;
use crate::bench::recipe::Knows;
use crate::eval::written;

/// Words of a text that are shown to the backbone: what is longer is cut, as its window holds some thousand tokens.
const MAX_WORDS: usize = 700;

/// Writes.
pub struct Writer<'a>(&'a Context<'a>);

impl<'a> Writer<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self(context)
    }

    fn options(&self) -> GenerateOptions {
        let max_tokens = self.0.plan.recipe.max_tokens();
        GenerateOptions { max_tokens, overflow: Overflow::Fail, ..GenerateOptions::default() }
    }

    fn chat(&self, text: &str) -> anyhow::Result<String> {
        let mut chat = Chat::new(self.0.engine, self.0.plan.recipe.instructions.as_deref());
        chat.set_adapter(self.0.adapter.clone());
        written(|sink| chat.respond(&cut(text), &self.options(), sink))
    }

    /// About a picture or a sound.
    fn about(&self, input: &Given, question: Option<&str>) -> anyhow::Result<Answer> {
        let input = media::input(input)?;
        let options = AnswerOptions {
            generate: self.options(),
            instructions: self.0.plan.recipe.instructions.clone(),
            adapter: self.0.adapter.clone(),
            modality: None,
        };
        let start = Instant::now();
        let text = written(|sink| match question {
            Some(question) => self.0.engine.answer(std::slice::from_ref(&input), question, &options, sink),
            None => self.0.engine.caption(&input, &options, sink),
        })?;
        Ok(answer(text, start, "generated"))
    }
}

impl Solver for Writer<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let recipe = &self.0.plan.recipe;
        match &example.input {
            Given::Question { context, question } if recipe.by == Knows::Answers => {
                let options = AnswerLabels {
                    labels: context.lines().map(str::to_owned).collect(),
                    instructions: recipe.instructions.clone(),
                    adapter: self.0.adapter.clone(),
                    ..AnswerLabels::default()
                };
                let start = Instant::now();
                let found = self.0.engine.classify_by_answers(question, &options)?;
                Ok(answer(found.label, start, "answers"))
            }
            Given::Question { context, question } => {
                let start = Instant::now();
                Ok(answer(self.chat(&format!("{}\n\nQuestion: {question}", cut(context)))?, start, "generated"))
            }
            Given::ImageQuestion { question, .. } => {
                let found = self.about(&example.input, Some(question))?;
                // One word with a full stop is the word.
                Ok(match (self.0.plan.metric(), found.prediction) {
                    (Metric::ExactMatch, Prediction::Text(text)) => {
                        let text = text.trim_end_matches('.').to_lowercase();
                        Answer { prediction: Prediction::Text(text), ..found }
                    }
                    (_, prediction) => Answer { prediction, ..found },
                })
            }
            Given::Image(_) | Given::Sound(_) => self.about(&example.input, None),
            Given::Text(text) => {
                let start = Instant::now();
                Ok(answer(self.chat(text)?, start, "generated"))
            }
            Given::Texts(..) | Given::Words(_) | Given::Images(..) | Given::Video(_) | Given::Motion(_) => {
                self.about(&example.input, None)
            }
        }
    }
}

/// The first words of a text, as they stand.
fn cut(text: &str) -> String {
    let mut words = 0;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if inside && c.is_whitespace() {
            words += 1;
            if words == MAX_WORDS {
                return text[..at].to_owned();
            }
        }
        inside = !c.is_whitespace();
    }
    text.to_owned()
}

fn answer(text: String, start: Instant, scored_by: &'static str) -> Answer {
    Answer { prediction: Prediction::Text(text), scored_by, ms: start.elapsed().as_secs_f64() * 1e3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_words() {
        assert_eq!(cut("one  two"), "one  two");
        let long = "word ".repeat(MAX_WORDS + 5);
        assert_eq!(cut(&long).split_whitespace().count(), MAX_WORDS);
    }
}
