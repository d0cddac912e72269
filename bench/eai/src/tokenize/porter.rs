//! Porter's stemmer with the departures that NLTK makes by default, which `rouge-score` uses.
//!
//! Works on ASCII words in lower case; any other word is returned as it is.

/// Words whose stem is set.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// What must hold of the part before an ending.
type Condition = fn(&[u8]) -> bool;

const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];
const STEP_3: [(&str, &str); 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];
const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// The stem of a word.
#[must_use]
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 || !word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return word.to_owned();
    }
    let mut word = word.as_bytes().to_vec();
    for step in [step_1a, step_1b, step_1c, step_2, step_3, step_4, step_5a, step_5b] {
        word = step(word);
    }
    String::from_utf8(word).expect("invariant: rules replace ASCII by ASCII")
}

fn is_consonant(word: &[u8], i: usize) -> bool {
    match word[i] {
        b'a' | b'e' | b'i' | b'o' | b'u' => false,
        // A run of y alternates, beginning with a consonant at the start of a word or after a vowel.
        b'y' => {
            let run = word[..i].iter().rev().take_while(|c| **c == b'y').count();
            let before = i.checked_sub(run + 1).is_none_or(|before| !is_consonant(word, before));
            before == (run % 2 == 0)
        }
        _ => true,
    }
}

/// How often a vowel is followed by a consonant.
fn measure(word: &[u8]) -> usize {
    let kinds: Vec<bool> = (0..word.len()).map(|i| is_consonant(word, i)).collect();
    kinds.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(word: &[u8]) -> bool {
    (0..word.len()).any(|i| !is_consonant(word, i))
}

fn ends_double_consonant(word: &[u8]) -> bool {
    matches!(word, [.., a, b] if a == b) && is_consonant(word, word.len() - 1)
}

/// Whether it ends in consonant, vowel, consonant but w, x and y; NLTK takes a vowel and a consonant alone as well.
fn ends_cvc(word: &[u8]) -> bool {
    let n = word.len();
    let long = n >= 3
        && is_consonant(word, n - 3)
        && !is_consonant(word, n - 2)
        && is_consonant(word, n - 1)
        && !matches!(word[n - 1], b'w' | b'x' | b'y');
    long || (n == 2 && !is_consonant(word, 0) && is_consonant(word, 1))
}

fn joined(stem: &[u8], ending: &str) -> Vec<u8> {
    [stem, ending.as_bytes()].concat()
}

/// The first rule whose ending fits decides, even where its condition does not hold.
fn apply<'a>(word: Vec<u8>, rules: impl IntoIterator<Item = (&'a str, &'a str)>, condition: Condition) -> Vec<u8> {
    for (ending, to) in rules {
        if let Some(stem) = word.strip_suffix(ending.as_bytes()) {
            return if condition(stem) { joined(stem, to) } else { word };
        }
    }
    word
}

fn step_1a(word: Vec<u8>) -> Vec<u8> {
    if word.len() == 4
        && let Some(stem) = word.strip_suffix(b"ies")
    {
        return joined(stem, "ie");
    }
    apply(word, [("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")], |_| true)
}

fn step_1b(word: Vec<u8>) -> Vec<u8> {
    if let Some(stem) = word.strip_suffix(b"ied") {
        return joined(stem, if word.len() == 4 { "ie" } else { "i" });
    }
    if word.ends_with(b"eed") {
        return apply(word, [("eed", "ee")], |stem| measure(stem) > 0);
    }
    let stem = ["ed", "ing"].iter().filter_map(|ending| word.strip_suffix(ending.as_bytes())).find(|s| has_vowel(s));
    let Some(stem) = stem else { return word };
    for (ending, to) in [("at", "ate"), ("bl", "ble"), ("iz", "ize")] {
        if let Some(stem) = stem.strip_suffix(ending.as_bytes()) {
            return joined(stem, to);
        }
    }
    if ends_double_consonant(stem) {
        let last = stem[stem.len() - 1];
        return if matches!(last, b'l' | b's' | b'z') { stem.to_vec() } else { stem[..stem.len() - 1].to_vec() };
    }
    if measure(stem) == 1 && ends_cvc(stem) { joined(stem, "e") } else { stem.to_vec() }
}

fn step_1c(word: Vec<u8>) -> Vec<u8> {
    apply(word, [("y", "i")], |stem| stem.len() > 1 && is_consonant(stem, stem.len() - 1))
}

fn step_2(word: Vec<u8>) -> Vec<u8> {
    if let Some(stem) = word.strip_suffix(b"alli")
        && measure(stem) > 0
    {
        return step_2(joined(stem, "al"));
    }
    if let Some(rest) = word.strip_suffix(b"ogi")
        && rest.ends_with(b"l")
    {
        // The l counts for the measure and stays.
        return if measure(rest) > 0 { joined(rest, "og") } else { word };
    }
    apply(word, STEP_2, |stem| measure(stem) > 0)
}

fn step_3(word: Vec<u8>) -> Vec<u8> {
    apply(word, STEP_3, |stem| measure(stem) > 0)
}

fn step_4(word: Vec<u8>) -> Vec<u8> {
    for ending in STEP_4 {
        if let Some(stem) = word.strip_suffix(ending.as_bytes()) {
            let after = ending != "ion" || matches!(stem.last(), Some(b's' | b't'));
            return if measure(stem) > 1 && after { stem.to_vec() } else { word };
        }
    }
    word
}

fn step_5a(word: Vec<u8>) -> Vec<u8> {
    match word.strip_suffix(b"e") {
        Some(stem) if measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem)) => stem.to_vec(),
        _ => word,
    }
}

fn step_5b(mut word: Vec<u8>) -> Vec<u8> {
    if word.ends_with(b"ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}
