//! Tags of words, and what a command means: its scenario, its action and its entities.

use std::sync::Arc;
use std::time::Instant;

use loam::Engine;
use loam::adapter::{Adapter, HeadSpec};
use loam::input::Input;
use loam::task::{Span, Tagging};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given, Target};
use loam_bench::metric::{Entity, Frame};

use super::{Answer, Context, Solver};
use crate::bench::media::{self, transcribe};
use crate::error::{Error, Result};

/// Of words that are in no span.
const OUTSIDE: &str = "O";
/// Parts scenario and action in a label of the sentence, as SLURP's intents have it.
const PARTS: char = '_';

/// Reads texts with an adapter's head of tags.
pub struct Tagger<'a> {
    engine: &'a Engine,
    adapter: Arc<Adapter>,
}

impl<'a> Tagger<'a> {
    /// # Errors
    /// [`Error::NotMeasured`] without an adapter; [`Error::Argument`] for one that does not say what `target` asks for.
    pub fn new(context: &'a Context<'a>, target: &Target) -> Result<Self> {
        let Some(adapter) = context.adapter.clone() else {
            let what = format!("{} on {}", context.plan.entry.id, context.plan.set());
            let reason = "it takes an adapter with a head of tags; `--adapter` names one".to_owned();
            return Err(Error::NotMeasured { what, reason });
        };
        let refuse = |reason: String| Err(Error::Argument { name: "--adapter", reason });
        let head = adapter.bound.head.as_ref().map(|head| head.spec());
        let Some(HeadSpec::Tags(spec)) = head else {
            return refuse(format!("'{}' has no head of tags", adapter.alias));
        };
        if let (Target::Frame(_), Some(label)) = (target, spec.sentence.iter().find(|label| !label.contains(PARTS))) {
            return refuse(format!("'{}' calls a sentence '{label}', expected SCENARIO_ACTION", adapter.alias));
        }
        if matches!(target, Target::Frame(_)) && spec.sentence.is_empty() {
            return refuse(format!("'{}' does not say what a sentence is, only its words", adapter.alias));
        }
        Ok(Self { engine: context.engine, adapter })
    }

    /// The words of a command decide what it means, also of one that is spoken.
    fn text(&self, example: &Example) -> anyhow::Result<String> {
        match media::input(&example.input)? {
            Input::Text(text) => Ok(text),
            Input::Sound(sound) => transcribe(self.engine, &sound),
            other => Err(Error::malformed(&example.id, "row", format!("{}, not words", other.kind())).into()),
        }
    }
}

impl Solver for Tagger<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let start = Instant::now();
        let text = self.text(example)?;
        let found = self.engine.tag(&text, &self.adapter)?;
        let prediction = match (&example.target, &example.input) {
            (Target::Frame(_), _) => Prediction::Frame(frame(&found)),
            (Target::Tags(_), Given::Words(words)) => Prediction::Tags(tags(words, &found.spans)),
            _ => return Err(Error::malformed(&example.id, "row", "it has no words to tag").into()),
        };
        Ok(Answer { prediction, scored_by: "head of tags", ms: start.elapsed().as_secs_f64() * 1e3 })
    }
}

fn frame(found: &Tagging) -> Frame {
    let label = found.labels.first().map_or("", |first| first.label.as_str());
    let (scenario, action) = label.split_once(PARTS).unwrap_or((label, ""));
    let entity = |span: &Span| Entity { kind: span.label.clone(), filler: span.text.to_lowercase() };
    let entities = found.spans.iter().map(entity).collect();
    Frame { scenario: scenario.to_owned(), action: action.to_owned(), entities }
}

/// A tag of each of `words`, which stood in the text with a space between them: that of the span that it overlaps.
fn tags(words: &[String], spans: &[Span]) -> Vec<String> {
    let mut begin = 0;
    let mut last = None;
    let mut tag = |word: &String| {
        let end = begin + word.len();
        let inside = spans.iter().position(|span| span.start < end && span.end > begin);
        begin = end + 1;
        let goes_on = inside.is_some() && inside == std::mem::replace(&mut last, inside);
        inside.map_or_else(
            || OUTSIDE.to_owned(),
            |span| format!("{}-{}", if goes_on { 'I' } else { 'B' }, spans[span].label),
        )
    };
    words.iter().map(&mut tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(label: &str, start: usize, end: usize) -> Span {
        Span { label: label.into(), text: String::new(), start, end, start_char: 0, end_char: 0, score: 1.0 }
    }

    #[test]
    fn words_have_the_tags_of_the_spans_that_they_overlap() {
        let words: Vec<String> = ["play", "(für", "elise)", "by", "ludwig", "now"].map(str::to_owned).into();
        // "play (für elise) by ludwig now": the punctuation around the second and third words is not in the span.
        let spans = [span("song", 6, 16), span("song", 21, 27), span("time", 28, 31)];
        assert_eq!(tags(&words, &spans), ["O", "B-song", "I-song", "O", "B-song", "B-time"]);
        assert_eq!(tags(&words[..1], &[]), ["O"]);
    }
}
