//! The text of a window, divided into segments by its times, and how far the next window begins from this one.
//!
//! As in OpenAI's `transcribe.py` and transformers' `_retrieve_segment`: two times in a row end one stretch and begin the
//! next; what follows the last such pair was cut by the end of the window and is heard again.

use std::ops::Range;

/// A stretch of speech in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Begin in states of the window.
    pub(super) start: usize,
    /// End in states of the window.
    pub(super) end: usize,
    /// Its tokens, times included.
    pub(super) tokens: Range<usize>,
}

/// How far the next window begins from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// Behind it.
    Whole,
    /// At a state within it.
    To(usize),
}

/// Divides `tokens`, whose ids from `first_time` on are times, of a window of which `states` hold sound.
pub(super) fn divide(tokens: &[u32], first_time: u32, states: usize) -> (Vec<Stretch>, Advance) {
    let time = |at: usize| tokens.get(at).filter(|&&id| id >= first_time).map(|&id| (id - first_time) as usize);
    let mut ends: Vec<usize> = (1..tokens.len()).filter(|&at| time(at - 1).is_some() && time(at).is_some()).collect();
    let count = tokens.len();
    let ends_with_one = count >= 2 && time(count - 2).is_none() && time(count - 1).is_some();
    let Some(last) = ends.last().copied() else {
        let latest = (0..count).rev().find_map(time).filter(|&time| time > 0);
        let whole = Stretch { start: 0, end: latest.unwrap_or(states), tokens: 0..count };
        return (vec![whole], Advance::Whole);
    };
    if ends_with_one {
        ends.push(count);
    }
    let mut start = 0;
    let stretches = ends.iter().map(|&end| {
        let stretch =
            Stretch { start: time(start).unwrap_or(0), end: time(end - 1).unwrap_or(states), tokens: start..end };
        start = end;
        stretch
    });
    let stretches = stretches.collect();
    // One time at the end says that nothing was said behind it.
    let advance = if ends_with_one { Advance::Whole } else { Advance::To(time(last - 1).unwrap_or(states)) };
    (stretches, advance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(start: usize, end: usize, tokens: Range<usize>) -> Stretch {
        Stretch { start, end, tokens }
    }

    #[test]
    fn pairs_divide_and_the_cut_end_is_left_for_the_next_window() {
        // Times from 100 on.
        let cases: [(&[u32], Vec<Stretch>, Advance); 7] = [
            (&[], vec![stretch(0, 50, 0..0)], Advance::Whole),
            (&[1, 2], vec![stretch(0, 50, 0..2)], Advance::Whole),
            (&[100, 1, 2], vec![stretch(0, 50, 0..3)], Advance::Whole),
            (&[100, 1, 140], vec![stretch(0, 40, 0..3)], Advance::Whole),
            (&[100, 1, 120, 121, 2], vec![stretch(0, 20, 0..3)], Advance::To(20)),
            (&[102, 1, 120, 121], vec![stretch(2, 20, 0..3)], Advance::To(20)),
            (
                &[100, 1, 120, 121, 2, 130, 130, 3, 145],
                vec![stretch(0, 20, 0..3), stretch(21, 30, 3..6), stretch(30, 45, 6..9)],
                Advance::Whole,
            ),
        ];
        for (tokens, stretches, advance) in cases {
            assert_eq!(divide(tokens, 100, 50), (stretches, advance), "{tokens:?}");
        }
    }
}
