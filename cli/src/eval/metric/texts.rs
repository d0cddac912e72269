//! Scores of texts beside references of which each is right.

use std::collections::HashMap;

use serde::Serialize;

use super::edits::common;
use super::ngrams::Chrf;

/// Words that SQuAD's comparison leaves out.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// Scores of texts, from 0 to 1. Of several references the best one counts, for each score by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextScores {
    /// Share of texts that equal a reference but for spaces around them.
    pub exact: f64,
    /// Share of texts that equal one without case, punctuation and articles (SQuAD's comparison).
    pub exact_normalised: f64,
    /// Mean F1 of the words that are shared, under the same normalisation.
    pub token_f1: f64,
    /// chrF over all texts.
    pub chrf: f64,
    /// Mean F1 of the longest common subsequence of words, lower case letters and digits (ROUGE-L).
    pub rouge_l: f64,
}

impl TextScores {
    /// Of texts with their references.
    #[must_use]
    pub fn new<'a>(rows: impl Iterator<Item = (&'a str, &'a [String])>) -> Self {
        let mut scores = Self { exact: 0.0, exact_normalised: 0.0, token_f1: 0.0, chrf: 0.0, rouge_l: 0.0 };
        let mut chrf = Chrf::default();
        let mut count = 0;
        for (found, references) in rows {
            let best = |score: &dyn Fn(&str) -> f64| references.iter().map(|right| score(right)).fold(0.0, f64::max);
            let normal = plain(found);
            scores.exact += best(&|right| f64::from(u8::from(right.trim() == found.trim())));
            scores.exact_normalised += best(&|right| f64::from(u8::from(plain(right) == normal)));
            scores.token_f1 += best(&|right| shared(&normal, &plain(right)));
            scores.rouge_l += best(&|right| subsequence(found, right));
            chrf.add(&Chrf::of(found, references));
            count += 1;
        }
        for sum in [&mut scores.exact, &mut scores.exact_normalised, &mut scores.token_f1, &mut scores.rouge_l] {
            *sum /= f64::from(count.max(1));
        }
        scores.chrf = chrf.score();
        scores
    }
}

/// Lower case without ASCII punctuation and articles, words parted by one space.
#[must_use]
pub fn plain(text: &str) -> String {
    let bare: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    bare.split_whitespace().filter(|word| !ARTICLES.contains(word)).collect::<Vec<_>>().join(" ")
}

/// F1 of shared words; two texts without a word are alike.
fn shared(found: &str, right: &str) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    right.split(' ').filter(|word| !word.is_empty()).for_each(|word| *left.entry(word).or_insert(0) += 1);
    let wanted: usize = left.values().sum();
    let (mut given, mut both) = (0, 0);
    for word in found.split(' ').filter(|word| !word.is_empty()) {
        given += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            both += 1;
        }
    }
    f1(both, given, wanted)
}

/// F1 of the longest common subsequence of words.
fn subsequence(found: &str, right: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let (found, right) = (words(found), words(right));
    f1(common(&found, &right), found.len(), right.len())
}

fn f1(both: usize, found: usize, right: usize) -> f64 {
    match found + right {
        0 => 1.0,
        all => 2.0 * both as f64 / all as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(found: &str, references: &[&str]) -> TextScores {
        let references: Vec<String> = references.iter().map(|&text| text.to_owned()).collect();
        TextScores::new([(found, &references[..])].into_iter())
    }

    #[test]
    fn scores_are_those_by_hand() {
        let same = score(" The red ball. ", &["a blue ball", "The red ball."]);
        assert_eq!((same.exact, same.exact_normalised, same.token_f1, same.rouge_l), (1.0, 1.0, 1.0, 1.0));
        let near = score("red ball", &["The red ball!"]);
        assert_eq!((near.exact, near.exact_normalised, near.token_f1), (0.0, 1.0, 1.0));
        assert!((near.rouge_l - 0.8).abs() < 1e-12, "ROUGE keeps articles: {}", near.rouge_l);
        let part = score("ball red ball", &["red red ball"]);
        assert!((part.token_f1 - 2.0 / 3.0).abs() < 1e-12, "words are counted as often as they are there");
        assert!((part.rouge_l - 2.0 * 2.0 / 6.0).abs() < 1e-12, "in their order");
        let nothing = score("", &["word"]);
        assert_eq!((nothing.exact, nothing.token_f1, nothing.chrf, nothing.rouge_l), (0.0, 0.0, 0.0, 0.0));
        assert_eq!(plain("It's  A dog, the DOG"), "its dog dog");
    }
}
