//! F1 of spans in tagged words, as seqeval counts them in its default mode, which is that of the `conlleval` script: a span
//! begins wherever tags say that one could.

use std::collections::{BTreeMap, BTreeSet};

use super::average::{Average, Counts, Scores};
use super::paired;
use crate::error::{Error, Result};

const NAME: &str = "span F1";

/// A named run of words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its kind; `_` where the tag has none.
    pub kind: String,
    /// First word.
    pub begin: usize,
    /// After the last word.
    pub end: usize,
}

/// Spans of one sentence; tags are `O`, or `B-`, `I-`, `E-` or `S-` with a kind.
#[must_use]
pub fn spans<T: AsRef<str>>(tags: &[T]) -> Vec<Span> {
    let mut found = Vec::new();
    let (mut last, mut last_kind, mut begin) = ('O', "", 0);
    for (i, tag) in tags.iter().map(AsRef::as_ref).chain(std::iter::once("O")).enumerate() {
        let (place, kind) = split(tag);
        if ends(last, place, last_kind, kind) {
            found.push(Span { kind: last_kind.to_owned(), begin, end: i });
        }
        if begins(last, place, last_kind, kind) {
            begin = i;
        }
        (last, last_kind) = (place, kind);
    }
    found
}

fn split(tag: &str) -> (char, &str) {
    let mut characters = tag.chars();
    let place = characters.next().unwrap_or('O');
    let rest = characters.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (place, if kind.is_empty() { "_" } else { kind })
}

fn ends(last: char, place: char, last_kind: &str, kind: &str) -> bool {
    match (last, place) {
        ('E' | 'S', _) | ('B' | 'I', 'B' | 'S' | 'O') => true,
        (last, _) => last != 'O' && last != '.' && last_kind != kind,
    }
}

fn begins(last: char, place: char, last_kind: &str, kind: &str) -> bool {
    match (last, place) {
        (_, 'B' | 'S') | ('E' | 'S' | 'O', 'E' | 'I') => true,
        (_, place) => place != 'O' && place != '.' && last_kind != kind,
    }
}

/// Of all sentences. The macro average is over kinds that occur.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and a sentence whose sides have unlike lengths.
pub fn span_scores<T: AsRef<str>>(found: &[Vec<T>], right: &[Vec<T>], average: Average) -> Result<Scores> {
    paired(NAME, found.len(), right.len())?;
    let mut kinds: BTreeMap<String, Counts> = BTreeMap::new();
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        if found.len() != right.len() {
            let reason = format!("row {row}: {} tags for {} words", found.len(), right.len());
            return Err(Error::metric(NAME, reason));
        }
        let (found, right): (BTreeSet<Span>, BTreeSet<Span>) =
            (spans(found).into_iter().collect(), spans(right).into_iter().collect());
        for span in &found {
            let counts = kinds.entry(span.kind.clone()).or_default();
            if right.contains(span) { counts.hits += 1.0 } else { counts.wrong += 1.0 }
        }
        for span in right.difference(&found) {
            kinds.entry(span.kind.clone()).or_default().missed += 1.0;
        }
    }
    if kinds.is_empty() {
        return Ok(Scores::default());
    }
    Ok(average.of(&kinds.into_values().collect::<Vec<_>>()))
}
