//! A conversation to token ids, safely.
//!
//! The template's own control tokens become control tokens; the same texts inside messages, tools and variables stay
//! text. For conversations without such texts the ids are those of the whole rendering.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::input::chat_guard::Guard;
use crate::input::chat_template::{ChatOptions, ChatTemplate};
use crate::input::json_value::map_strings;
use crate::input::message::Message;
use crate::input::tokenizer::Tokenizer;

/// Ids of `messages` as `template` lays them out. No BOS is added beyond the template's own.
///
/// Runs of ordinary text, contents and template text alike, are encoded as one, so boundaries cost nothing.
///
/// # Errors
/// As [`ChatTemplate::render`] and [`Tokenizer::encode`]; [`Error::Argument`] for contents with a control token of a
/// single character, which cannot be made harmless.
pub fn encode_chat(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    options: &ChatOptions,
) -> Result<Vec<u32>> {
    let mut texts = vec![template.source()];
    texts.extend(messages.iter().map(|message| message.content.as_str()));
    options.tools.iter().chain(options.variables.values()).for_each(|json| strings(json, &mut texts));
    let guard = Guard::new(tokenizer.special_texts(), texts.into_iter())?;

    let messages = messages
        .iter()
        .map(|message| Ok(Message::new(message.role, guard.protect(&message.content)?)))
        .collect::<Result<Vec<_>>>()?;
    let protect = |json: &Json| map_strings::<Error>(json, &mut |text| guard.protect_inside(text));
    let options = ChatOptions {
        tools: options.tools.as_ref().map(protect).transpose()?,
        variables: options
            .variables
            .iter()
            .map(|(name, value)| Ok((name.clone(), protect(value)?)))
            .collect::<Result<BTreeMap<_, _>>>()?,
        ..*options
    };
    let text = template.render(&messages, &options)?;
    tokenizer.encode_marked(&text, Some(guard.marker()))
}

/// All strings and keys of `json`.
fn strings<'a>(json: &'a Json, texts: &mut Vec<&'a str>) {
    match json {
        Json::String(text) => texts.push(text),
        Json::Array(items) => items.iter().for_each(|item| strings(item, texts)),
        Json::Object(entries) => {
            for (key, value) in entries {
                texts.push(key);
                strings(value, texts);
            }
        }
        _ => {}
    }
}
