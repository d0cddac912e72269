//! What an adapter is for: the part of a package that PEFT's configuration does not hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
            base: BTreeMap::new(),
            metrics: BTreeMap::new(),
            licence: None,
        }
    }
}
