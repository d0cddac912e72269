//! Chat templates: compiled, rendered, and encoded with a small tokenizer.
//!
//! An input is text: the template, then the messages, each after a NUL. Roles alternate.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use loam::input::{
    Affixes, ChatOptions, ChatTemplate, GenerationPrompt, Message, Role, Special, Tokenizer, encode_chat,
};
use loam::weights::{Metadata, Value};

mod panics;

const ROLES: [Role; 4] = [Role::System, Role::User, Role::Assistant, Role::Tool];

/// Single bytes and three control tokens, as in a SentencePiece vocabulary.
fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let control = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
        let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
        let tokens: Vec<String> = control.iter().map(|&text| text.to_owned()).chain(bytes).collect();
        let types = (0..tokens.len())
            .map(|id| {
                if id == 0 {
                    2
                } else if id < control.len() {
                    3
                } else {
                    6
                }
            })
            .collect();
        let mut metadata = Metadata::default();
        for (name, value) in [
            ("model", Value::String("llama".to_owned())),
            ("scores", Value::Floats(vec![0.0; tokens.len()])),
            ("tokens", Value::Strings(tokens)),
            ("token_type", Value::Integers(types)),
            ("bos_token_id", Value::U64(1)),
            ("eos_token_id", Value::U64(2)),
        ] {
            metadata.insert(format!("tokenizer.ggml.{name}"), value);
        }
        Tokenizer::from_gguf(&metadata).expect("a valid vocabulary")
    })
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let source = parts.next().unwrap_or_default();
    let Ok(template) = ChatTemplate::new(source, Some("<s>"), Some("</s>")) else { return };
    let messages: Vec<Message> =
        parts.enumerate().take(16).map(|(turn, content)| Message::new(ROLES[turn % 4], content)).collect();
    let options = ChatOptions {
        generation_prompt: if bytes.len() % 2 == 0 { GenerationPrompt::Add } else { GenerationPrompt::Omit },
        now: Some(std::time::UNIX_EPOCH),
        ..ChatOptions::default()
    };
    let rendered = template.render(&messages, &options);
    let Ok(ids) = encode_chat(tokenizer(), &template, &messages, &options) else { return };
    // Contents without control tokens are encoded as if the template had written them.
    if let (Ok(rendered), false) = (rendered, messages.iter().any(|message| message.content.to_string().contains(['<', '>', '|']))) {
        let whole = tokenizer().encode(&rendered, Special::Parse, Affixes::None).expect("within the limits");
        if !source.contains(['|', '[', '~', '.']) {
            assert_eq!(ids, whole, "{rendered:?}");
        }
    }
});
