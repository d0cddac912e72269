//! From logits of words to the most probable tags that may follow one another, and from tags to spans of words.

use std::ops::Range;

use crate::adapter::Tag;

/// Consecutive words of one part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run<'a> {
    pub(super) part: &'a str,
    pub(super) words: Range<usize>,
    /// Mean probability of its words' tags.
    pub(super) score: f32,
}

/// Natural logarithms of the probabilities of tags, in place; `logits` are `[words, tags]`.
pub(super) fn log_softmax(logits: &mut [f32], tags: usize) {
    for row in logits.chunks_exact_mut(tags) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|value| f64::from(value - largest).exp()).sum();
        row.iter_mut().for_each(|value| *value -= largest + sum.ln() as f32);
    }
}

/// The sequence of tags with the largest sum of `scores`, `[words, tags]`, in which each may follow the one before (Viterbi, in
/// `words * tags` steps: a tag that goes on has two that it may follow). Of equal ones the first. `O` is among the tags.
pub(super) fn best(scores: &[f32], tags: &[Tag<'_>]) -> Vec<usize> {
    // Where each continuing tag may come from.
    let sources: Vec<Option<Vec<usize>>> = tags.iter().map(|tag| sources(*tag, tags)).collect();
    let count = tags.len();
    let mut totals = vec![0.0_f32; count];
    let mut back: Vec<usize> = Vec::with_capacity(scores.len());
    for (word, row) in scores.chunks_exact(count).enumerate() {
        let any = (0..count).rev().max_by(|a, b| totals[*a].total_cmp(&totals[*b])).unwrap_or(0);
        let mut next = Vec::with_capacity(count);
        for (tag, score) in row.iter().enumerate() {
            let from = match &sources[tag] {
                None => Some(any),
                Some(_) if word == 0 => None,
                Some(from) => from.iter().rev().copied().max_by(|a, b| totals[*a].total_cmp(&totals[*b])),
            };
            back.push(from.unwrap_or(any));
            next.push(from.map_or(f32::NEG_INFINITY, |from| totals[from] + score));
        }
        totals = next;
    }
    let mut at = (0..count).rev().max_by(|a, b| totals[*a].total_cmp(&totals[*b])).unwrap_or(0);
    let mut path = Vec::with_capacity(back.len() / count.max(1));
    for from in back.chunks_exact(count).rev() {
        path.push(at);
        at = from[at];
    }
    path.reverse();
    path
}

/// The tags that `tag` may follow; `None` where it may follow any.
fn sources(tag: Tag<'_>, tags: &[Tag<'_>]) -> Option<Vec<usize>> {
    if tag.follows(None) {
        return None;
    }
    Some((0..tags.len()).filter(|before| tag.follows(Some(tags[*before]))).collect())
}

/// The parts that `path` tags, with probabilities from `scores` as [`log_softmax`] gives them.
pub(super) fn runs<'a>(path: &[usize], scores: &[f32], tags: &[Tag<'a>]) -> Vec<Run<'a>> {
    let mut found: Vec<Run<'a>> = Vec::new();
    for (word, &tag) in path.iter().enumerate() {
        let probability = scores[word * tags.len() + tag].exp();
        match (tags[tag], found.last_mut()) {
            (Tag::Begins(part), _) => found.push(Run { part, words: word..word + 1, score: probability }),
            (Tag::Continues(_), Some(run)) => {
                run.words.end = word + 1;
                run.score += probability;
            }
            (Tag::Continues(_) | Tag::Outside, _) => {}
        }
    }
    found.iter_mut().for_each(|run| run.score /= run.words.len() as f32);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [Tag<'static>; 5] =
        [Tag::Outside, Tag::Begins("a"), Tag::Continues("a"), Tag::Begins("b"), Tag::Continues("b")];

    /// All sequences, tried one after another.
    fn searched(scores: &[f32]) -> (f32, Vec<usize>) {
        let words = scores.len() / TAGS.len();
        let path = |number: usize| -> Vec<usize> {
            (0..words).rev().map(|word| number / TAGS.len().pow(word as u32) % TAGS.len()).collect()
        };
        let allowed = |path: &Vec<usize>| {
            (0..words).all(|at| TAGS[path[at]].follows(at.checked_sub(1).map(|before| TAGS[path[before]])))
        };
        let total = |path: &Vec<usize>| (0..words).map(|at| scores[at * TAGS.len() + path[at]]).sum::<f32>();
        let all = (0..TAGS.len().pow(words as u32)).map(path).filter(allowed).map(|path| (total(&path), path));
        all.reduce(|best, other| if other.0 > best.0 { other } else { best }).expect("a path of O")
    }

    #[test]
    fn the_best_path_is_that_of_a_search_through_all() {
        let mut state = 7_u32;
        for _ in 0..200 {
            let scores: Vec<f32> = (0..4 * TAGS.len())
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    -((state >> 16) as f32) / 8192.0
                })
                .collect();
            let (total, path) = searched(&scores);
            let found = best(&scores, &TAGS);
            let sum: f32 = found.iter().enumerate().map(|(at, tag)| scores[at * TAGS.len() + tag]).sum();
            assert!((sum - total).abs() < 1e-4, "{found:?} {sum}, {path:?} {total}");
        }
        assert_eq!(best(&[], &TAGS), [0; 0]);
    }

    #[test]
    fn runs_are_words_of_one_part() {
        let scores = [0.5_f32.ln(); 6 * 5];
        let found = runs(&[1, 2, 1, 0, 3, 4], &scores, &TAGS);
        let places: Vec<_> = found.iter().map(|run| (run.part, run.words.clone())).collect();
        assert_eq!(places, [("a", 0..2), ("a", 2..3), ("b", 4..6)]);
        assert!(found.iter().all(|run| (run.score - 0.5).abs() < 1e-6));
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let mut logits = vec![1.0, 2.0, 300.0, -1.0, 0.0, 0.0];
        log_softmax(&mut logits, 3);
        for row in logits.chunks(3) {
            assert!((row.iter().map(|value| value.exp()).sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
}
