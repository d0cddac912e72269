//! The ids that steer Whisper's decoder, from `generation_config.json`, else from the names of tokens.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::Tokenizer;
use crate::model::recognizer::whisper::WhisperConfig;

const FORMAT: &str = "generation_config.json";
/// Suppressed tokens; the released models list about 90.
const MAX_SUPPRESSED: usize = 1 << 16;
/// Languages; the released models know 100.
const MAX_LANGUAGES: usize = 1000;
/// The smallest vocabulary of a released model of several languages, by which OpenAI's code tells them apart.
const MULTILINGUAL_VOCABULARY: usize = 51_865;

/// Languages that Whisper was trained on, by code.
const LANGUAGES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id", "hi", "fi",
    "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg", "lt", "la", "mi", "ml",
    "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs",
    "kk", "sq", "sw", "gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am",
    "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln",
    "ha", "ba", "jw", "su", "yue",
];

/// Ids that mean something to the search. All are below the network's vocabulary.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    /// Begins a transcript.
    pub(super) start: u32,
    /// Ends one; ids below it are text.
    pub(super) end: u32,
    /// Says that nobody speaks.
    pub(super) no_speech: u32,
    /// Asks for text without times. Ids above it are times, two spectrogram frames apart.
    pub(super) no_timestamps: u32,
    /// Code and id of each language; empty for a model of English only.
    pub(super) languages: Vec<(String, u32)>,
    /// Asks for the language of the speech, and for English; `None` for a model of English only.
    pub(super) tasks: Option<[u32; 2]>,
    /// Never written.
    pub(super) suppress: Vec<u32>,
    /// Never written first.
    pub(super) begin_suppress: Vec<u32>,
    /// Latest first time.
    pub(super) max_initial_timestamp: Option<usize>,
    /// Most tokens behind the prompt.
    pub(super) max_length: Option<usize>,
}

struct Reader<'a> {
    json: &'a Value,
    tokenizer: &'a Tokenizer,
    size: usize,
}

impl Vocabulary {
    /// Reads the ids; `json` is `null` for a model without `generation_config.json`, and `fallback` is its `config.json`,
    /// where older releases have some of them.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field, for an id that is missing or beyond the network's vocabulary.
    pub(super) fn read(
        json: &Value,
        fallback: &Value,
        tokenizer: &Tokenizer,
        config: &WhisperConfig,
        dir: &Path,
    ) -> Result<Self> {
        let reader = Reader { json, tokenizer, size: config.vocabulary() };
        let old = Reader { json: fallback, ..reader };
        let either = |field: &str| if reader.field(field).is_some() { &reader } else { &old };
        let start = either("decoder_start_token_id").id("decoder_start_token_id", &["<|startoftranscript|>"])?;
        let end = either("eos_token_id").id("eos_token_id", &["<|endoftext|>"])?;
        let no_timestamps = reader.id("no_timestamps_token_id", &["<|notimestamps|>"])?;
        if no_timestamps as usize + 1 >= config.vocabulary() || end > no_timestamps {
            let reason =
                format!("id {no_timestamps} of <|notimestamps|> leaves no room for times, or {end} ends texts");
            return Err(Error::malformed(dir.display(), FORMAT, reason));
        }
        let no_speech = match ["<|nospeech|>", "<|nocaptions|>"].iter().find_map(|name| tokenizer.id(name)) {
            Some(id) => reader.checked("<|nospeech|>", id.into())?,
            // Where it is in all released vocabularies.
            None => no_timestamps.checked_sub(1).ok_or_else(|| reader.wrong("no_timestamps_token_id", "above 0"))?,
        };
        let multilingual = match reader.field("is_multilingual") {
            Some(value) => value.as_bool().ok_or_else(|| reader.wrong("is_multilingual", "true or false"))?,
            None => reader.field("lang_to_id").is_some() || config.vocabulary() >= MULTILINGUAL_VOCABULARY,
        };
        let (languages, tasks) =
            if multilingual { (reader.languages()?, Some(reader.tasks()?)) } else { (Vec::new(), None) };
        let count = |field: &str| {
            let Some(value) = reader.field(field) else { return Ok(None) };
            let count = value.as_u64().and_then(|v| usize::try_from(v).ok());
            count.map(Some).ok_or_else(|| reader.wrong(field, "a count"))
        };
        Ok(Self {
            start,
            end,
            no_speech,
            no_timestamps,
            languages,
            tasks,
            suppress: either("suppress_tokens").ids("suppress_tokens")?,
            begin_suppress: either("begin_suppress_tokens").ids("begin_suppress_tokens")?,
            max_initial_timestamp: count("max_initial_timestamp_index")?,
            max_length: match count("max_length")? {
                Some(0) => return Err(reader.wrong("max_length", "above 0")),
                length => length,
            },
        })
    }

    /// The first id that is a time.
    pub(super) fn first_time(&self) -> u32 {
        self.no_timestamps + 1
    }

    /// The id of a language.
    pub(super) fn language(&self, code: &str) -> Option<u32> {
        self.languages.iter().find(|(known, _)| known == code).map(|(_, id)| *id)
    }
}

impl<'a> Reader<'a> {
    fn field(&self, name: &str) -> Option<&'a Value> {
        self.json.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = self.field(name).map_or("missing".into(), ToString::to_string);
        let found: String = found.chars().take(200).collect();
        Error::malformed("generation configuration", FORMAT, format!("{name} is {found}, expected {expected}"))
    }

    fn checked(&self, name: &str, id: u64) -> Result<u32> {
        let known = u32::try_from(id).ok().filter(|&id| (id as usize) < self.size);
        known.ok_or_else(|| {
            let reason = format!("{name} has id {id}, the network has {}", self.size);
            Error::malformed("generation configuration", FORMAT, reason)
        })
    }

    /// The id in a field, a number or the first of a list, else that of the first token with one of `names`.
    fn id(&self, field: &str, names: &[&str]) -> Result<u32> {
        if let Some(value) = self.field(field) {
            let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
            return self.checked(field, value.as_u64().ok_or_else(|| self.wrong(field, "an id"))?);
        }
        let id = names.iter().find_map(|name| self.tokenizer.id(name));
        self.checked(field, id.ok_or_else(|| self.wrong(field, &format!("an id, or a token {names:?}")))?.into())
    }

    fn ids(&self, field: &str) -> Result<Vec<u32>> {
        let Some(value) = self.field(field) else { return Ok(Vec::new()) };
        let list = value.as_array().filter(|list| list.len() <= MAX_SUPPRESSED);
        let list = list.ok_or_else(|| self.wrong(field, &format!("a list of up to {MAX_SUPPRESSED} ids")))?;
        list.iter().map(|id| self.checked(field, id.as_u64().ok_or_else(|| self.wrong(field, "ids"))?)).collect()
    }

    fn languages(&self) -> Result<Vec<(String, u32)>> {
        let field = "lang_to_id";
        let Some(value) = self.field(field) else {
            let named = LANGUAGES.iter().filter_map(|code| Some((code, self.tokenizer.id(&format!("<|{code}|>"))?)));
            let found: Vec<(String, u32)> = named
                .map(|(code, id)| Ok(((*code).to_owned(), self.checked(code, id.into())?)))
                .collect::<Result<_>>()?;
            return if found.is_empty() { Err(self.wrong(field, "languages, or tokens of them")) } else { Ok(found) };
        };
        let map = value.as_object().filter(|map| (1..=MAX_LANGUAGES).contains(&map.len()));
        let map = map.ok_or_else(|| self.wrong(field, &format!("an object of 1 to {MAX_LANGUAGES} languages")))?;
        map.iter()
            .map(|(name, id)| {
                let code = name.strip_prefix("<|").and_then(|name| name.strip_suffix("|>"));
                let code = code.ok_or_else(|| self.wrong(field, "names such as <|en|>"))?;
                Ok((code.to_owned(), self.checked(field, id.as_u64().ok_or_else(|| self.wrong(field, "ids"))?)?))
            })
            .collect()
    }

    fn tasks(&self) -> Result<[u32; 2]> {
        let task = |name: &str| match self.field("task_to_id").and_then(|tasks| tasks.get(name)) {
            Some(id) => self.checked(name, id.as_u64().ok_or_else(|| self.wrong("task_to_id", "ids"))?),
            None => {
                let id = self.tokenizer.id(&format!("<|{name}|>"));
                self.checked(name, id.ok_or_else(|| self.wrong("task_to_id", &format!("an id of '{name}'")))?.into())
            }
        };
        Ok([task("transcribe")?, task("translate")?])
    }
}
