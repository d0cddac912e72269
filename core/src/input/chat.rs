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

/// What stands for pictures in a rendering, and what it becomes before it is encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placeholders<'a> {
    /// The text that the template writes for a picture, such as `<image>`.
    pub text: &'a str,
    /// What replaces it, in the order of the pictures.
    pub expansions: &'a [String],
}

/// Ids of `messages` as `template` lays them out. No BOS is added beyond the template's own.
///
/// Runs of ordinary text, contents and template text alike, are encoded as one, so boundaries cost nothing.
///
/// # Errors
/// As [`ChatTemplate::render`] and [`Tokenizer::encode`]; [`Error::Argument`] for contents with a control token of a
/// single character, which cannot be made harmless, or for contents with pictures.
pub fn encode_chat(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    options: &ChatOptions,
) -> Result<Vec<u32>> {
    encode_chat_with(tokenizer, template, messages, options, &Placeholders::default())
}

/// As [`encode_chat`] for messages with pictures. The placeholder's text inside of a message stays text.
///
/// # Errors
/// As [`encode_chat`]; [`Error::Argument`] unless there is one expansion for each picture, and [`Error::Text`] for a
/// template that does not write one placeholder for each.
pub fn encode_chat_with(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    options: &ChatOptions,
    placeholders: &Placeholders<'_>,
) -> Result<Vec<u32>> {
    let images: usize = messages.iter().map(|message| message.content.images()).sum();
    if images != placeholders.expansions.len() {
        let reason = format!("they show {images} pictures, {} are given", placeholders.expansions.len());
        return Err(Error::argument("messages", reason));
    }
    let mut texts = vec![template.source()];
    texts.extend(messages.iter().flat_map(|message| message.content.texts()));
    options.tools.iter().chain(options.variables.values()).for_each(|json| strings(json, &mut texts));
    let mut specials = tokenizer.special_texts();
    specials.push(placeholders.text.to_owned());
    let guard = Guard::new(specials, texts.into_iter())?;

    let messages = messages
        .iter()
        .map(|message| Ok(Message::new(message.role, message.content.try_map(|text| guard.protect(text))?)))
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
    let text = placeholders.expand(&template.render(&messages, &options)?)?;
    tokenizer.encode_marked(&text, Some(guard.marker()))
}

/// Ids of `messages` around their places for data of other kinds: the runs before, between and after the places
/// ([`ContentPart::Image`](super::ContentPart::Image)), one more than there are places, each encoded on its own. For
/// templates that know nothing of such places.
///
/// # Errors
/// As [`encode_chat`]; [`Error::Text`] for a template that does not write each place once.
pub fn encode_chat_around(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    options: &ChatOptions,
) -> Result<Vec<Vec<u32>>> {
    let places: usize = messages.iter().map(|message| message.content.images()).sum();
    let mut texts = vec![template.source()];
    texts.extend(messages.iter().flat_map(|message| message.content.texts()));
    // A character that no text has: its guard's marker, which guards nothing.
    let place = Guard::new(Vec::new(), texts.iter().copied())?.marker().to_string();
    texts.push(&place);
    let guard = Guard::new(tokenizer.special_texts(), texts.into_iter())?;
    let messages = messages
        .iter()
        .map(|message| {
            let content = message.content.try_map(|text| guard.protect(text))?;
            Ok(Message::new(message.role, content.with_places(&place)))
        })
        .collect::<Result<Vec<_>>>()?;
    let text = template.render(&messages, options)?;
    let runs: Vec<&str> = text.split(&place).collect();
    if runs.len() != places + 1 {
        let reason = format!("it wrote {} of {places} places for other data", runs.len() - 1);
        return Err(Error::Text { what: "chat template", reason });
    }
    runs.into_iter().map(|run| tokenizer.encode_marked(run, Some(guard.marker()))).collect()
}

impl Placeholders<'_> {
    /// `text` with each placeholder replaced by its expansion.
    ///
    /// # Errors
    /// [`Error::Text`] unless there is one placeholder for each.
    pub fn expand(&self, text: &str) -> Result<String> {
        if self.expansions.is_empty() {
            return Ok(text.to_owned());
        }
        let mut pieces = text.split(self.text);
        let mut out = pieces.next().unwrap_or_default().to_owned();
        let mut expansions = self.expansions.iter();
        let mut found = 0;
        for piece in pieces {
            found += 1;
            out.extend(expansions.next().map(String::as_str));
            out.push_str(piece);
        }
        if found == self.expansions.len() {
            return Ok(out);
        }
        let reason = format!("it wrote '{}' {found} times for {} pictures", self.text, self.expansions.len());
        Err(Error::Text { what: "chat template", reason })
    }
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
