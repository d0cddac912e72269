//! All that a result depends on: the first line of a run file, and what another run must agree with to go on with it.

use std::path::Path;

use loam::Engine;
use loam::adapter::Adapter;
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::plan::{Plan, Way};
use super::rows::Rows;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// Of run files and summaries.
pub const SCHEMA: u32 = 1;

/// An adapter, as it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterIdentity {
    /// What it is called.
    pub name: String,
    /// What it acts on.
    pub component: String,
    /// SHA-256 of its tensors and task.
    pub digest: String,
    /// Of its file.
    pub bytes: u64,
}

/// A foundation, as it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundationIdentity {
    /// What it is called.
    pub id: String,
    /// Of its manifest; a bare model has none.
    pub version: Option<String>,
    /// Over the fingerprints of its components.
    pub digest: Digest,
    /// Weights of all of its components.
    pub bytes: u64,
}

/// Everything that a result depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Of this form of file.
    pub schema: u32,
    /// `T1` to `T50`.
    pub id: String,
    /// What the task is called.
    pub task: String,
    /// The data set of the benchmark.
    pub dataset: String,
    /// The set that was measured; `official` for the official files.
    pub set: String,
    /// The part of it.
    pub split: String,
    /// What it is scored by.
    pub metric: String,
    /// How rows are answered.
    pub way: Way,
    /// The adapter, where there is one.
    pub adapter: Option<AdapterIdentity>,
    /// The foundation.
    pub foundation: FoundationIdentity,
    /// Of every choice that chance makes.
    pub seed: u64,
    /// Rows that are measured.
    pub rows: usize,
    /// Rows that there are.
    pub of: usize,
    /// Classes.
    pub classes: usize,
    /// Over the rows and what is right about them.
    pub data: Digest,
    /// Where, and by which program.
    pub machine: Machine,
    /// How the engine was opened, where that was not as usual.
    #[serde(default)]
    pub engine: String,
}

impl Settings {
    /// Of a run; `opened` is how the engine was, where that was not as usual.
    ///
    /// # Errors
    /// The engine's for a foundation that cannot be read.
    pub fn new(
        plan: &Plan,
        rows: &Rows,
        engine: &Engine,
        adapter: Option<&Adapter>,
        opened: String,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            schema: SCHEMA,
            id: plan.entry.id.to_string(),
            task: plan.entry.task.name().to_owned(),
            dataset: plan.entry.dataset.to_owned(),
            set: plan.set(),
            split: plan.split().name().to_owned(),
            metric: plan.metric().name().to_owned(),
            way: plan.way.clone(),
            adapter: adapter.map(identity),
            foundation: foundation(engine)?,
            seed: plan.seed,
            rows: rows.examples.len(),
            of: rows.of,
            classes: rows.labels.len(),
            data: rows.digest(),
            machine: Machine::here(),
            engine: opened,
        })
    }

    /// Succeeds where `asked` is the same.
    ///
    /// # Errors
    /// [`Error::OtherSettings`] naming the first one that differs.
    pub fn check(&self, asked: &Self, path: &Path) -> Result<()> {
        let adapter = |of: &Self| of.adapter.as_ref().map_or("none".to_owned(), |adapter| adapter.digest.clone());
        let options = |of: &Self| if of.engine.is_empty() { "as usual".to_owned() } else { of.engine.clone() };
        let fields: [(&'static str, String, String); 15] = [
            ("schema", self.schema.to_string(), asked.schema.to_string()),
            ("id", self.id.clone(), asked.id.clone()),
            ("set", self.set.clone(), asked.set.clone()),
            ("split", self.split.clone(), asked.split.clone()),
            ("metric", self.metric.clone(), asked.metric.clone()),
            ("way", self.way.to_string(), asked.way.to_string()),
            ("adapter", adapter(self), adapter(asked)),
            ("foundation", self.foundation.digest.to_string(), asked.foundation.digest.to_string()),
            ("seed", self.seed.to_string(), asked.seed.to_string()),
            ("rows", self.rows.to_string(), asked.rows.to_string()),
            ("rows of the set", self.of.to_string(), asked.of.to_string()),
            ("data", self.data.to_string(), asked.data.to_string()),
            ("machine", self.machine.processor.clone(), asked.machine.processor.clone()),
            ("commit", self.machine.commit.clone(), asked.machine.commit.clone()),
            ("engine", options(self), options(asked)),
        ];
        for (field, found, expected) in fields {
            if found != expected {
                return Err(Error::OtherSettings { path: path.to_path_buf(), field, found, expected });
            }
        }
        Ok(())
    }
}

fn identity(adapter: &Adapter) -> AdapterIdentity {
    let (package, task) = (&adapter.package, adapter.package.task());
    let weights =
        if package.path().is_dir() { package.path().join("adapter_model.safetensors") } else { package.path().into() };
    AdapterIdentity {
        name: task.name.clone().unwrap_or_else(|| adapter.alias.clone()),
        component: task.component.clone(),
        digest: package.digest().to_owned(),
        bytes: std::fs::metadata(weights).map_or(0, |file| file.len()),
    }
}

fn foundation(engine: &Engine) -> anyhow::Result<FoundationIdentity> {
    let foundation = engine.foundation();
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    for component in foundation.components() {
        hasher.update(format!("{} {}\n", component.name(), component.fingerprint()?).as_bytes());
        bytes += component.weight_bytes()?;
    }
    Ok(FoundationIdentity {
        id: foundation.id().to_owned(),
        version: foundation.version().map(str::to_owned),
        digest: hasher.finish(),
        bytes,
    })
}
