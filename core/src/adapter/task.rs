//! What an adapter is for: the part of a package that PEFT's configuration does not hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::head::HeadSpec;
use super::table::{TASKS, TaskSpec};
use crate::error::{Error, Result};

/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 1 << 16;

/// Which parts of the foundation a task runs; fixed when its adapter is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPath {
    /// Encoder, projector, backbone, generator.
    EncoderBackbone,
    /// Backbone and generator.
    Backbone,
    /// Encoder and head; the backbone neither loaded nor run.
    Encoder,
    /// One generator alone.
    Generator,
}

impl DataPath {
    /// Its number in M4 (arXiv 2308.14363), 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::EncoderBackbone => 1,
            Self::Backbone => 2,
            Self::Encoder => 3,
            Self::Generator => 4,
        }
    }

    /// What runs, in words.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::EncoderBackbone => "encoder, projector, backbone, generator",
            Self::Backbone => "backbone and generator",
            Self::Encoder => "encoder and head, the backbone neither loaded nor run",
            Self::Generator => "one generator alone",
        }
    }
}

/// Contents of `task.json`. Every field may be absent: a bare PEFT directory has none of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterTask {
    /// Version of this description; 1.
    #[serde(default = "first_schema")]
    pub schema: u32,
    /// Suggested alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Task family: `generate`, `classify`, `embed`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Parts of the foundation that run.
    #[serde(default = "backbone_path")]
    pub path: DataPath,
    /// Component that the tensors belong to.
    #[serde(default = "backbone_component")]
    pub component: String,
    /// System message that the adapter was trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Class names, in the order of the head's outputs or as the texts that are generated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The head that its tensors hold; by default a linear one over labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadSpec>,
    /// A text with `{}` in it. On the encoder's path the sentence around a label, for zero-shot classification; on the
    /// backbone's the prompt around the text that is classified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// How raw data is prepared, in place of the component's own preprocessing: the whole of a `preprocessor_config.json`
    /// as [`crate::model::encoder::Preprocessor::parse`] reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Value>,
    /// SHA-256 of the weights of each component that the adapter was made for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base: BTreeMap<String, String>,
    /// Scores that the trainer measured, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// Licence of the adapter's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl AdapterTask {
    /// Succeeds when its version, head and template make sense together.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the field.
    pub(super) fn check_fields(&self, adapter: &str) -> Result<()> {
        let refuse = |reason: String| Err(Error::adapter(adapter, format!("task.json: {reason}")));
        if self.schema != first_schema() {
            return refuse(format!("schema {} is not 1", self.schema));
        }
        let fits = |template: &&String| template.contains("{}") && template.len() <= MAX_TEMPLATE;
        if let Some(template) = self.template.as_ref().filter(|template| !fits(template)) {
            let excerpt: String = template.chars().take(100).collect();
            return refuse(format!("template '{excerpt}' has no '{{}}', or more than {MAX_TEMPLATE} bytes"));
        }
        self.head.as_ref().map_or(Ok(()), |head| head.check(adapter, &self.labels))
    }

    /// Succeeds when its task exists and can run on its path.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the task and what is known.
    pub fn check(&self, adapter: &str) -> Result<()> {
        let Some(name) = &self.task else { return Ok(()) };
        let Some(spec) = TaskSpec::find(name) else {
            let known: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
            return Err(Error::adapter(adapter, format!("task '{name}' is unknown; there are {}", known.join(", "))));
        };
        if spec.paths.contains(&self.path) {
            return Ok(());
        }
        let known: Vec<&str> = spec.paths.iter().map(|path| path.summary()).collect();
        let reason = format!("task '{name}' on path {:?}, it runs: {}", self.path, known.join("; or "));
        Err(Error::adapter(adapter, reason))
    }
}

fn first_schema() -> u32 {
    1
}

fn backbone_path() -> DataPath {
    DataPath::Backbone
}

fn backbone_component() -> String {
    "backbone".into()
}

impl Default for AdapterTask {
    fn default() -> Self {
        Self {
            schema: first_schema(),
            name: None,
            description: None,
            task: None,
            path: backbone_path(),
            component: backbone_component(),
            instructions: None,
            labels: Vec::new(),
            head: None,
            template: None,
            preprocessing: None,
            base: BTreeMap::new(),
            metrics: BTreeMap::new(),
            licence: None,
        }
    }
}
