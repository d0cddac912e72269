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
/// Attempts that ended the process after which no other is made: one may have been ended by its user.
const MAX_ATTEMPTS: u32 = 2;

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
    known: Mutex<Known>,
}

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    entries: Vec<Entry>,
    /// What was begun and has not ended: the process may have died of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt>,
}

/// Opening and trying what was compiled for a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attempt {
    backend: String,
    identity: String,
    component: String,
    fingerprint: String,
    /// How often it was begun without an end.
    times: u32,
}

impl Plan {
    /// The one in a file, which may be absent. One that is damaged is given up: everything in it can be found out again.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> Self {
        let read = |path: &Path| -> Option<Known> {
            let text = read_bounded(path, MAX_PLAN).ok()?;
            let known = serde_json::from_slice(&text);
            known.inspect_err(|e| log::warn!("{}: {e}: delegates are measured again", path.display())).ok()
        };
        let known = path.as_deref().filter(|path| path.is_file()).and_then(read).unwrap_or_default();
        Self { path, known: Mutex::new(known) }
    }

    /// What is known.
    #[must_use]
    pub fn find(&self, like: &Entry) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entries.iter().rev().find(|entry| entry.is_of(like)).map(|entry| entry.verdict.clone())
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    /// Keeps an entry in the place of an older one.
    ///
    /// # Errors
    /// [`Error::Io`]; it counts for this process nevertheless.
    pub fn keep(&self, entry: Entry) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entries.retain(|other| !other.is_of(&entry));
        known.entries.push(entry);
        let surplus = known.entries.len().saturating_sub(MAX_ENTRIES);
        known.entries.drain(..surplus);
        self.write(&known)
    }

    /// Notes that what was compiled for an entry's component is going to be opened and tried, before it is: what ends the process
    /// is found in the file by the next one.
    ///
    /// # Errors
    /// [`Reason::Fatal`] where that ended processes before.
    pub fn begin(&self, entry: &Entry) -> std::result::Result<(), Reason> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let times = known.attempts.iter().find(|attempt| attempt.is_of(entry)).map_or(0, |attempt| attempt.times);
        if times >= MAX_ATTEMPTS {
            return Err(Reason::Fatal { times });
        }
        known.attempts.retain(|attempt| !attempt.is_of(entry));
        let Entry { backend, identity, component, fingerprint, .. } = entry.clone();
        known.attempts.push(Attempt { backend, identity, component, fingerprint, times: times + 1 });
        let surplus = known.attempts.len().saturating_sub(MAX_ENTRIES);
        known.attempts.drain(..surplus);
        // Without a file only this process can know.
        self.write(&known).inspect_err(|e| log::warn!("attempts of delegates are not kept: {e}")).ok();
        Ok(())
    }

    /// The process lives on after what [`Plan::begin`] noted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(&self, entry: &Entry) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.attempts.retain(|attempt| !attempt.is_of(entry));
        self.write(&known)
    }

    fn write(&self, known: &Known) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = serde_json::to_vec_pretty(known).expect("invariant: strings and numbers");
        let failed = |e: std::io::Error| Error::io(path, e);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

impl Attempt {
    fn is_of(&self, entry: &Entry) -> bool {
        let Self { backend, identity, component, fingerprint, times: _ } = self;
        *backend == entry.backend
            && *identity == entry.identity
            && *component == entry.component
            && *fingerprint == entry.fingerprint
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
        assert_eq!(again.begin(&crashed), Ok(()), "the first time");
        assert_eq!(Plan::open(Some(path.clone())).begin(&crashed), Ok(()), "it may have been the user");
        let warned = Plan::open(Some(path.clone()));
        assert_eq!(warned.begin(&crashed), Err(Reason::Fatal { times: 2 }));
        assert_eq!(warned.begin(&entry("v2", crashed.verdict.clone())), Ok(()));
        warned.end(&crashed).expect("kept");
        assert_eq!(Plan::open(Some(path.clone())).begin(&crashed), Ok(()));
        std::fs::write(&path, "{").expect("written");
        assert!(Plan::open(Some(path)).entries().is_empty());
    }
}
