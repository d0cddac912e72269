//! Named parts of a sentence, and what the sentence is, from one pass of the text encoder under an adapter with a head of tags.

mod path;
mod words;

use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::LabelScore;
use super::classify::by_probability;
use crate::adapter::{Adapter, AdapterHead, DataPath, HeadSpec, Tag, TagsSpec};
use crate::engine::{Engine, TextModel, Trace};
use crate::error::{Error, Result};
use crate::input::{Input, Special};
use crate::model::ops::mean_rows;

/// A named part of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What it is.
    pub label: String,
    /// Its words as they stand in the text, without the punctuation around them.
    pub text: String,
    /// Where it begins, in bytes of the text in UTF-8.
    pub start: usize,
    /// Where it ends, in bytes: the first one behind it.
    pub end: usize,
    /// Where it begins, in characters (Unicode scalar values).
    pub start_char: usize,
    /// Where it ends, in characters.
    pub end_char: usize,
    /// Mean probability of its words' tags.
    pub score: f32,
}

/// What the words of a text are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tagging {
    /// The named parts, in the order of the text; none overlaps another.
    pub spans: Vec<Span>,
    /// What the sentence is, most probable first; empty where the adapter tells words alone.
    pub labels: Vec<LabelScore>,
    /// Bytes of the text that were read: all of them, unless it has more tokens than the encoder takes.
    pub read: usize,
    /// What ran.
    pub trace: Trace,
}

/// A text cut into words that are whole within the encoder's limit.
struct Reading {
    tokens: Vec<u32>,
    words: Vec<Range<usize>>,
    /// The token that stands for each word, by its place in `tokens`; `None` for a word of which the vocabulary keeps nothing.
    firsts: Vec<Option<usize>>,
    read: usize,
}

impl Engine {
    /// Finds the named parts of `text` by the head of tags of `adapter`, and what the sentence is where the head tells. Path 3.
    ///
    /// Words are what white space parts; each has the tag of its first token, and the most probable tags that may follow one
    /// another are taken. Words behind the encoder's limit of tokens are not read; [`Tagging::read`] says where it ended.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter with another head or none, or of another component; [`Error::Malformed`] for weights
    /// that make values which are not finite; as [`crate::input::Tokenizer::encode`].
    pub fn tag(&self, text: &str, adapter: &Adapter) -> Result<Tagging> {
        let (head, spec) = tags_head(adapter)?;
        self.reader(&Input::Text(text.to_owned()), None, Some(adapter))?;
        let model = self.text()?;
        let reading = Reading::new(&model, text)?;
        let start = Instant::now();
        let states = model.encoder().states(&reading.tokens, Some(&adapter.bound.deltas))?;
        let width = states.len() / reading.tokens.len();
        let mut rows: Vec<f32> = Vec::with_capacity((reading.words.len() + 1) * width);
        for first in reading.firsts.iter().flatten() {
            rows.extend_from_slice(&states[first * width..(first + 1) * width]);
        }
        rows.extend(mean_rows(&states, width));
        let made = head.logits(&rows);
        let step = model.part().step(start);
        if let Some(at) = made.iter().position(|value| !value.is_finite()) {
            let reason = format!("they give the value {} at {at}", made[at]);
            return Err(Error::malformed("tags head", "weights", reason));
        }
        let tags = &adapter.package.task().labels;
        let (of_words, of_sentence) = made.split_at(made.len() - head.outputs());
        let spans = reading.spans(text, of_words, tags, head.outputs());
        let labels = by_probability(&spec.sentence, &of_sentence[tags.len()..]);
        Ok(Tagging { spans, labels, read: reading.read, trace: Trace::new(DataPath::Encoder, vec![step]) })
    }
}

impl Reading {
    fn new(model: &TextModel, text: &str) -> Result<Self> {
        let tokenizer = model.tokenizer();
        let (before, behind) = tokenizer.affixes();
        let room = model.encoder().max_tokens().saturating_sub(before.len() + behind.len());
        let placed = tokenizer.encode_places(text, Special::Plain)?;
        let mut words = words::words(text);
        // Whole words alone: half of one would be tagged as another.
        let end = placed.get(room).map_or(text.len(), |(_, place)| place.start);
        if let Some(cut) = words.iter().position(|word| word.end > end) {
            words.truncate(cut);
        }
        let read = if end == text.len() { end } else { words.last().map_or(0, |word| word.end) };
        let own = &placed[..placed.len().min(room)];
        let mut next = 0;
        let firsts = words.iter().map(|word| {
            next += own[next..].iter().take_while(|(_, place)| place.start < word.start).count();
            own.get(next).filter(|(_, place)| place.start < word.end).map(|_| before.len() + next)
        });
        let firsts = firsts.collect();
        let tokens = before.iter().copied().chain(own.iter().map(|(id, _)| *id)).chain(behind.iter().copied());
        Ok(Self { tokens: tokens.collect(), words, firsts, read })
    }

    /// The named parts of `text`, from logits of the words that have a token, `[words, outputs]` with those of tags first.
    fn spans(&self, text: &str, logits: &[f32], tags: &[String], outputs: usize) -> Vec<Span> {
        let parsed: Vec<Tag<'_>> = tags.iter().filter_map(|tag| Tag::parse(tag)).collect();
        let mut scores: Vec<f32> = logits.chunks_exact(outputs).flat_map(|row| row[..tags.len()].to_vec()).collect();
        path::log_softmax(&mut scores, tags.len());
        let told: Vec<&Range<usize>> =
            self.words.iter().zip(&self.firsts).filter(|(_, first)| first.is_some()).map(|(word, _)| word).collect();
        let best = path::best(&scores, &parsed);
        let (mut char_at, mut byte_at) = (0, 0);
        let mut chars = |to: usize| {
            char_at += text[byte_at..to].chars().count();
            byte_at = to;
            char_at
        };
        let span = |run: path::Run<'_>| {
            let (start, end) = (told[run.words.start].start, told[run.words.end - 1].end);
            let (start_char, end_char) = (chars(start), chars(end));
            let (label, text) = (run.part.to_owned(), text[start..end].to_owned());
            Span { label, text, start, end, start_char, end_char, score: run.score }
        };
        path::runs(&best, &scores, &parsed).into_iter().map(span).collect()
    }
}

fn tags_head(adapter: &Adapter) -> Result<(&AdapterHead, &TagsSpec)> {
    match adapter.bound.head.as_ref().map(|head| (head, head.spec())) {
        Some((head, HeadSpec::Tags(spec))) => Ok((head, spec)),
        Some((_, other)) => Err(Error::adapter(&adapter.alias, format!("its {} head tags no words", other.kind()))),
        None => Err(Error::adapter(&adapter.alias, "it brings no head of tags")),
    }
}
