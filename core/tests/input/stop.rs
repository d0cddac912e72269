//! Stop strings against the naive search, however the text is cut.

use loam::input::{Step, StopStrings};
use proptest::prelude::*;

/// The text before the stop string that ends first (the longest of those), and whether there is one.
fn naive(text: &str, stops: &[String]) -> (String, bool) {
    for end in 1..=text.len() {
        let ending = stops.iter().filter(|stop| text.as_bytes()[..end].ends_with(stop.as_bytes()));
        if let Some(longest) = ending.map(String::len).max() {
            return (text[..end - longest].to_owned(), true);
        }
    }
    (text.to_owned(), false)
}

fn streamed(text: &str, stops: &[String], cuts: &[usize]) -> (String, bool) {
    let mut matcher = StopStrings::new(stops).expect("valid stop strings");
    let mut shown = String::new();
    let mut chars = text.chars();
    for &cut in cuts.iter().cycle() {
        let chunk: String = chars.by_ref().take(cut.max(1)).collect();
        if chunk.is_empty() {
            break;
        }
        let Step { text, stopped } = matcher.push(&chunk);
        shown.push_str(&text);
        if stopped {
            return (shown, true);
        }
    }
    shown.push_str(&matcher.finish());
    (shown, false)
}

proptest! {
    #[test]
    fn equals_the_naive_search(
        text in "[abé]{0,40}",
        stops in prop::collection::vec("[abé]{1,6}", 0..4),
        cuts in prop::collection::vec(1usize..5, 1..6),
    ) {
        prop_assert_eq!(streamed(&text, &stops, &cuts), naive(&text, &stops));
    }

    #[test]
    fn holds_back_no_more_than_needed(text in "[ab]{0,30}", stop in "[ab]{1,6}") {
        let mut matcher = StopStrings::new(std::slice::from_ref(&stop)).expect("valid");
        let step = matcher.push(&text);
        if !step.stopped {
            let held = &text[step.text.len()..];
            prop_assert!(stop.starts_with(held) && held.len() < stop.len());
            // Anything shorter would be shown too early.
            prop_assert!(!(0..text.len() - held.len()).any(|at| stop.starts_with(&text[at..])));
        }
    }
}

#[test]
fn nothing_follows_a_stop() {
    let mut matcher = StopStrings::new(&["\nUser:"]).expect("valid");
    assert_eq!(matcher.push("Hello\nUs"), Step { text: "Hello".into(), stopped: false });
    assert_eq!(matcher.push("er: and"), Step { text: String::new(), stopped: true });
    assert_eq!(matcher.push("more"), Step { text: String::new(), stopped: true });
    assert_eq!(matcher.finish(), "");
}

#[test]
fn limits_are_checked() {
    assert!(StopStrings::new(&[""]).is_err());
    assert!(StopStrings::new(&["x".repeat(5000)]).is_err());
    assert!(StopStrings::new(&["x"; 65]).is_err());
    assert!(StopStrings::new::<&str>(&[]).is_ok());
}
