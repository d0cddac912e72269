//! ROUGE as the `rouge-score` package computes it.

use std::collections::HashMap;

use super::average::Scores;
use super::edits::MAX_CELLS;
use super::share;
use crate::error::{Error, Result};
use crate::tokenize::{rouge_tokens, rouge_tokens_stemmed};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RougeKind {
    /// Runs of so many words, at least one.
    Grams(usize),
    /// The longest common subsequence of the texts.
    Longest,
    /// The same by sentences, one a line, united: what publications on summaries call ROUGE-L.
    LongestOfLines,
}

/// Whether words are compared by their stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stemming {
    /// As they are.
    None,
    /// By Porter's stems.
    Porter,
}

/// Precision, recall and F1.
pub type Rouge = Scores;

/// Of one text beside the right one.
///
/// # Errors
/// [`Error::Metric`] for n-grams of no words, and for texts whose longest subsequence would need a table of more than 2^26 cells.
pub fn rouge(found: &str, right: &str, kind: RougeKind, stemming: Stemming) -> Result<Rouge> {
    let words = |text: &str| match stemming {
        Stemming::None => rouge_tokens(text),
        Stemming::Porter => rouge_tokens_stemmed(text),
    };
    let lines = |text: &str| text.split('\n').filter(|line| !line.is_empty()).map(words).collect::<Vec<_>>();
    // Lines have fewer words than whole texts.
    let cells = words(found).len().saturating_mul(words(right).len());
    if cells > MAX_CELLS && !matches!(kind, RougeKind::Grams(_)) {
        return Err(Error::metric("ROUGE", format!("texts of {cells} pairs of words, the limit is {MAX_CELLS}")));
    }
    match kind {
        RougeKind::Grams(0) => Err(Error::metric("ROUGE", "n-grams of 0 words")),
        RougeKind::Grams(order) => Ok(grams(&words(found), &words(right), order)),
        RougeKind::Longest => {
            let (found, right) = (words(found), words(right));
            let same = common(&right, &found).len();
            Ok(scores(same, found.len(), right.len()))
        }
        RougeKind::LongestOfLines => Ok(united(&lines(found), &lines(right))),
    }
}

/// The best by F1 of several right texts.
///
/// # Errors
/// As [`rouge`], and without a right text.
pub fn rouge_best<B: AsRef<str>>(found: &str, right: &[B], kind: RougeKind, stemming: Stemming) -> Result<Rouge> {
    let all: Result<Vec<Rouge>> = right.iter().map(|right| rouge(found, right.as_ref(), kind, stemming)).collect();
    all?.into_iter().max_by(|a, b| a.f1.total_cmp(&b.f1)).ok_or_else(|| Error::metric("ROUGE", "no reference"))
}

fn scores(same: usize, found: usize, right: usize) -> Rouge {
    let same = same as f64;
    let (precision, recall) = (share(same, found as f64), share(same, right as f64));
    Scores { precision, recall, f1: share(2.0 * precision * recall, precision + recall) }
}

fn grams(found: &[String], right: &[String], order: usize) -> Rouge {
    let mut left: HashMap<&[String], usize> = HashMap::new();
    right.windows(order).for_each(|gram| *left.entry(gram).or_default() += 1);
    let mut same = 0usize;
    for gram in found.windows(order) {
        if let Some(count) = left.get_mut(gram)
            && *count > 0
        {
            *count -= 1;
            same += 1;
        }
    }
    let total = |words: &[String]| (words.len() + 1).saturating_sub(order);
    // The package divides by at least one.
    scores(same, total(found).max(1), total(right).max(1))
}

/// Places in `right` of one of the longest common subsequences: the one that the package finds.
fn common(right: &[String], found: &[String]) -> Vec<usize> {
    let width = found.len() + 1;
    let mut table = vec![0u32; (right.len() + 1) * width];
    for i in 1..=right.len() {
        for j in 1..width {
            table[i * width + j] = if right[i - 1] == found[j - 1] {
                table[(i - 1) * width + j - 1] + 1
            } else {
                table[(i - 1) * width + j].max(table[i * width + j - 1])
            };
        }
    }
    let (mut i, mut j) = (right.len(), found.len());
    let mut places = Vec::new();
    while i > 0 && j > 0 {
        if right[i - 1] == found[j - 1] {
            (i, j) = (i - 1, j - 1);
            places.push(i);
        } else if table[i * width + j - 1] > table[(i - 1) * width + j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
    places.reverse();
    places
}

fn united(found: &[Vec<String>], right: &[Vec<String>]) -> Rouge {
    let count = |lines: &[Vec<String>]| {
        let mut left: HashMap<String, usize> = HashMap::new();
        lines.iter().flatten().for_each(|word| *left.entry(word.clone()).or_default() += 1);
        left
    };
    let (mut left_found, mut left_right) = (count(found), count(right));
    let mut same = 0usize;
    for line in right {
        let mut places: Vec<usize> = found.iter().flat_map(|other| common(line, other)).collect();
        places.sort_unstable();
        places.dedup();
        for word in places.into_iter().map(|i| &line[i]) {
            if let (Some(a), Some(b)) = (left_found.get_mut(word), left_right.get_mut(word))
                && *a > 0
                && *b > 0
            {
                *a -= 1;
                *b -= 1;
                same += 1;
            }
        }
    }
    let total = |lines: &[Vec<String>]| lines.iter().map(Vec::len).sum();
    scores(same, total(found), total(right))
}
