//! Heads that tag the words of a sentence, and may say what the whole of it is.
//!
//! `labels` of `task.json` are the tags in the form of CoNLL: `O` for words of no part, `B-x` for the first word of a part `x`,
//! `I-x` for its others. `"sentence"` names what a sentence may be: joint intent and slots from one pass of the encoder. The
//! tensor `classifier.weight` has a row for each tag, as PEFT stores it of a token classifier, then one for each label of the
//! sentence.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// Tags, and labels of a sentence.
const MAX_TAGS: usize = 4096;
/// Of words that belong to no part.
pub const OUTSIDE: &str = "O";

/// A head of tags as `task.json` declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagsSpec {
    /// What a sentence may be; none where words alone are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentence: Vec<String>,
}

/// What a tag says of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag<'a> {
    /// It belongs to no part.
    Outside,
    /// It is the first one of a part.
    Begins(&'a str),
    /// It goes on with a part.
    Continues(&'a str),
}

impl<'a> Tag<'a> {
    /// Reads `O`, `B-x` or `I-x`.
    #[must_use]
    pub fn parse(tag: &'a str) -> Option<Self> {
        match tag.split_once('-') {
            None if tag == OUTSIDE => Some(Self::Outside),
            Some(("B", part)) if !part.trim().is_empty() => Some(Self::Begins(part)),
            Some(("I", part)) if !part.trim().is_empty() => Some(Self::Continues(part)),
            _ => None,
        }
    }

    /// Whether a word tagged so may stand behind one tagged `before`, or at the beginning.
    #[must_use]
    pub fn follows(self, before: Option<Self>) -> bool {
        match self {
            Self::Outside | Self::Begins(_) => true,
            Self::Continues(part) => before == Some(Self::Begins(part)) || before == Some(Self::Continues(part)),
        }
    }
}

impl TagsSpec {
    /// Succeeds when the tags and the labels can be told apart, and each part can begin.
    ///
    /// # Errors
    /// What is wrong, with the value.
    pub(super) fn check(&self, tags: &[String]) -> Result<(), String> {
        if !(2..=MAX_TAGS).contains(&tags.len()) || self.sentence.len() > MAX_TAGS {
            let found = format!("{} tags and {} labels of the sentence", tags.len(), self.sentence.len());
            return Err(format!("{found}, expected 2 to {MAX_TAGS} and at most {MAX_TAGS}"));
        }
        let mut seen = HashSet::new();
        if let Some(label) = self.sentence.iter().find(|label| label.trim().is_empty() || !seen.insert(label.as_str()))
        {
            return Err(format!("label '{label}' of the sentence is empty or given twice"));
        }
        let mut known = HashSet::new();
        for tag in tags {
            if Tag::parse(tag).is_none() || !known.insert(tag.as_str()) {
                return Err(format!("tag '{tag}' is given twice or none of O, B-x and I-x"));
            }
        }
        if !known.contains(OUTSIDE) {
            return Err("no tag is O".into());
        }
        let orphan = tags.iter().find(|tag| match Tag::parse(tag) {
            Some(Tag::Continues(part)) => !known.contains(format!("B-{part}").as_str()),
            _ => false,
        });
        orphan.map_or(Ok(()), |tag| Err(format!("tag '{tag}' goes on with what no tag begins")))
    }
}
