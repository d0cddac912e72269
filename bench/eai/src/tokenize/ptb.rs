//! Words of captions as pycocoevalcap cuts them: Penn Treebank tokens in lower case, without punctuation.
//!
//! The original runs Stanford's tokenizer, a generated automaton of some thousand states; these are the rules that captions
//! meet. Known to differ: emoticons, phone numbers, dates and addresses, markup with spaces in it, abbreviations that are not
//! in the list below, and text that is not Latin. `docs/eaibench.md` has how often captions of three sets come out alike.

use std::sync::LazyLock;

use regex::Regex;

/// Dropped by pycocoevalcap, also where Stanford's tokenizer would write it otherwise. Its list has brackets in capitals, which
/// therefore stay.
const PUNCTUATION: [&str; 21] =
    ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";", "\"", "’", "‘", "“", "”", "–", "—", "…"];
/// Keep their full stop.
const ABBREVIATIONS: &str = "mr|mrs|ms|dr|st|jr|sr|prof|rev|gen|col|lt|sgt|capt|gov|sen|rep|pres|hon|inc|corp|co|ltd|bros|\
    mt|ft|ave|blvd|rd|no|vs|etc|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec|mon|tue|tues|wed|thu|thurs|fri|approx|dept|est";
/// One word that is two.
const PAIRS: [(&str, &str, &str); 6] = [
    ("cannot", "can", "not"),
    ("gonna", "gon", "na"),
    ("gotta", "got", "ta"),
    ("wanna", "wan", "na"),
    ("gimme", "gim", "me"),
    ("lemme", "lem", "me"),
];

static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let rules = [
        r"(?<url>(?:https?://|www\.)[^\s<>()]*[^\s<>().,;:!?'\x22]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)",
        r"(?<tag></?[a-z][^<>\s]*/?>)",
        r"(?<short>(?:[a-z]\.){2,})",
        r"(?<rock>'n'|['’](?:s|m|d|re|ve|ll)\b|'tis\b|'twas\b|'em\b|'(?:\d\d)s?\b)",
        r"(?<number>\d*(?:[.,:/]\d+)+(?:[-_][\p{L}\p{N}]+)*(?:st|nd|rd|th|s)?)",
        r"(?<word>[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:[-_/&][\p{L}\p{N}]+|['’][\p{L}\p{N}]+)*)",
        r"(?<dots>\.{2,}|-{2,}|—|–)",
        r"(?<other>\S)",
    ];
    Regex::new(&format!("(?i){}", rules.join("|"))).expect("invariant: the expression is right")
});
static ABBREVIATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^(?:{ABBREVIATIONS}|[a-z])$")).expect("invariant: the expression is right"));
static CLITIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(.+?)(n['’]t|['’](?:s|m|d|re|ve|ll))$").expect("invariant: the expression is right")
});

/// Words of a caption, joined by spaces.
#[must_use]
pub fn ptb_caption(text: &str) -> String {
    let text = text.to_lowercase().replace("&amp;", "&");
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(found) = TOKEN.captures_at(&text, at) {
        let whole = found.get(0).expect("invariant: a match has a whole");
        at = whole.end();
        let token = whole.as_str();
        if found.name("word").is_none() {
            words.push(token.to_owned());
            continue;
        }
        let rest = &text[at..];
        let stop = rest.starts_with('.') && !rest.starts_with("..");
        if stop && ABBREVIATION.is_match(token) {
            words.push(format!("{token}."));
            at += 1;
            continue;
        }
        split(token, &mut words);
    }
    words.retain(|word| !PUNCTUATION.contains(&word.as_str()));
    words.iter_mut().for_each(escape);
    words.join(" ")
}

/// Takes off what hangs on a word: `isn't` is `is` and `n't`.
fn split(token: &str, words: &mut Vec<String>) {
    if let Some((_, first, second)) = PAIRS.iter().find(|(pair, ..)| *pair == token) {
        words.extend([(*first).to_owned(), (*second).to_owned()]);
        return;
    }
    if let Some(parts) = CLITIC.captures(token) {
        split(&parts[1], words);
        words.push(parts[2].replace('’', "'"));
        return;
    }
    words.push(token.replace('’', "'"));
}

/// Brackets are written as words.
fn escape(word: &mut String) {
    let name = match word.as_str() {
        "(" => "-lrb-",
        ")" => "-rrb-",
        "[" => "-lsb-",
        "]" => "-rsb-",
        "{" => "-lcb-",
        "}" => "-rcb-",
        _ => return,
    };
    name.clone_into(word);
}
