//! Templates of the usual structures against transformers' renderings.

use std::time::{Duration, SystemTime};

use loam::input::{Affixes, ChatOptions, ChatTemplate, GenerationPrompt, Message, Special, encode_chat};
use serde_json::Value as Json;

use crate::support::tiny;

const TEMPLATES: [(&str, &str); 6] = [
    ("chatml.jinja", include_str!("templates/chatml.jinja")),
    ("gemma.jinja", include_str!("templates/gemma.jinja")),
    ("llama3.jinja", include_str!("templates/llama3.jinja")),
    ("mistral.jinja", include_str!("templates/mistral.jinja")),
    ("python_methods.jinja", include_str!("templates/python_methods.jinja")),
    ("qwen3.jinja", include_str!("templates/qwen3.jinja")),
];

struct Case {
    name: String,
    template: ChatTemplate,
    messages: Vec<Message>,
    options: ChatOptions,
    /// The text, or the reason of the refusal.
    expected: Result<String, String>,
}

fn cases() -> Vec<Case> {
    let all: Json = serde_json::from_str(include_str!("chats.json")).expect("chats.json");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(all["now"].as_u64().expect("seconds"));
    let case = |case: &Json| {
        let (file, source) =
            TEMPLATES.into_iter().find(|(name, _)| case["template"] == *name).expect("every template is listed");
        let messages = case["messages"].as_str().expect("a name");
        let options = ChatOptions {
            generation_prompt: if case["add"] == true { GenerationPrompt::Add } else { GenerationPrompt::Omit },
            tools: (case["tools"] == true).then(|| all["tools"].clone()),
            now: Some(now),
            ..ChatOptions::default()
        };
        let text = |key: &str| case[key].as_str().map(str::to_owned);
        Case {
            name: format!("{file} {messages} tools={} add={}", case["tools"], case["add"]),
            template: ChatTemplate::new(source, Some("<s>"), Some("</s>")).expect("the template compiles"),
            messages: serde_json::from_value(all["conversations"][messages].clone()).expect("messages"),
            options,
            expected: text("text").ok_or_else(|| text("error").expect("a text or an error")),
        }
    };
    all["cases"].as_array().expect("cases").iter().map(case).collect()
}

/// Without serde_json's `preserve_order`, the keys of tool schemas arrive sorted; only then may their order differ.
fn keeps_order() -> bool {
    serde_json::json!({"b": 1, "a": 2}).to_string().starts_with("{\"b\"")
}

#[test]
fn renderings_are_those_of_transformers() {
    for case in cases() {
        if case.options.tools.is_some() && !keeps_order() {
            continue;
        }
        let found = case.template.render(&case.messages, &case.options);
        match (found, case.expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{}", case.name),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(&expected), "{}: {found}", case.name),
            (found, expected) => panic!("{}: {found:?} instead of {expected:?}", case.name),
        }
    }
}

#[test]
fn ids_of_harmless_chats_are_those_of_the_rendering() {
    for model in ["gpt2", "llama"] {
        let tokenizer = tiny(model);
        for case in cases().into_iter().filter(|case| case.expected.is_ok()) {
            let text = case.template.render(&case.messages, &case.options).expect("a text");
            let whole = tokenizer.encode(&text, Special::Parse, Affixes::None).expect("ids");
            let chat = encode_chat(&tokenizer, &case.template, &case.messages, &case.options).expect("ids");
            assert_eq!(chat, whole, "{model} {}", case.name);
        }
    }
}

#[test]
fn variables_reach_the_template() {
    let template = ChatTemplate::new(include_str!("templates/qwen3.jinja"), None, None).expect("compiles");
    let mut options = ChatOptions::default();
    options.variables.insert("enable_thinking".into(), Json::Bool(false));
    let text = template.render(&[Message::user("Hi")], &options).expect("a text");
    assert_eq!(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
}
