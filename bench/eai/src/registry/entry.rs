//! What is known of a data set.

use std::fmt;
use std::str::FromStr;

use super::DATASETS;
use super::task::{Domain, Task};
use crate::error::{Error, Result};
use crate::loader::{Format, Split, View};
use crate::metric::Metric;

/// `T1` to `T50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetId(pub(super) u8);

impl DatasetId {
    /// Of a number from 1 to 50.
    ///
    /// # Errors
    /// [`Error::Unknown`] for any other number.
    pub fn new(number: u8) -> Result<Self> {
        if (1..=DATASETS).contains(&usize::from(number)) {
            return Ok(Self(number));
        }
        Err(unknown(&format!("T{number}")))
    }

    /// From 1 to 50.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

fn unknown(name: &str) -> Error {
    Error::Unknown { what: "data set", name: name.to_owned(), known: format!("they are T1 to T{DATASETS}") }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

impl FromStr for DatasetId {
    type Err = Error;

    /// `T24`, `t24` or `24`.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix(['T', 't']).unwrap_or(text);
        // Nothing but digits: no sign and no space.
        let number = digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.and_then(|number| Self::new(number).ok()).ok_or_else(|| unknown(text))
    }
}

/// Which parts of the foundation run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnginePath {
    /// Encoder, projector, backbone, generator.
    One,
    /// Backbone and generator.
    Two,
    /// Encoder and head.
    Three,
    /// One generator.
    Four,
}

impl EnginePath {
    /// 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}

/// What a model made for the task alone reaches, as published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The model.
    pub model: &'static str,
    /// What it was scored by, in the unit of the publication.
    pub metric: &'static str,
    /// Its score.
    pub score: f64,
    /// Where that stands.
    pub source: &'static str,
}

/// A set at hand that stands for the official one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandIn {
    /// Its folder below that of the sets.
    pub path: &'static str,
    /// The part to score on.
    pub split: Split,
    /// What its rows are asked for.
    pub view: View,
    /// What it is scored by.
    pub metric: Metric,
}

/// Whether an entry can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On sets that stand in for it, and on the official files.
    StandIn,
    /// On the official files alone.
    OfficialFiles,
}

impl Status {
    /// As tables say it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::StandIn => "stand-in",
            Self::OfficialFiles => "official files",
        }
    }
}

/// A data set of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// `T1` to `T50`.
    pub id: DatasetId,
    /// Its task.
    pub task: Task,
    /// Its name.
    pub dataset: &'static str,
    /// The part that scores are reported on.
    pub split: Split,
    /// What it is scored by.
    pub metric: Metric,
    /// Which parts of the foundation run.
    pub path: EnginePath,
    /// Terms as commonly published, to be checked at the publisher; none where none is stated.
    pub licence: Option<&'static str>,
    /// Where its authors publish it.
    pub source: &'static str,
    /// How its official files are read.
    pub format: Format,
    /// A model made for the task alone with its score; none where none is known for certain.
    pub published: Option<Published>,
    /// Sets at hand that stand for it.
    pub stand_ins: &'static [StandIn],
}

impl StandIn {
    /// As commands name it: its path, and its view where that is not the main one.
    #[must_use]
    pub fn name(&self) -> String {
        self.view.name().map_or_else(|| self.path.to_owned(), |view| format!("{}:{view}", self.path))
    }
}

impl Entry {
    /// What its task is about.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.task.domain()
    }

    /// Whether it can be measured.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.stand_ins.is_empty() { Status::OfficialFiles } else { Status::StandIn }
    }

    /// What measures it on its official files.
    #[must_use]
    pub fn command(&self) -> String {
        format!("loam bench run --task {} --data DIR", self.id)
    }

    /// What measures it on a set that stands for it.
    #[must_use]
    pub fn stand_in_command(&self, set: &StandIn) -> String {
        format!("loam bench run --task {} --stand-in {} --data ../shared/data", self.id, set.name())
    }
}

/// Rows of another view, scored by how many classes are right.
pub(super) const fn view(path: &'static str, view: View) -> StandIn {
    StandIn { path, split: Split::Test, view, metric: Metric::Accuracy }
}

/// A set whose main rows are scored on its test.
pub(super) const fn set(path: &'static str, metric: Metric) -> StandIn {
    StandIn { path, split: Split::Test, view: View::Main, metric }
}
