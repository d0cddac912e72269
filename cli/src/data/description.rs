//! `data.json`: what a folder's rows are for, and how its motion was recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use loam::input::{Acceleration, AngularRate, Axes, Gravity, ImuLayout, ImuSource};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Name of the file.
pub const NAME: &str = "data.json";
const FORMAT: &str = "description of data";
/// A page of text, or thousands of classes.
const MAX_BYTES: u64 = 1 << 20;
/// Classes, as the reader of `loam_train` takes them.
const MAX_LABELS: usize = 10_000;
/// Samples per second of motion; above 10 kHz no phone measures.
const MAX_RATE: f64 = 10_000.0;

/// What is done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataTask {
    /// Its class is found.
    Classify,
    /// A text is written after its text.
    Generate,
    /// What is said in its sound is written down.
    Transcribe,
    /// A question about its picture is answered.
    Answer,
}

/// Contents of the file; empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    schema: Option<u32>,
    /// What the set is called.
    pub name: Option<String>,
    /// What its rows are for.
    pub task: Option<DataTask>,
    /// All classes, in the order of a head's outputs.
    pub labels: Vec<String>,
    /// Words that stand for a class where its name says little.
    pub label_texts: BTreeMap<String, String>,
    /// Sentence around a label for zero-shot classification.
    pub template: Option<String>,
    /// The system message.
    pub instructions: Option<String>,
    /// Terms of the data.
    pub licence: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
    /// How motion was recorded.
    pub motion: Option<Motion>,
}

/// How a folder's motion was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Motion {
    /// Samples per second in Hz.
    pub rate: f64,
    #[serde(default = "both_sensors")]
    layout: ImuLayout,
    #[serde(default = "meters")]
    acceleration: Acceleration,
    #[serde(default = "radians")]
    rotation: AngularRate,
    #[serde(default)]
    axes: Frame,
    #[serde(default = "included")]
    gravity: Gravity,
}

/// Frame and sign convention of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Frame {
    #[default]
    Android,
    Ios,
}

fn both_sensors() -> ImuLayout {
    ImuLayout::AccelerometerGyroscope
}

fn meters() -> Acceleration {
    Acceleration::MetersPerSecondSquared
}

fn radians() -> AngularRate {
    AngularRate::RadiansPerSecond
}

fn included() -> Gravity {
    Gravity::Included
}

impl Motion {
    /// As the engine takes it.
    #[must_use]
    pub fn source(&self) -> ImuSource {
        ImuSource {
            rate: self.rate,
            layout: self.layout,
            acceleration: self.acceleration,
            rotation: self.rotation,
            gravity: self.gravity,
            axes: match self.axes {
                Frame::Android => Axes::Android,
                Frame::Ios => Axes::Ios,
            },
        }
    }
}

impl Description {
    /// Reads the description of `folder`; an empty one where it has none.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] naming the field and its value.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let mut text = String::new();
        match File::open(&path) {
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(reason) => return Err(Error::io(&path)(reason)),
            Ok(file) => {
                file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(Error::io(&path))?;
            }
        }
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        if text.len() as u64 > MAX_BYTES {
            return Err(wrong(format!("longer than {MAX_BYTES} bytes")));
        }
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        // A list would pass for an object's fields in their order.
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|reason| reason.to_string())?;
        let found = Self::deserialize(Value::Object(fields)).map_err(|reason| reason.to_string())?;
        if let Some(schema) = found.schema.filter(|schema| *schema != 1) {
            return Err(format!("schema is {schema}, expected 1"));
        }
        if found.labels.len() > MAX_LABELS {
            return Err(format!("{} labels, expected at most {MAX_LABELS}", found.labels.len()));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(label) = found.labels.iter().find(|label| label.trim().is_empty() || !seen.insert(label.as_str())) {
            return Err(format!("label {label:?} is empty or there twice"));
        }
        if let Some(template) = found.template.as_ref().filter(|template| !template.contains("{}")) {
            return Err(format!("template is {template:?}, expected a text with {{}} in it"));
        }
        let unknown = |label: &&String| !found.labels.is_empty() && !found.labels.contains(label);
        if let Some(label) = found.label_texts.keys().find(unknown) {
            return Err(format!("label_texts names {label:?}, which labels does not"));
        }
        if let Some((label, _)) = found.label_texts.iter().find(|(_, words)| words.trim().is_empty()) {
            return Err(format!("label_texts of {label:?} is empty"));
        }
        match found.motion.map(|motion| motion.rate) {
            Some(rate) if !(rate > 0.0 && rate <= MAX_RATE) => {
                Err(format!("motion.rate is {rate}, expected more than 0 and at most {MAX_RATE} Hz"))
            }
            _ => Ok(found),
        }
    }

    /// Words that stand for a class: its own in `label_texts`, else its name with spaces for underscores.
    #[must_use]
    pub fn words(&self, label: &str) -> String {
        self.label_texts.get(label).cloned().unwrap_or_else(|| label.replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_unknown_ones_refused_by_name() {
        let text = r#"{"schema": 1, "task": "classify", "labels": ["a_b", "c"], "label_texts": {"c": "sea"},
            "motion": {"rate": 20.0, "acceleration": "g", "axes": "ios"}}"#;
        let found = Description::parse(text).expect("read");
        assert_eq!((found.words("a_b"), found.words("c")), ("a b".into(), "sea".into()));
        let source = found.motion.expect("motion").source();
        assert_eq!((source.acceleration, source.axes, source.layout), (Acceleration::G, Axes::Ios, both_sensors()));
        for (text, wanted) in [
            (r#"{"lables": []}"#, "lables"),
            (r#"{"schema": 2}"#, "schema is 2"),
            (r#"{"task": "guess"}"#, "guess"),
            (r#"{"labels": ["a", "a"]}"#, "\"a\""),
            (r#"{"labels": [" "]}"#, "\" \""),
            (r#"{"template": "no place"}"#, "no place"),
            (r#"{"labels": ["a"], "label_texts": {"b": "x"}}"#, "\"b\""),
            (r#"{"label_texts": {"b": " "}}"#, "\"b\" is empty"),
            (r#"{"motion": {"rate": 0}}"#, "motion.rate is 0"),
            (r#"{"motion": {}}"#, "rate"),
            (r#"{"motion": {"rate": 20, "acceleration": "furlongs"}}"#, "furlongs"),
            ("[]", "invalid type"),
        ] {
            let reason = Description::parse(text).expect_err(text);
            assert!(reason.contains(wanted), "{reason} instead of {wanted}");
        }
    }
}
