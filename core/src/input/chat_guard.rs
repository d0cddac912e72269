//! Keeps the texts of control tokens inside messages from becoming control tokens.
//!
//! A character that occurs nowhere else, the marker, is put inside every such text before the template runs. The
//! template may trim, cut and join as it likes; afterwards only its own control tokens are found, and the markers are
//! taken out. Without such texts nothing is changed at all. A template that rewrites contents character by character
//! (changes case, deletes inner text) can still build a token out of harmless parts; known templates do not.

use std::collections::{BTreeSet, HashSet};

use crate::error::{Error, Result};

/// Where markers are taken from: the private-use areas, which no text carries on purpose.
const MARKERS: [std::ops::RangeInclusive<char>; 2] = ['\u{E000}'..='\u{F8FF}', '\u{F0000}'..='\u{FFFFD}'];

/// The special texts of a tokenizer, and a marker that is foreign to a conversation.
#[derive(Debug)]
pub(super) struct Guard {
    specials: HashSet<String>,
    /// Distinct byte lengths of the special texts, so that a position costs a few look-ups, not one per token.
    lengths: Vec<usize>,
    first_bytes: HashSet<u8>,
    marker: char,
}

impl Guard {
    /// `texts` are all strings that will meet in the rendering, the template's source included.
    pub(super) fn new<'a>(specials: Vec<String>, texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut used: HashSet<char> = texts.flat_map(private_use).collect();
        used.extend(specials.iter().flat_map(|special| private_use(special)));
        let free = MARKERS.into_iter().flatten().find(|c| !used.contains(c));
        let marker = free.ok_or_else(|| Error::argument("messages", "all private-use characters occur in them"))?;
        let specials: HashSet<String> = specials.into_iter().filter(|special| !special.is_empty()).collect();
        let lengths: BTreeSet<usize> = specials.iter().map(String::len).collect();
        let first_bytes = specials.iter().map(|special| special.as_bytes()[0]).collect();
        Ok(Self { specials, lengths: lengths.into_iter().collect(), first_bytes, marker })
    }

    pub(super) fn marker(&self) -> char {
        self.marker
    }

    /// A message's content with markers in all special texts, and where its ends could complete one across a boundary.
    pub(super) fn protect(&self, text: &str) -> Result<String> {
        let mut cuts = self.inside(text)?;
        // Templates trim contents, so what may touch other text is the content with and without its outer spaces.
        let starts = [0, text.len() - text.trim_start().len()];
        let ends = [text.len(), text.trim_end().len()];
        for (start, end) in starts.into_iter().flat_map(|start| ends.map(|end| (start, end))) {
            let part = text.get(start..end).unwrap_or_default();
            cuts.extend(self.completes(part).then_some(start));
            cuts.extend(self.begins(part).then_some(end));
        }
        Ok(self.mark(text, cuts))
    }

    /// A string of a tool or variable with markers in all special texts. Its ends are left alone: templates compare
    /// such strings, and the app, not a user, wrote them.
    pub(super) fn protect_inside(&self, text: &str) -> Result<String> {
        Ok(self.mark(text, self.inside(text)?))
    }

    fn mark(&self, text: &str, mut cuts: Vec<usize>) -> String {
        cuts.sort_unstable();
        cuts.dedup();
        let mut out = String::with_capacity(text.len() + cuts.len() * self.marker.len_utf8());
        let mut from = 0;
        for at in cuts {
            out.push_str(&text[from..at]);
            out.push(self.marker);
            from = at;
        }
        out.push_str(&text[from..]);
        out
    }

    /// Behind the first character of every special text in `text`.
    fn inside(&self, text: &str) -> Result<Vec<usize>> {
        let mut cuts = Vec::new();
        for (at, first) in text.char_indices().filter(|&(at, _)| self.first_bytes.contains(&text.as_bytes()[at])) {
            let mut candidates = self.lengths.iter().map_while(|&len| text.as_bytes().get(at..at + len));
            let found = candidates.find(|bytes| std::str::from_utf8(bytes).is_ok_and(|s| self.specials.contains(s)));
            let Some(found) = found else { continue };
            if first.len_utf8() == found.len() {
                let reason = format!("they contain '{first}', a control token that cannot be told apart");
                return Err(Error::argument("messages", reason));
            }
            cuts.push(at + first.len_utf8());
        }
        Ok(cuts)
    }

    /// Whether `text` could be the rest of a special text that begins before it.
    fn completes(&self, text: &str) -> bool {
        !text.is_empty()
            && self.specials.iter().any(|special| {
                let mut tails = special.char_indices().skip(1).map(|(at, _)| &special[at..]);
                tails.any(|tail| text.starts_with(tail) || tail.starts_with(text))
            })
    }

    /// Whether `text` could end in the beginning of a special text that goes on behind it.
    fn begins(&self, text: &str) -> bool {
        !text.is_empty()
            && self.specials.iter().any(|special| {
                let mut heads = special.char_indices().skip(1).map(|(at, _)| &special[..at]);
                heads.any(|head| text.ends_with(head) || head.ends_with(text))
            })
    }
}

fn private_use(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| MARKERS.iter().any(|range| range.contains(c)))
}
