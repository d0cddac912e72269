//! What was measured, and what failed, kept between runs: a compiler that crashed is not asked again by the same versions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::weights::read_bounded;

/// Longest file: some 500 bytes an entry.
const MAX_PLAN: u64 = 4 << 20;
/// Entries that are kept, the latest.
const MAX_ENTRIES: usize = 1024;

/// What is known of a component, or of one of its graphs, on a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The backend's name.
    pub backend: String,
    /// Its libraries and its device.
    pub identity: String,
    /// The component's name.
    pub component: String,
    /// SHA-256 of its weights.
    pub fingerprint: String,
    /// Which graph, by its name; none for what concerns all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// What was found.
    pub verdict: Verdict,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It gave what the processor gives.
    Measured {
        /// Median time of the delegate.
        delegate_ms: f64,
        /// Median time of the processor.
        processor_ms: f64,
        /// Cosine between their results.
        cosine: f32,
    },
    /// It is not to be tried again.
    Disabled(Reason),
}

/// All entries of a device.
#[derive(Debug, Default)]
pub struct Plan {
    path: Option<PathBuf>,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Serialize, Deserialize)]
struct File {
    entries: Vec<Entry>,
}

impl Plan {
    /// The one in a file, which may be absent. One that is damaged is given up: everything in it can be found out again.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> Self {
        let read = |path: &Path| -> Option<Vec<Entry>> {
            let text = read_bounded(path, MAX_PLAN).ok()?;
            let file = serde_json::from_slice::<File>(&text);
            file.inspect_err(|e| log::warn!("{}: {e}: delegates are measured again", path.display()))
                .ok()
                .map(|f| f.entries)
        };
        let entries = path.as_deref().filter(|path| path.is_file()).and_then(read).unwrap_or_default();
        Self { path, entries: Mutex::new(entries) }
    }

    /// What is known.
    #[must_use]
    pub fn find(&self, like: &Entry) -> Option<Verdict> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().rev().find(|entry| entry.is_of(like)).map(|entry| entry.verdict.clone())
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps an entry in the place of an older one.
    ///
    /// # Errors
    /// [`Error::Io`]; it counts for this process nevertheless.
    pub fn keep(&self, entry: Entry) -> Result<()> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|known| !known.is_of(&entry));
        entries.push(entry);
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
        let Some(path) = &self.path else { return Ok(()) };
        let text =
            serde_json::to_vec_pretty(&File { entries: entries.clone() }).expect("invariant: strings and numbers");
        let failed = |e: std::io::Error| Error::io(path, e);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

impl Entry {
    /// For one graph of what this is an entry of.
    #[must_use]
    pub fn of_segment(&self, segment: Segment) -> Self {
        Self { segment: Some(segment.to_string()), ..self.clone() }
    }

    fn is_of(&self, other: &Self) -> bool {
        let key = |entry: &Self| {
            let Self { backend, identity, component, fingerprint, segment, verdict: _ } = entry;
            (backend.clone(), identity.clone(), component.clone(), fingerprint.clone(), segment.clone())
        };
        key(self) == key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(identity: &str, verdict: Verdict) -> Entry {
        Entry {
            backend: "npu".to_owned(),
            identity: identity.to_owned(),
            component: "text".to_owned(),
            fingerprint: "f".to_owned(),
            segment: None,
            verdict,
        }
    }

    #[test]
    fn entries_outlive_a_process_and_count_for_their_versions_only() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("deep/plan.json");
        let crashed = entry("v1", Verdict::Disabled(Reason::Crashed("signal 11".to_owned())));
        let measured = Verdict::Measured { delegate_ms: 1.5, processor_ms: 3.0, cosine: 0.75 };
        let plan = Plan::open(Some(path.clone()));
        plan.keep(crashed.clone()).expect("kept");
        plan.keep(entry("v1", measured.clone()).of_segment(Segment::Whole)).expect("kept");
        let again = Plan::open(Some(path.clone()));
        assert_eq!(again.find(&crashed), Some(crashed.verdict.clone()));
        assert_eq!(again.find(&crashed.of_segment(Segment::Whole)), Some(measured));
        assert_eq!(again.find(&entry("v2", crashed.verdict.clone())), None, "another version is tried");
        std::fs::write(&path, "{").expect("written");
        assert!(Plan::open(Some(path)).entries().is_empty());
    }
}
