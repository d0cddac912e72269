//! Scores of transcripts: word and character error rates.

use serde::Serialize;

use super::edits::distance;

/// Errors of transcripts over all rows together: their sum by that of the references' words or characters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpeechScores {
    /// Words that are wrong, missing or too many, by words of the references; above 1 where many are too many.
    pub wer: f64,
    /// The same of characters, one space between words included.
    pub cer: f64,
    /// Share of transcripts without an error.
    pub exact: f64,
    /// Words of the references.
    pub words: usize,
}

impl SpeechScores {
    /// Of transcripts with their references, in the form of `spoken`. Of several the one with the fewest wrong words counts.
    #[must_use]
    pub fn new<'a>(rows: impl Iterator<Item = (&'a str, &'a [String])>) -> Self {
        let (mut wrong_words, mut words, mut wrong_characters, mut characters) = (0, 0, 0, 0);
        let (mut exact, mut count) = (0, 0);
        for (found, references) in rows {
            let found = spoken(found);
            let errors = |right: &String| {
                let right = spoken(right);
                let (a, b): (Vec<&str>, Vec<&str>) = (found.split(' ').collect(), right.split(' ').collect());
                let (a, b) = (filled(a), filled(b));
                let (x, y): (Vec<char>, Vec<char>) = (found.chars().collect(), right.chars().collect());
                (distance(&a, &b), b.len(), distance(&x, &y), y.len())
            };
            let Some(best) = references.iter().map(errors).min_by_key(|errors| errors.0) else { continue };
            wrong_words += best.0;
            words += best.1;
            wrong_characters += best.2;
            characters += best.3;
            exact += usize::from(best.2 == 0);
            count += 1;
        }
        let rate = |wrong: usize, of: usize| wrong as f64 / of.max(1) as f64;
        Self {
            wer: rate(wrong_words, words),
            cer: rate(wrong_characters, characters),
            exact: rate(exact, count),
            words,
        }
    }
}

/// Splitting an empty text gives one empty word.
fn filled(words: Vec<&str>) -> Vec<&str> {
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// How transcripts are compared: lower case, letters, digits and apostrophes within words; all else parts words. Numbers stay
/// as they are written: "2" is not "two".
fn spoken(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| match c {
            '’' => '\'',
            c if c.is_alphanumeric() || c == '\'' => c,
            _ => ' ',
        })
        .collect();
    let words = plain.split_whitespace().map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(rows: &[(&str, &str)]) -> SpeechScores {
        let references: Vec<Vec<String>> = rows.iter().map(|(_, right)| vec![(*right).to_owned()]).collect();
        SpeechScores::new(rows.iter().zip(&references).map(|((found, _), right)| (*found, &right[..])))
    }

    #[test]
    fn rates_are_those_by_hand() {
        assert_eq!(spoken("It’s  'Twenty-two', he SAID."), "it's twenty two he said");
        let all = score(&[("one two three", "One, two; three!"), ("one two", "one too four"), ("", "five")]);
        assert_eq!(all.words, 7);
        assert!((all.wer - 3.0 / 7.0).abs() < 1e-12, "{all:?}");
        // "one two" for "one too four": w for o, five characters missing; four of "five".
        assert!((all.cer - (1.0 + 5.0 + 4.0) / (13.0 + 12.0 + 4.0)).abs() < 1e-12, "{all:?}");
        assert!((all.exact - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(score(&[("a b c", "a")]).wer, 2.0, "words too many count");
    }
}
