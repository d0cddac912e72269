//! Error rates of transcripts, as jiwer counts them: edits of all sentences by the words, or characters, that are right.

use super::edits::{Edits, edits};
use super::paired;
use crate::error::Result;
use crate::tokenize::is_space;

/// Edits of words by words; more than 1 where more was put in than is right. Where nothing at all should have been said, it
/// is the count of words that were.
///
/// # Errors
/// [`Error::Metric`](crate::Error::Metric) for lists of unlike length, empty ones, and sentences too long for a table of
/// edits.
pub fn word_error_rate<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[B]) -> Result<f64> {
    rate("WER", found, right, spoken)
}

/// Edits of characters by characters; white space at both ends does not count.
///
/// # Errors
/// As [`word_error_rate`].
pub fn character_error_rate<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[B]) -> Result<f64> {
    rate("CER", found, right, |text| text.trim_matches(is_space).chars().collect::<Vec<_>>())
}

/// Words as jiwer sets them apart: by spaces, or by two and more white characters of any kind.
fn spoken(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut begin, mut space) = (None, None::<(usize, bool)>);
    for (i, c) in text.char_indices() {
        if is_space(c) {
            space = Some(space.map_or((i, c == ' '), |(at, _)| (at, true)));
            continue;
        }
        if let (Some(start), Some((end, true))) = (begin, space) {
            words.push(&text[start..end]);
            begin = None;
        }
        begin = begin.or(Some(i));
        space = None;
    }
    words.extend(begin.map(|start| text[start..].trim_end_matches(is_space)));
    words
}

fn rate<'a, T: PartialEq, A: AsRef<str>, B: AsRef<str>>(
    metric: &'static str,
    found: &'a [A],
    right: &'a [B],
    pieces: impl Fn(&'a str) -> Vec<T>,
) -> Result<f64> {
    paired(metric, found.len(), right.len())?;
    let mut all = Edits::default();
    for (found, right) in found.iter().zip(right) {
        all.add(edits(&pieces(found.as_ref()), &pieces(right.as_ref()))?);
    }
    let right = all.kept + all.substituted + all.deleted;
    Ok(all.count() as f64 / right.max(1) as f64)
}
