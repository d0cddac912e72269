//! How each set is asked: `recipes.toml`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use loam_bench::registry::DatasetId;
use serde::Deserialize;

const TEXT: &str = include_str!("recipes.toml");
/// Tokens of an answer where nothing else is said.
const MAX_TOKENS: usize = 64;
/// Rows where nothing else is said.
const MAX_ROWS: usize = 1000;

/// What knows classes without an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Knows {
    /// The encoders: the input beside each class's sentence.
    #[default]
    Labels,
    /// The backbone: how likely each class is as its answer.
    Answers,
}

/// How an adapter's labels belong to the classes of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By their names.
    Names,
    /// By their places: the set has numbers for names.
    Places,
}

/// How a set is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The adapter that measures it by default.
    pub adapter: Option<String>,
    same_order: bool,
    /// What knows classes without an adapter.
    pub by: Knows,
    /// Sentence around a class.
    pub template: Option<String>,
    /// Words that stand for classes whose names say little.
    words: BTreeMap<String, String>,
    /// The system message.
    pub instructions: Option<String>,
    max_tokens: Option<usize>,
    rows: Option<usize>,
}

impl Recipe {
    /// Of a set, as commands name it, or of an id's official files.
    #[must_use]
    pub fn find(id: DatasetId, set: Option<&str>) -> Self {
        let all = recipes();
        let found = match set {
            None => all.get(&id.to_string()),
            Some(set) => all.get(&format!("{set}@{id}")).or_else(|| all.get(set)),
        };
        found.cloned().unwrap_or_default()
    }

    /// Words for a class: its own, else its name with spaces for underscores and bars.
    #[must_use]
    pub fn words(&self, label: &str) -> String {
        self.words.get(label).cloned().unwrap_or_else(|| label.replace(['_', '|'], " ").trim().to_owned())
    }

    /// How an adapter's labels belong to the classes.
    #[must_use]
    pub fn order(&self) -> Order {
        if self.same_order { Order::Places } else { Order::Names }
    }

    /// Tokens of an answer at most.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens.unwrap_or(MAX_TOKENS)
    }

    /// Rows of a run at most.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.unwrap_or(MAX_ROWS)
    }
}

fn recipes() -> &'static BTreeMap<String, Recipe> {
    static ALL: OnceLock<BTreeMap<String, Recipe>> = OnceLock::new();
    ALL.get_or_init(|| toml::from_str(TEXT).expect("invariant: the recipes are checked by a test"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use loam_bench::registry;

    use super::*;

    #[test]
    fn every_recipe_is_of_a_set_and_every_adapter_is_shipped_or_trained_beside() {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for entry in registry::entries() {
            known.insert(entry.id.to_string());
            for set in entry.stand_ins {
                known.extend([set.name(), format!("{}@{}", set.name(), entry.id)]);
                assert!(Recipe::find(entry.id, Some(&set.name())).rows.is_some(), "{} has no recipe", set.name());
            }
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/adapters");
        // By `make adapters-research`, from data that may not be published with weights.
        let trained = [
            "caption",
            "caption-search",
            "correct",
            "flowers",
            "gestures",
            "movements",
            "news",
            "summary",
            "to-english",
            "to-german",
        ];
        for (key, recipe) in recipes() {
            assert!(known.contains(key), "{key} is no set");
            assert!(recipe.template.as_ref().is_none_or(|template| template.contains("{}")), "{key}");
            let Some(adapter) = &recipe.adapter else { continue };
            let there = shipped.join(format!("{adapter}.safetensors")).exists();
            assert!(there || trained.contains(&adapter.as_str()), "{key}: {adapter}");
        }
    }
}
