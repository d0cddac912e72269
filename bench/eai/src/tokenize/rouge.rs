//! The tokenizer of the `rouge-score` package: runs of `a` to `z` and `0` to `9` in lower case.

use super::porter::stem;

/// Words as they are.
#[must_use]
pub fn rouge_tokens(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    lower.split(|c| !plain(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Words of more than three letters by their stems.
#[must_use]
pub fn rouge_tokens_stemmed(text: &str) -> Vec<String> {
    let short = |word: &str| word.len() <= 3;
    rouge_tokens(text).into_iter().map(|word| if short(&word) { word } else { stem(&word) }).collect()
}
