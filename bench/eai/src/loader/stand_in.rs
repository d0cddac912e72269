//! The sets that stand in for those of the benchmark, in the formats of their folder: texts in `SPLIT.jsonl.zst`, arrays in
//! `data.npz`, sounds in `audio.tar` with a `manifest.jsonl`, pictures in `images.tar.zst` with a `manifest.jsonl.zst`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::arrays;
use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::labels::Labels;
use super::packed;
use super::translation::Direction;
use crate::error::{Error, Result};
use crate::metric::{Entity, Frame};

pub(super) const FORMAT: &str = "stand-in set";

/// What is asked of a set whose rows answer several questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// What its rows are mainly for.
    #[default]
    Main,
    /// From one of its languages into another.
    Translation(Direction),
    /// Its intents, where tags or frames are the main thing.
    Intent,
    /// Which part of an assistant a command is for, where frames are the main thing.
    Topic,
    /// What code does, in words, where code for what is asked is the main thing.
    Explanation,
    /// Falls against all else, where kinds of movements are the main thing.
    Falls,
}

impl View {
    /// As commands name it behind a set's path; the main one has no name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Main | Self::Translation(_) => None,
            Self::Intent => Some("intent"),
            Self::Topic => Some("topic"),
            Self::Falls => Some("falls"),
            Self::Explanation => Some("explain"),
        }
    }

    /// What holds the class of a row.
    fn key(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Topic => "scenario",
            Self::Main | Self::Translation(_) | Self::Falls | Self::Explanation => "label",
        }
    }
}

/// `meta.json`.
#[derive(Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    labels: Value,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    pub hz: Option<f64>,
    #[serde(default)]
    pub subjects: Value,
}

impl Meta {
    /// Names of classes by their numbers, of whatever form.
    pub fn names(&self) -> Vec<String> {
        let first = |value: &Value| match value {
            Value::String(name) => name.clone(),
            Value::Array(all) => all.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        match &self.labels {
            Value::Array(all) => all.iter().map(first).collect(),
            Value::Object(all) => {
                let mut numbered: Vec<(usize, String)> =
                    all.iter().filter_map(|(number, name)| Some((number.parse().ok()?, first(name)))).collect();
                numbered.sort();
                numbered.into_iter().map(|(_, name)| name).collect()
            }
            _ => self.classes.clone(),
        }
    }
}

/// A set in its folder.
pub(super) fn open(path: &Path, split: Split, view: View) -> Result<Examples> {
    let folder = Folder::new(path, FORMAT)?;
    let meta: Meta = folder.first(&["meta.json"])?.json()?;
    if folder.first(&["data.npz"]).is_ok() {
        return arrays::open(&folder, &meta, split, view);
    }
    if let Ok(manifest) = folder.first(&["manifest.jsonl", "manifest.jsonl.zst"]) {
        return packed::open(&folder, &manifest, &meta, split);
    }
    let file = folder.first(&[&format!("{}.jsonl.zst", split.name())])?;
    let mut labels = meta.names();
    if labels.is_empty() {
        // Classes are texts then: those that occur in training, sorted.
        labels = spelt(&folder.first(&["train.jsonl.zst"])?, view)?;
    }
    let known = labels.clone();
    let rows = file.json_lines::<Map<String, Value>>()?.map(move |row| {
        let (place, row) = row?;
        let row = Row { file: &file, place: &place, fields: &row };
        let (input, target) = row.read(&known, view)?;
        Ok(Example { id: row.text("id").map_or(place.clone(), str::to_owned), input, target })
    });
    Ok(Examples::new(labels, rows))
}

fn spelt(file: &Text, view: View) -> Result<Vec<String>> {
    let key = view.key();
    let mut labels = Labels::default();
    for row in file.json_lines::<Map<String, Value>>()? {
        let (place, row) = row?;
        if let Some(Value::String(label)) = row.get(key) {
            labels.add(file, &place, label)?;
        }
    }
    Ok(labels.into_names())
}

struct Row<'a> {
    file: &'a Text,
    place: &'a str,
    fields: &'a Map<String, Value>,
}

impl Row<'_> {
    fn wrong(&self, reason: String) -> Error {
        self.file.wrong(self.place, reason)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str)
    }

    fn need(&self, key: &str) -> Result<String> {
        self.text(key).map(str::to_owned).ok_or_else(|| self.wrong(format!("no text {key:?}")))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>> {
        let all =
            self.fields.get(key).and_then(Value::as_array).ok_or_else(|| self.wrong(format!("no list {key:?}")))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        all.iter().map(|value| text(value).ok_or_else(|| self.wrong(format!("{key:?} holds {value}")))).collect()
    }

    fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    fn label(&self, labels: &[String], key: &str) -> Result<Target> {
        match self.fields.get(key) {
            Some(Value::Number(number)) => {
                let class = number.as_u64().and_then(|class| usize::try_from(class).ok());
                let class = class.filter(|class| *class < labels.len());
                class.map(Target::Label).ok_or_else(|| self.wrong(format!("class {number} of {}", labels.len())))
            }
            Some(Value::String(name)) => Ok(Target::Label(self.file.label(self.place, labels, name)?)),
            other => Err(self.wrong(format!("{key} is {other:?}, expected a number or a name"))),
        }
    }

    fn read(&self, labels: &[String], view: View) -> Result<(Input, Target)> {
        match view {
            View::Translation(Direction { from, into }) => {
                return Ok((Input::Text(self.need(from)?), Target::Texts(vec![self.need(into)?])));
            }
            View::Intent | View::Topic => {
                let text = if self.has("tokens") { self.texts("tokens")?.join(" ") } else { self.need("text")? };
                return Ok((Input::Text(text), self.label(labels, view.key())?));
            }
            View::Explanation => {
                return Ok((Input::Text(self.need("code")?), Target::Texts(vec![self.need("intent")?])));
            }
            View::Main | View::Falls => {}
        }
        if self.has("question") {
            return self.question(labels);
        }
        if self.has("tokens") {
            let (words, tags) = (self.texts("tokens")?, self.texts("tags")?);
            if words.len() != tags.len() {
                return Err(self.wrong(format!("{} tags for {} words", tags.len(), words.len())));
            }
            return Ok((Input::Words(words), Target::Tags(tags)));
        }
        if self.has("turns") {
            return self.dialogue();
        }
        if self.has("code") {
            return Ok((Input::Text(self.need("intent")?), Target::Texts(vec![self.need("code")?])));
        }
        if self.has("instruction") {
            let more = self.text("input").filter(|text| !text.is_empty());
            let text = self.need("instruction")?;
            let text = more.map_or(text.clone(), |more| format!("{text}\n{more}"));
            return Ok((Input::Text(text), Target::Texts(vec![self.need("output")?])));
        }
        if self.has("caption") {
            return Ok((Input::Text(self.need("caption")?), Target::Unknown));
        }
        let text = self.need("text")?;
        let input = match self.text("text2") {
            Some(second) => Input::Texts(text, second.to_owned()),
            None => Input::Text(text),
        };
        let target = if self.has("entities") {
            Target::Frame(self.frame()?)
        } else if self.has("refs") {
            Target::Texts(self.texts("refs")?)
        } else if self.has("summary") {
            let keys = ["summary", "summary2", "summary3"];
            Target::Texts(keys.iter().filter_map(|key| self.text(key)).map(str::to_owned).collect())
        } else if let Some(score) = self.fields.get("score").and_then(Value::as_f64) {
            Target::Number(score)
        } else if self.has("label") {
            self.label(labels, "label")?
        } else if self.has("level") {
            self.label(labels, "level")?
        } else {
            Target::Unknown
        };
        Ok((input, target))
    }

    fn question(&self, labels: &[String]) -> Result<(Input, Target)> {
        let question = self.need("question")?;
        if self.has("context") {
            let input = Input::Question { context: self.need("context")?, question };
            return Ok((input, Target::Texts(self.texts("answers")?)));
        }
        if self.has("choices") {
            let choices = self.texts("choices")?;
            let right = self.fields.get("label").and_then(Value::as_u64).and_then(|label| choices.get(label as usize));
            let right = right.ok_or_else(|| self.wrong(format!("no choice of {} is right", choices.len())))?.clone();
            return Ok((Input::Question { context: choices.join("\n"), question }, Target::Texts(vec![right])));
        }
        Ok((Input::Text(question), self.label(labels, "label")?))
    }

    /// The last turn answers those before it.
    fn dialogue(&self) -> Result<(Input, Target)> {
        let turns = self.fields.get("turns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let text = |turn: &Value| match turn {
            Value::String(text) => Some(text.clone()),
            Value::Object(turn) => turn.get("text").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let mut texts: Vec<String> = turns
            .iter()
            .map(|turn| text(turn).ok_or_else(|| self.wrong("a turn without a text".to_owned())))
            .collect::<Result<_>>()?;
        let last = texts.pop().filter(|_| !texts.is_empty());
        let last = last.ok_or_else(|| self.wrong(format!("{} turns, expected 2 and more", turns.len())))?;
        Ok((Input::Text(texts.join("\n")), Target::Texts(vec![last])))
    }

    fn frame(&self) -> Result<Frame> {
        let entities = self.fields.get("entities").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let entity = |value: &Value| {
            let field = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
            let both = field("type").zip(field("text"));
            let (kind, filler) = both.ok_or_else(|| self.wrong("an entity without type and text".to_owned()))?;
            Ok(Entity { kind, filler: filler.to_lowercase() })
        };
        Ok(Frame {
            scenario: self.need("scenario")?,
            action: self.need("action")?,
            entities: entities.iter().map(entity).collect::<Result<_>>()?,
        })
    }
}
