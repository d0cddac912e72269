//! Times and memory of models of one task, as `python -m loam_train peers` takes them beside a folder of scores.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::baseline::of_set;
use super::small;
use super::summary::{Measured, Summary};
use crate::error::{Error, Result};

const FORMAT: &str = "times of models of one task";
/// Below the folder of scores.
const FILE: &str = "peers/measured.json";
const SCHEMA: u32 = 1;

/// A model in a process of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// What ran it, with its version.
    pub runtime: String,
    /// Threads that it had: the better of one and all.
    pub threads: usize,
    /// Half of the rows took no longer, in milliseconds.
    pub median_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// What the process held for it, without the interpreter and its libraries; none where that says nothing of the model.
    pub held_bytes: Option<u64>,
    /// Rows that were answered.
    pub rows: usize,
}

impl Timed {
    fn check(&self) -> std::result::Result<(), String> {
        small::times(self.median_ms, self.p95_ms)?;
        small::bytes(self.held_bytes.unwrap_or(0))?;
        if self.rows == 0 { Err("no rows".to_owned()) } else { Ok(()) }
    }
}

/// A model that others made and published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foreign {
    /// What it is called.
    pub name: String,
    /// `T1` to `T50`.
    pub task: String,
    /// Whose rows it answered.
    pub set: String,
    /// The share that was right; none where its classes are not the set's.
    pub score: Option<f64>,
    /// Of its file.
    pub bytes: u64,
    /// In its graph.
    pub operators: usize,
    /// Of how many kinds those are.
    pub kinds: usize,
    /// What it takes.
    #[serde(flatten)]
    pub timed: Timed,
}

/// A model that others made beside an adapter on the same set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The model.
    #[serde(flatten)]
    pub foreign: Foreign,
    /// What answered the set here; none where nothing did.
    pub way: Option<String>,
    /// Share of rows that it had right.
    pub own_score: Option<f64>,
    /// Median milliseconds of a row.
    pub own_ms: Option<f64>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    schema: u32,
    /// Cores and processor, in the words of [`super::machine::Machine`].
    pub machine: String,
    /// When, year first.
    pub date: String,
    /// By the set, or the set and the id.
    peers: BTreeMap<String, Timed>,
    ready: Vec<Foreign>,
}

impl Peers {
    /// Of a folder of scores; none where no models were timed.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] for a file of another kind, naming the value.
    pub fn read(runs: &Path) -> Result<Self> {
        let path = runs.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let found: Self = small::read(&path, FORMAT)?;
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        if found.schema != SCHEMA {
            return Err(wrong(format!("schema {}, expected {SCHEMA}", found.schema)));
        }
        let ready = found.ready.iter().map(|one| (&one.name, &one.timed));
        for (name, timed) in found.peers.iter().chain(ready) {
            timed.check().map_err(|reason| wrong(format!("{name}: {reason}")))?;
        }
        for one in &found.ready {
            if let Some(score) = one.score.filter(|score| !(0.0..=1.0).contains(score)) {
                return Err(wrong(format!("{}: a score of {score:e}, expected a share", one.name)));
            }
            small::bytes(one.bytes).map_err(|reason| wrong(format!("{}: {reason}", one.name)))?;
        }
        Ok(found)
    }

    /// The model of a set; `id` says which answers are meant where the set is asked for several.
    #[must_use]
    pub fn of(&self, id: &str, set: &str) -> Option<&Timed> {
        of_set(&self.peers, id, set)
    }

    /// Models that others made, beside the adapter that answered the same set, or what did.
    #[must_use]
    pub fn beside(&self, summaries: &[Summary]) -> Vec<Beside> {
        let measured: Vec<&Measured> = summaries
            .iter()
            .filter_map(|summary| match summary {
                Summary::Measured(run) => Some(&**run),
                Summary::NotMeasured { .. } => None,
            })
            .collect();
        let answered = |set: &str| {
            let mut all = measured.iter().filter(|run| run.settings.set == set);
            all.clone().find(|run| run.settings.adapter.is_some()).or_else(|| all.next()).copied()
        };
        let beside = |foreign: &Foreign| {
            let own = answered(&foreign.set);
            Beside {
                foreign: foreign.clone(),
                way: own.map(|run| run.settings.way.to_string()),
                own_score: own.map(|run| run.score),
                own_ms: own.map(|run| run.latency_ms.median),
            }
        };
        self.ready.iter().map(beside).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Peers> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("peers")).expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("written");
        Peers::read(folder.path())
    }

    const TIMED: &str = r#""runtime":"r","threads":1,"median_ms":2.5,"p95_ms":3.0,"held_bytes":7,"rows":30"#;

    #[test]
    fn an_id_comes_before_its_set() {
        let other = TIMED.replace("2.5", "1.5");
        let found = read(&format!(
            r#"{{"schema":1,"machine":"m","date":"d","peers":{{"a/b":{{{TIMED}}},"a/b@T4":{{{other}}}}},"ready":[]}}"#
        ))
        .expect("times");
        assert_eq!(found.of("T4", "a/b").map(|one| one.median_ms), Some(1.5));
        assert_eq!(found.of("T5", "a/b").map(|one| one.median_ms), Some(2.5));
        assert_eq!(found.of("T5", "a/c"), None);
    }

    #[test]
    fn a_folder_without_times_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Peers::read(folder.path()).expect("nothing is fine"), Peers::default());
    }

    #[test]
    fn what_no_model_can_take_is_refused_by_its_name() {
        let slow = TIMED.replace("2.5", "-2.5");
        let told = read(&format!(r#"{{"schema":1,"machine":"m","date":"d","peers":{{"a/b":{{{slow}}}}},"ready":[]}}"#))
            .expect_err("refused")
            .to_string();
        assert!(told.contains("a/b") && told.contains("-2.5"), "{told}");
        let foreign =
            format!(r#"{{"name":"N","task":"T36","set":"s","score":1.5,"bytes":1,"operators":2,"kinds":1,{TIMED}}}"#);
        let told = read(&format!(r#"{{"schema":1,"machine":"m","date":"d","peers":{{}},"ready":[{foreign}]}}"#))
            .expect_err("refused")
            .to_string();
        assert!(told.contains('N') && told.contains("1.5"), "{told}");
        let told =
            read(r#"{"schema":2,"machine":"m","date":"d","peers":{},"ready":[]}"#).expect_err("refused").to_string();
        assert!(told.contains("schema 2"), "{told}");
        assert!(read("{").is_err());
    }
}
