//! A model's chat template: messages to the text that it was trained on.
//!
//! Templates come with the weights and are programs, so instructions, memory, nesting and output are bounded, by numbers
//! that grow with the conversation only. Turning the text into ids without letting contents act as control tokens is
//! [`encode_chat`](super::encode_chat)'s business.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::SystemTime;

use minijinja::{Environment, Value};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::input::chat_environment::{environment, without_generation_tags};
use crate::input::chat_meter::{self, Meter};
use crate::input::chat_program;
use crate::input::json_value::{ordered_map, template_value};
use crate::input::message::{Content, ContentPart, Message, Role};
use crate::input::special_tokens::{read_bounded, read_json};
use crate::input::strftime::strftime;
use crate::input::tokenizer::Tokenizer;
use crate::weights::Metadata;

const WHAT: &str = "chat template";
/// The longest templates, with tools and media, have about 30 KB.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// The longest text that a tokenizer takes.
const MAX_OUTPUT_BYTES: usize = 16 << 20;
/// Messages of one conversation.
const MAX_MESSAGES: usize = 1 << 16;
/// Instructions of one rendering, and more for each message and byte of it; a message takes some hundred.
const BASE_FUEL: usize = 200_000;
const FUEL_PER_MESSAGE: usize = 4_000;
const FUEL_PER_BYTE: usize = 4;

/// Whether the text ends with the opening of the model's turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GenerationPrompt {
    /// Yes, so that the model answers.
    #[default]
    Add,
    /// No, for a conversation that is complete.
    Omit,
}

/// Everything that a template may use beside the messages.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions {
    /// Whether the model's turn is opened.
    pub generation_prompt: GenerationPrompt,
    /// Tool schemas: an array as in the OpenAI and Hugging Face formats.
    pub tools: Option<Json>,
    /// More variables of the template, for instance `enable_thinking`.
    pub variables: BTreeMap<String, Json>,
    /// The time that `strftime_now` formats, in UTC; the system's when absent.
    pub now: Option<SystemTime>,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// The source as it is compiled.
    program: String,
    bos: Option<String>,
    eos: Option<String>,
    contents: Contents,
}

/// How a template reads a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contents {
    strings: bool,
    parts: bool,
}

impl ChatTemplate {
    /// Compiles `source`; `bos` and `eos` are the texts of the tokens that templates call `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// [`Error::Text`] with the line for a syntax error, or for a source over 256 KiB.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<Self> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(failed(format!("{} bytes, the limit is {MAX_SOURCE_BYTES}", source.len())));
        }
        let environment = environment();
        let program = without_generation_tags(source).into_owned();
        guarded(|| chat_program::check(&environment, &program))?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let contents = Contents { strings: true, parts: true };
        let mut template =
            Self { environment, source: source.to_owned(), program, bos: owned(bos), eos: owned(eos), contents };
        template.contents = template.probe();
        Ok(template)
    }

    /// Renders a word as a string and as a list of parts. A template for lists drops the word of a string; one for
    /// strings fails on a list, or prints it as such, with its keys.
    fn probe(&self) -> Contents {
        const WORD: &str = "loam2303";
        let shown = |value: Value| {
            self.run([turn(Role::User, value)].into_iter(), 0, &ChatOptions::default()).unwrap_or_default()
        };
        let strings = shown(WORD.into()).contains(WORD);
        let listed = shown(parts_value(&[ContentPart::Text { text: WORD.to_owned() }]));
        Contents { strings, parts: listed.contains(WORD) && !listed.contains("\"text\"") }
    }

    /// The template in a GGUF file's metadata, or `None` when it has none.
    ///
    /// # Errors
    /// As [`ChatTemplate::new`].
    pub fn from_gguf(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        metadata.str("tokenizer.chat_template").map(|source| Self::with_tokens_of(source, tokenizer)).transpose()
    }

    /// The template of a model folder: chat_template.jinja, or `chat_template` in tokenizer_config.json, where among
    /// several the one named "default" is meant.
    ///
    /// # Errors
    /// As [`ChatTemplate::new`]; [`Error::Io`] and [`Error::Malformed`] for files that cannot be read.
    pub fn from_dir(folder: impl AsRef<Path>, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let folder = folder.as_ref();
        let path = folder.join("chat_template.jinja");
        if let Some(bytes) = read_bounded(&path, MAX_SOURCE_BYTES as u64)? {
            let source = String::from_utf8(bytes).map_err(|e| Error::malformed(path.display(), "UTF-8", e))?;
            return Self::with_tokens_of(&source, tokenizer).map(Some);
        }
        let Some(config) = read_json(&folder.join("tokenizer_config.json"))? else { return Ok(None) };
        let source = match &config["chat_template"] {
            Json::String(source) => Some(source.as_str()),
            Json::Array(list) => {
                list.iter().find(|entry| entry["name"] == "default").and_then(|entry| entry["template"].as_str())
            }
            _ => None,
        };
        source.map(|source| Self::with_tokens_of(source, tokenizer)).transpose()
    }

    fn with_tokens_of(source: &str, tokenizer: &Tokenizer) -> Result<Self> {
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.token(id));
        Self::new(source, text(tokenizer.bos()).as_deref(), text(tokenizer.eos()).as_deref())
    }

    /// The template as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of `messages`. Contents appear as they are: encode text from outside with
    /// [`encode_chat`](super::encode_chat) instead.
    ///
    /// # Errors
    /// [`Error::Text`] when the template refuses the messages, or exceeds its instructions, its memory or 16 MiB of
    /// output.
    pub fn render(&self, messages: &[Message], options: &ChatOptions) -> Result<String> {
        if messages.len() > MAX_MESSAGES {
            return Err(failed(format!("{} messages, the limit is {MAX_MESSAGES}", messages.len())));
        }
        if !self.contents.parts && messages.iter().any(|message| message.content.images() > 0) {
            return Err(failed("it has no place for pictures"));
        }
        let bytes = messages.iter().flat_map(|message| message.content.texts()).map(str::len).sum();
        self.run(messages.iter().map(|message| self.message_value(message)), bytes, options)
    }

    /// A message in the form that the template reads.
    fn message_value(&self, message: &Message) -> Value {
        let content = match &message.content {
            Content::Text(text) if self.contents.strings || !self.contents.parts => text.as_str().into(),
            Content::Text(text) => parts_value(&[ContentPart::Text { text: text.clone() }]),
            Content::Parts(parts) if self.contents.parts => parts_value(parts),
            Content::Parts(_) => message.content.texts().collect::<String>().into(),
        };
        turn(message.role, content)
    }

    /// Renders `messages`, whose contents have `bytes` bytes.
    fn run(
        &self,
        messages: impl ExactSizeIterator<Item = Value>,
        bytes: usize,
        options: &ChatOptions,
    ) -> Result<String> {
        let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
        variables.extend(self.bos.as_deref().map(|bos| ("bos_token", bos.into())));
        variables.extend(self.eos.as_deref().map(|eos| ("eos_token", eos.into())));
        variables.insert("tools", options.tools.as_ref().map_or(Value::from(()), template_value));
        // Templates written for retrieval test these for none.
        variables.insert("documents", Value::from(()));
        variables.extend(options.variables.iter().map(|(name, value)| (name.as_str(), template_value(value))));
        let count = messages.len();
        variables.insert("messages", messages.collect());
        variables.insert("add_generation_prompt", (options.generation_prompt == GenerationPrompt::Add).into());

        let now = options.now.unwrap_or_else(SystemTime::now);
        let mut environment = self.environment.clone();
        environment.add_function("strftime_now", move |format: String| strftime(now, &format));
        let json = options.tools.iter().chain(options.variables.values());
        let bytes = self.source.len() + bytes + json.map(|json| json.to_string().len()).sum::<usize>();
        let fuel = BASE_FUEL + count * FUEL_PER_MESSAGE + bytes.saturating_mul(FUEL_PER_BYTE);
        environment.set_fuel(Some(fuel as u64));
        chat_meter::install(&mut environment, &Meter::new(bytes));
        let text = guarded(|| chat_program::run(&environment, &self.program, Value::from_pairs(variables)))?;
        if text.len() > MAX_OUTPUT_BYTES {
            return Err(failed(format!("the output has {} bytes, the limit is {MAX_OUTPUT_BYTES}", text.len())));
        }
        Ok(text)
    }
}

fn turn(role: Role, content: Value) -> Value {
    ordered_map([("role", role.as_str().into()), ("content", content)].into_iter())
}

fn parts_value(parts: &[ContentPart]) -> Value {
    parts
        .iter()
        .map(|part| match part {
            ContentPart::Text { text } => {
                ordered_map([("type", "text".into()), ("text", text.as_str().into())].into_iter())
            }
            ContentPart::Image => ordered_map([("type", Value::from("image"))].into_iter()),
        })
        .collect()
}

fn failed(reason: impl ToString) -> Error {
    Error::Text { what: WHAT, reason: reason.to_string() }
}

/// Runs the engine, whose errors and panics on odd templates become [`Error::Text`].
fn guarded<T>(run: impl FnOnce() -> std::result::Result<T, minijinja::Error>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| failed(format!("{error:#}"))),
        Err(_) => Err(failed("the template engine failed on it")),
    }
}
