//! Accuracy of answers about pictures, as the evaluation of VQA and VizWiz counts it: full where three of ten people said the
//! same, less where fewer did.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{mean, paired};
use crate::error::{Error, Result};
use crate::tokenize::whitespace;

const NAME: &str = "VQA accuracy";
/// People who must agree.
const ENOUGH: f64 = 3.0;
const MARKS: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];
const NUMBERS: [(&str, &str); 11] = [
    ("none", "0"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
];
const TEN: (&str, &str) = ("ten", "10");
/// Words with apostrophes; each is also known with one of them missing.
const CONTRACTIONS: &str = "'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't \
    hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't \
    mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've \
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've \
    something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've \
    weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're \
    why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've";
/// A slip in the table of the script that counts as it stands there.
const SLIP: (&str, &str) = ("somebody'd", "somebodyd");

static CONTRACTED: LazyLock<HashMap<String, &str>> = LazyLock::new(|| {
    let without = |word: &str, i: usize| format!("{}{}", &word[..i], &word[i + 1..]);
    let each = |word: &'static str| word.match_indices('\'').map(move |(i, _)| (without(word, i), word));
    let table = CONTRACTIONS.split(' ').flat_map(each);
    table.chain([(SLIP.0.to_owned(), SLIP.1)]).collect()
});
/// A comma within a number makes all marks vanish in place of becoming spaces.
static COMMA: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d,\d").expect("invariant: the expression is right"));

/// Without marks, articles and line breaks, in lower case, small numbers as digits.
#[must_use]
pub fn normalise_vqa_answer(text: &str) -> String {
    let plain = without_marks(text.replace(['\n', '\t'], " ").trim());
    let lower = plain.to_lowercase();
    let number =
        |word| NUMBERS.iter().chain([&TEN]).find(|(name, _)| *name == word).map_or(word, |(_, digits)| *digits);
    let words = whitespace(&lower).map(number).filter(|word| !["a", "an", "the"].contains(word));
    words.map(|word| CONTRACTED.get(word).copied().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

fn without_marks(text: &str) -> String {
    let mut plain = text.to_owned();
    let comma = COMMA.is_match(text);
    for mark in MARKS {
        let apart = text.contains(&format!("{mark} ")) || text.contains(&format!(" {mark}"));
        plain = plain.replace(mark, if apart || comma { "" } else { " " });
    }
    without_full_stops(&plain)
}

/// Without full stops but before digits; the script removes the first 32 of them.
fn without_full_stops(text: &str) -> String {
    const MOST: usize = 32;
    let mut removed = 0;
    let mut characters = text.chars().peekable();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = characters.next() {
        let kept = c != '.' || removed == MOST || characters.peek().is_some_and(|next| next.is_numeric());
        removed += usize::from(!kept);
        plain.extend(kept.then_some(c));
    }
    plain
}

/// Mean over questions; `right` has all people's answers. Each answer is compared with those of all but one of them, in turn.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and a question that nobody answered.
pub fn vqa_accuracy<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[Vec<B>]) -> Result<f64> {
    paired(NAME, found.len(), right.len())?;
    let mut all = Vec::with_capacity(found.len());
    for (row, (found, right)) in found.iter().zip(right).enumerate() {
        let answers: Vec<&str> = right.iter().map(AsRef::as_ref).collect();
        let first = *answers.first().ok_or_else(|| Error::metric(NAME, format!("row {row} has no answer")))?;
        let found = normalise_vqa_answer(found.as_ref());
        // Where all say the same to the letter, the script leaves them as they are.
        let differ = answers.iter().any(|answer| *answer != first);
        let same = |answer: &&str| if differ { without_marks(answer) == found } else { **answer == found };
        let agree: Vec<bool> = answers.iter().map(same).collect();
        let total = agree.iter().filter(|same| **same).count();
        let each = agree.iter().map(|same| ((total - usize::from(*same)) as f64 / ENOUGH).min(1.0));
        all.push(each.sum::<f64>() / agree.len() as f64);
    }
    Ok(mean(&all))
}
