//! Answers as the evaluation of SQuAD 1.1 and 2.0 compares them: without case, punctuation and articles, as a bag of words.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{mean, paired};
use crate::error::Result;
use crate::tokenize::whitespace;

static ARTICLES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(a|an|the)\b").expect("invariant: the expression is right"));

/// Means over all questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SquadScores {
    /// Share of answers that are right.
    pub exact: f64,
    /// F1 of words.
    pub f1: f64,
}

/// In lower case, without ASCII punctuation and without `a`, `an` and `the`; one space between words.
#[must_use]
pub fn normalise_answer(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    whitespace(&ARTICLES.replace_all(&plain, " ")).collect::<Vec<_>>().join(" ")
}

/// Whether both are the same once normalised.
#[must_use]
pub fn squad_exact(found: &str, right: &str) -> bool {
    normalise_answer(found) == normalise_answer(right)
}

/// F1 of the words of both; where one has none, 1 if the other has none too, else 0.
#[must_use]
pub fn squad_f1(found: &str, right: &str) -> f64 {
    let (found, right) = (normalise_answer(found), normalise_answer(right));
    let (found, right): (Vec<&str>, Vec<&str>) = (whitespace(&found).collect(), whitespace(&right).collect());
    if found.is_empty() || right.is_empty() {
        return f64::from(u8::from(found.is_empty() && right.is_empty()));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    right.iter().for_each(|word| *left.entry(word).or_default() += 1);
    let same = found
        .iter()
        .filter(|word| {
            left.get_mut(**word).is_some_and(|count| count.checked_sub(1).map(|less| *count = less).is_some())
        })
        .count() as f64;
    super::share(2.0 * same, (found.len() + right.len()) as f64)
}

/// Each question has the best score of its right answers. A question without any that is not empty cannot be answered: the
/// empty text is right.
///
/// # Errors
/// [`Error::Metric`](crate::Error::Metric) for lists of unlike length, and for empty ones.
pub fn squad<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[Vec<B>]) -> Result<SquadScores> {
    paired("SQuAD F1", found.len(), right.len())?;
    let mut exact = Vec::with_capacity(right.len());
    let mut f1 = Vec::with_capacity(right.len());
    for (found, right) in found.iter().map(AsRef::as_ref).zip(right) {
        let mut answers: Vec<&str> =
            right.iter().map(AsRef::as_ref).filter(|text| !normalise_answer(text).is_empty()).collect();
        if answers.is_empty() {
            answers.push("");
        }
        exact.push(f64::from(u8::from(answers.iter().any(|right| squad_exact(found, right)))));
        f1.push(answers.iter().map(|right| squad_f1(found, right)).fold(0.0, f64::max));
    }
    Ok(SquadScores { exact: mean(&exact), f1: mean(&f1) })
}
