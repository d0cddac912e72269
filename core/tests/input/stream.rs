//! Streamed text: pieces concatenate to the whole, and characters are never split.

use loam::input::{Affixes, Detokenizer, Position, Special, Tokenizer};
use proptest::prelude::*;

use crate::support::tiny;

/// The pieces of `ids`, none of them empty, and the rest.
fn pieces(tokenizer: &Tokenizer, ids: &[u32]) -> (Vec<String>, String) {
    let mut stream = Detokenizer::new(tokenizer);
    let shown = ids.iter().filter_map(|&id| stream.push(id).expect("a piece")).collect();
    (shown, stream.finish().expect("the rest"))
}

fn size(tokenizer: &Tokenizer) -> u32 {
    u32::try_from(tokenizer.vocab_size()).expect("a small vocabulary")
}

proptest! {
    #[test]
    fn pieces_of_random_ids_make_the_whole(ids in prop::collection::vec(0u32..400, 0..60)) {
        for model in ["gpt2", "llama", "bert"] {
            let tokenizer = tiny(model);
            let ids: Vec<u32> = ids.iter().map(|id| id % (size(&tokenizer) + 2)).collect();
            let (shown, rest) = pieces(&tokenizer, &ids);
            prop_assert!(shown.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(shown.concat() + &rest, tokenizer.decode(&ids).expect("text"));
        }
    }

    #[test]
    fn text_comes_back(text in "[a-eh 日é🦙\\n]{0,30}|\\PC{0,20}") {
        for model in ["gpt2", "llama"] {
            let tokenizer = tiny(model);
            let ids = tokenizer.encode(&text, Special::Plain, Affixes::None).expect("ids");
            let (shown, rest) = pieces(&tokenizer, &ids);
            // Whole characters only: nothing had to be replaced, and nothing was left over.
            prop_assert_eq!(&rest, "");
            prop_assert_eq!(shown.concat(), text.clone());
        }
    }
}

#[test]
fn an_emoji_of_four_tokens_comes_in_one_piece() {
    for model in ["gpt2", "llama"] {
        let tokenizer = tiny(model);
        let ids = tokenizer.encode("🦙", Special::Plain, Affixes::None).expect("ids");
        assert!(ids.len() >= 4);
        let (shown, rest) = pieces(&tokenizer, &ids);
        assert_eq!((shown.concat().as_str(), rest.as_str()), ("🦙", ""));
        let (shown, rest) = pieces(&tokenizer, &ids[..ids.len() - 1]);
        assert!(shown.concat().trim().is_empty());
        assert_eq!(rest, "\u{FFFD}");
    }
}

#[test]
fn the_leading_space_depends_on_the_position() {
    let tokenizer = tiny("llama");
    let ids = tokenizer.encode("hello the", Special::Plain, Affixes::Add).expect("ids");
    assert_eq!(tokenizer.decode(&ids).expect("text"), "hello the");
    let mut stream = Detokenizer::at(&tokenizer, Position::Inside);
    let text: String = ids.iter().filter_map(|&id| stream.push(id).expect("a piece")).collect();
    assert_eq!(text, " hello the");
}

#[test]
fn special_tokens_are_not_shown() {
    let tokenizer = tiny("gpt2");
    let ids = tokenizer.encode("<|im_start|>the<|im_end|>", Special::Parse, Affixes::None).expect("ids");
    assert_eq!(tokenizer.decode(&ids).expect("text"), "the");
    // User-defined tokens are text.
    let ids = tokenizer.encode("<think>the", Special::Parse, Affixes::None).expect("ids");
    assert_eq!(tokenizer.decode(&ids).expect("text"), "<think>the");
}
