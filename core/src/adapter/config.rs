//! PEFT's `adapter_config.json`: what a LoRA adapter is, and which variants are refused.
//!
//! A field that changes the arithmetic and is not implemented must stop the load: an adapter that runs as something
//! else than it was trained as answers wrongly without a sign. So every field is either understood, known to be
//! neutral at inference, or refused by name when it is set.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Largest accepted rank; published adapters stay at or below 256.
pub const MAX_RANK: usize = 4096;
/// Patterns are a few names; a hostile file must not cost time per module.
const MAX_PATTERNS: usize = 4096;
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Fields that say nothing about the arithmetic at inference.
const NEUTRAL: [&str; 17] = [
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    // Linears have one layout only; PEFT itself resets this field for them.
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
    "peft_type",
];

/// Initialisations that leave the base weights alone. Others (PiSSA, OLoRA, CorDA, LoftQ) move part of the base into
/// the adapter, which then only fits the changed base.
const HARMLESS_INITIALISATIONS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// A LoRA adapter's configuration.
#[derive(Clone, Debug)]
pub struct LoraConfig {
    /// Rank of modules that no pattern names.
    pub rank: usize,
    /// Alpha of modules that no pattern names.
    pub alpha: f64,
    /// Rank-stabilised LoRA: scale by `alpha / sqrt(rank)`.
    pub scaling: Scaling,
    /// Module names or path endings that were trained; `None` when the file gives a pattern.
    pub targets: Option<Vec<String>>,
    /// Only some layers of the targets were trained.
    pub partial_layers: bool,
    /// Modules that are stored whole.
    pub modules_to_save: Vec<String>,
    /// PEFT's task type, such as `CAUSAL_LM` or `SEQ_CLS`.
    pub task_type: Option<String>,
    /// What the adapter says it was trained on.
    pub base_model: Option<String>,
    rank_pattern: Patterns<usize>,
    alpha_pattern: Patterns<f64>,
    json: Value,
}

/// How alpha and rank make the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// `alpha / rank`.
    Classic,
    /// `alpha / sqrt(rank)` (rsLoRA, arXiv 2312.03732).
    RankStabilised,
}

impl LoraConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the field.
    pub fn parse(adapter: &str, json: Value) -> Result<Self> {
        let Value::Object(fields) = &json else {
            return Err(Error::adapter(adapter, "adapter_config.json is not an object"));
        };
        let fields = Reader { adapter, fields };
        match fields.str("peft_type") {
            Some("LORA") => {}
            other => return Err(fields.refuse("peft_type", &format!("{other:?}; LORA is run"))),
        }
        let rank = fields.rank("r")?;
        let alpha = fields.number("lora_alpha")?;
        fields.refuse_unsupported()?;
        let scaling = if fields.flag("use_rslora")? { Scaling::RankStabilised } else { Scaling::Classic };
        Ok(Self {
            rank,
            alpha,
            scaling,
            targets: fields.strings("target_modules")?,
            partial_layers: fields.is_set("layers_to_transform") || fields.is_set("exclude_modules"),
            modules_to_save: fields.strings("modules_to_save")?.unwrap_or_default(),
            task_type: fields.str("task_type").map(str::to_owned),
            base_model: fields.str("base_model_name_or_path").map(str::to_owned),
            rank_pattern: fields.patterns("rank_pattern", |value| {
                value.as_u64().and_then(|r| usize::try_from(r).ok()).filter(|r| (1..=MAX_RANK).contains(r))
            })?,
            alpha_pattern: fields.patterns("alpha_pattern", |v| v.as_f64().filter(|v| v.is_finite()))?,
            json,
        })
    }

    /// The configuration as it was read, for the one-file package.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Rank that the module of that path must have.
    #[must_use]
    pub fn rank_of(&self, module: &str) -> usize {
        self.rank_pattern.find(module).unwrap_or(self.rank)
    }

    /// What the product of B and A is multiplied by.
    #[must_use]
    pub fn scale_of(&self, module: &str) -> f32 {
        let alpha = self.alpha_pattern.find(module).unwrap_or(self.alpha);
        let rank = self.rank_of(module) as f64;
        match self.scaling {
            Scaling::Classic => (alpha / rank) as f32,
            Scaling::RankStabilised => (alpha / rank.sqrt()) as f32,
        }
    }
}

/// Values by module pattern. PEFT matches each key as a regular expression on the end of the module's path.
#[derive(Clone, Debug, Default)]
struct Patterns<T>(Vec<(Regex, T)>);

impl<T: Copy> Patterns<T> {
    fn find(&self, module: &str) -> Option<T> {
        self.0.iter().find(|(regex, _)| regex.is_match(module)).map(|(_, value)| *value)
    }
}

struct Reader<'a> {
    adapter: &'a str,
    fields: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn refuse(&self, field: &str, reason: &str) -> Error {
        Error::adapter(self.adapter, format!("adapter_config.json: '{field}' is {reason}"))
    }

    fn str(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// Present and neither null, false nor empty.
    fn is_set(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(is_set)
    }

    fn flag(&self, field: &str) -> Result<bool> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(self.refuse(field, &format!("{other}, expected true or false"))),
        }
    }

    fn rank(&self, field: &str) -> Result<usize> {
        let value = self.fields.get(field).and_then(Value::as_u64).and_then(|r| usize::try_from(r).ok());
        value
            .filter(|r| (1..=MAX_RANK).contains(r))
            .ok_or_else(|| self.refuse(field, &format!("{:?}, expected 1 to {MAX_RANK}", self.fields.get(field))))
    }

    fn number(&self, field: &str) -> Result<f64> {
        let value = self.fields.get(field).and_then(Value::as_f64).filter(|v| v.is_finite());
        value.ok_or_else(|| self.refuse(field, &format!("{:?}, expected a number", self.fields.get(field))))
    }

    /// A list of strings; a single string is a pattern and gives `None`.
    fn strings(&self, field: &str) -> Result<Option<Vec<String>>> {
        match self.fields.get(field) {
            None | Some(Value::Null | Value::String(_)) => Ok(None),
            Some(value) => serde_json::from_value::<Vec<String>>(value.clone())
                .map(Some)
                .map_err(|_| self.refuse(field, "not a list of module names")),
        }
    }

    fn patterns<T>(&self, field: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Patterns<T>> {
        let entries: BTreeMap<&String, &Value> = match self.fields.get(field) {
            None | Some(Value::Null) => return Ok(Patterns(Vec::new())),
            Some(Value::Object(entries)) if entries.len() <= MAX_PATTERNS => entries.iter().collect(),
            Some(_) => return Err(self.refuse(field, "not an object of module patterns")),
        };
        let compiled = entries.into_iter().map(|(key, value)| {
            let regex = regex::RegexBuilder::new(&format!(r"^(?:.*\.)?(?:{key})$"))
                .size_limit(MAX_REGEX_BYTES)
                .build()
                .map_err(|_| self.refuse(field, &format!("keyed by '{key}', which is no valid pattern")))?;
            let value = read(value).ok_or_else(|| self.refuse(field, &format!("{value} for '{key}'")))?;
            Ok((regex, value))
        });
        Ok(Patterns(compiled.collect::<Result<_>>()?))
    }

    fn refuse_unsupported(&self) -> Result<()> {
        const UNDERSTOOD: [&str; 9] = [
            "r",
            "lora_alpha",
            "use_rslora",
            "target_modules",
            "modules_to_save",
            "rank_pattern",
            "alpha_pattern",
            "bias",
            "init_lora_weights",
        ];
        if let Some(bias) = self.str("bias").filter(|&bias| bias != "none") {
            return Err(self.refuse("bias", &format!("'{bias}'; trained biases are not run, only 'none'")));
        }
        match self.fields.get("init_lora_weights") {
            Some(Value::String(kind)) if !HARMLESS_INITIALISATIONS.contains(&kind.as_str()) => {
                let reason = format!("'{kind}', which changes the base; convert it to plain LoRA first");
                return Err(self.refuse("init_lora_weights", &reason));
            }
            _ => {}
        }
        let known = |field: &str| NEUTRAL.contains(&field) || UNDERSTOOD.contains(&field);
        match self.fields.iter().find(|(field, value)| !known(field) && is_set(value)) {
            Some((field, value)) => Err(self.refuse(field, &format!("{value}, which is not supported"))),
            None => Ok(()),
        }
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}
