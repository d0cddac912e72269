//! What a run measures: a data set, its rows, and how they are answered.

use std::fmt;
use std::path::{Path, PathBuf};

use loam_bench::loader::{Format, Split};
use loam_bench::metric::Metric;
use loam_bench::registry::{Entry, StandIn};
use serde::{Deserialize, Serialize};

use super::recipe::Recipe;

/// Rows of a run that only shows that all of it works.
const QUICK_CLASSES: usize = 24;
const QUICK_TEXTS: usize = 2;

/// What the official files are called.
pub const OFFICIAL: &str = "official";

/// How rows are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By an adapter, installed or a file.
    Adapter(PathBuf),
    /// By the foundation alone.
    ZeroShot,
    /// By a linear head over the foundation's embeddings of so many training rows a class.
    FewShot(usize),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter(name) => write!(f, "adapter {}", name.display()),
            Self::ZeroShot => f.write_str("zero-shot"),
            Self::FewShot(shots) => write!(f, "{shots}-shot"),
        }
    }
}

/// Where the rows are.
#[derive(Clone, Debug)]
pub enum Source {
    /// The official files, in a folder.
    Official(PathBuf),
    /// Files in the official form that are something else, by the name that results give it.
    Alike(PathBuf, String),
    /// A set that stands for them, below the folder of all sets.
    StandIn(StandIn, PathBuf),
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the registry says.
    pub entry: &'static Entry,
    /// Where the rows are.
    pub source: Source,
    /// How they are answered.
    pub way: Way,
    /// How the set is asked.
    pub recipe: Recipe,
    /// Rows at most.
    pub limit: usize,
    /// Of every choice that chance makes.
    pub seed: u64,
}

/// How many rows are taken.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// As the recipe says.
    Whole,
    /// So many.
    Limit(usize),
    /// Few, to see that all of it works.
    Quick,
}

impl Plan {
    /// Of a source; an adapter that is not named is the recipe's, and without one the foundation answers alone.
    #[must_use]
    pub fn new(entry: &'static Entry, source: Source, way: Option<Way>, extent: Extent, seed: u64) -> Self {
        let set = match &source {
            Source::Official(_) | Source::Alike(..) => None,
            Source::StandIn(set, _) => Some(set.name()),
        };
        let recipe = Recipe::find(entry.id, set.as_deref());
        let default = || recipe.adapter.as_ref().map_or(Way::ZeroShot, |name| Way::Adapter(name.into()));
        let way = way.unwrap_or_else(default);
        let mut plan = Self { entry, source, way, limit: recipe.rows(), recipe, seed };
        plan.limit = match extent {
            Extent::Whole => plan.limit,
            Extent::Limit(rows) => rows,
            Extent::Quick if plan.has_classes() => plan.limit.min(QUICK_CLASSES),
            Extent::Quick => plan.limit.min(QUICK_TEXTS),
        };
        plan
    }

    /// What it is scored by.
    #[must_use]
    pub fn metric(&self) -> Metric {
        match &self.source {
            Source::Official(_) | Source::Alike(..) => self.entry.metric,
            Source::StandIn(set, _) => set.metric,
        }
    }

    /// The part of the set that is scored.
    #[must_use]
    pub fn split(&self) -> Split {
        match &self.source {
            Source::Official(_) | Source::Alike(..) => self.entry.split,
            Source::StandIn(set, _) => set.split,
        }
    }

    /// Format and folder.
    #[must_use]
    pub fn files(&self) -> (Format, PathBuf) {
        match &self.source {
            Source::Official(folder) | Source::Alike(folder, _) => (self.entry.format, folder.clone()),
            Source::StandIn(set, root) => (Format::StandIn(set.view), root.join(set.path)),
        }
    }

    /// The set as commands name it; `official` for the official files.
    #[must_use]
    pub fn set(&self) -> String {
        match &self.source {
            Source::Official(_) => OFFICIAL.to_owned(),
            Source::Alike(_, name) => name.clone(),
            Source::StandIn(set, _) => set.name(),
        }
    }

    /// Whether rows have one class each.
    #[must_use]
    pub fn has_classes(&self) -> bool {
        matches!(self.metric(), Metric::Accuracy | Metric::MacroF1 | Metric::MultiLabelF1 | Metric::Matthews)
    }

    /// Name of the file of results, without its ending.
    #[must_use]
    pub fn stem(&self) -> String {
        let way = match &self.way {
            Way::Adapter(name) => {
                let name = name.file_stem().unwrap_or(name.as_os_str());
                format!("adapter-{}", name.to_string_lossy())
            }
            other => other.to_string(),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
        format!("{}.{}.{way}", self.entry.id, self.set()).chars().map(plain).collect()
    }

    /// Below a folder of results: what came out row by row.
    #[must_use]
    pub fn journal(&self, out: &Path) -> PathBuf {
        out.join(format!("{}.jsonl", self.stem()))
    }

    /// Below a folder of results: the score.
    #[must_use]
    pub fn summary(&self, out: &Path) -> PathBuf {
        out.join(format!("{}.json", self.stem()))
    }
}
