//! Tokenizers from `tokenizer.json` and model folders.

use loam::input::{Affixes, ChatTemplate, Detokenizer, Special, SpecialTokens, TokenName, Tokenizer, special_tokens};

const WORDPIECE: &str = r###"{
  "version": "1.0",
  "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
  "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
              "pad_type_id": 0, "pad_token": "[PAD]"},
  "added_tokens": [
    {"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
     "special": true},
    {"id": 2, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
     "special": true}
  ],
  "normalizer": {"type": "Lowercase"},
  "pre_tokenizer": {"type": "Whitespace"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[PAD]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20,
            "vocab": {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "hel": 3, "##lo": 4, "world": 5, "!": 6}}
}"###;

fn wordpiece() -> Tokenizer {
    Tokenizer::from_bytes(WORDPIECE.as_bytes()).expect("a tokenizer")
}

#[test]
fn padding_and_truncation_of_the_file_are_ignored() {
    let tokenizer = wordpiece();
    let ids = tokenizer.encode("Hello world!", Special::Plain, Affixes::Add).expect("ids");
    assert_eq!(ids, [1, 3, 4, 5, 6, 2]);
    assert_eq!(tokenizer.decode(&ids).expect("text"), "hello world!");
    let cut = tokenizer.encode_within("Hello world!", Special::Plain, Affixes::Add, 4).expect("ids");
    assert_eq!(cut, [1, 3, 4, 2]);
    assert_eq!(tokenizer.vocab_size(), 7);
}

#[test]
fn special_texts_are_parsed_only_on_request() {
    let tokenizer = wordpiece();
    assert_eq!(tokenizer.encode("[CLS]", Special::Parse, Affixes::None).expect("ids"), [1]);
    assert!(!tokenizer.encode("[CLS]", Special::Plain, Affixes::None).expect("ids").contains(&1));
}

#[test]
fn unknown_decoders_give_everything_at_the_end() {
    let ctc = WORDPIECE.replace(
        r###"{"type": "WordPiece", "prefix": "##", "cleanup": true}"###,
        r#"{"type": "CTC", "pad_token": "[PAD]", "word_delimiter_token": "!", "cleanup": true}"#,
    );
    let tokenizer = Tokenizer::from_bytes(ctc.as_bytes()).expect("a tokenizer");
    let mut stream = Detokenizer::new(&tokenizer);
    let ids = [3, 3, 6, 5, 0];
    assert!(ids.iter().all(|&id| stream.push(id).expect("no text").is_none()));
    assert_eq!(stream.finish().expect("text"), tokenizer.decode(&ids).expect("text"));
    assert_eq!(tokenizer.decode(&ids).expect("text"), "hel world");
}

#[test]
fn a_folder_gives_roles_and_template() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("tokenizer.json", WORDPIECE);
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "[CLS]"}, "eos_token": "[SEP]",
        "chat_template": [{"name": "tools", "template": "no"}, {"name": "default", "template": "{{ bos_token }}"}]}"#,
    );
    write("generation_config.json", r#"{"eos_token_id": [2, 5], "bos_token_id": 3}"#);
    let text = |text: &str| TokenName::Text(text.to_owned());
    assert_eq!(
        special_tokens(folder.path()).expect("special tokens"),
        SpecialTokens {
            bos: Some(text("[CLS]")),
            eos: Some(text("[SEP]")),
            pad: None,
            end: vec![text("[SEP]"), TokenName::Id(2), TokenName::Id(5)],
        }
    );
    let tokenizer = Tokenizer::from_dir(folder.path()).expect("a tokenizer");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.end_tokens()), (Some(1), Some(2), [2, 5].as_slice()));
    let template = ChatTemplate::from_dir(folder.path(), &tokenizer).expect("readable").expect("a template");
    assert_eq!(template.render(&[], &Default::default()).expect("text"), "[CLS]");
    write("chat_template.jinja", "{{ eos_token }}");
    let template = ChatTemplate::from_dir(folder.path(), &tokenizer).expect("readable").expect("a template");
    assert_eq!(template.render(&[], &Default::default()).expect("text"), "[SEP]");
}

#[test]
fn missing_files_are_named() {
    let error = Tokenizer::from_file("/nowhere/tokenizer.json").expect_err("no such file");
    assert!(error.to_string().contains("/nowhere/tokenizer.json"), "{error}");
}
