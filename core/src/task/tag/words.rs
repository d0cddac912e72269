//! Words of a text: what is tagged.

use std::ops::Range;

/// Stripped from both ends of a word: it does not belong to a name at the end of a sentence or in brackets.
const AROUND: &[char] = &[
    '"', '\'', '`', '(', ')', '[', ']', '{', '}', '<', '>', '.', ',', ';', ':', '!', '?', '…', '“', '”', '„', '‘', '’',
    '«', '»',
];

/// Places of the words of `text`, in bytes: what white space parts, without the punctuation around it; of punctuation alone all
/// of it.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(skipped) = text[rest..].find(|c: char| !c.is_whitespace()) {
        let start = rest + skipped;
        let end = text[start..].find(char::is_whitespace).map_or(text.len(), |length| start + length);
        let core = text[start..end].trim_end_matches(AROUND).len();
        let front = core - text[start..start + core].trim_start_matches(AROUND).len();
        found.push(if core == 0 { start..end } else { start + front..start + core });
        rest = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<&str> {
        words(text).into_iter().map(|place| &text[place]).collect()
    }

    #[test]
    fn punctuation_around_words_is_left_out() {
        assert_eq!(of(" Play\t«Für Elise», (please)!\n"), ["Play", "Für", "Elise", "please"]);
        assert_eq!(of("@paul 's e-mail: #7 u.s. ... don't"), ["@paul", "s", "e-mail", "#7", "u.s", "...", "don't"]);
        assert_eq!(of(" \u{3000}"), [""; 0]);
        assert_eq!(of("''a'' a"), ["a", "a"]);
    }
}
